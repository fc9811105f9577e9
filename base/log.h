// Logging: one logger per folder (`xds`, `vip`, `dns`, `fwd`, ...), written by a thread of their
// own, so that a slow sink never delays anyone; when its queue is full the oldest lines are
// dropped.
//
// Lines are `key=value` after a short message. Names from packets or peers go through escape_name()
// first.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <spdlog/logger.h>

#include "base/result.h"

namespace meshdns {

using Logger = spdlog::logger;

enum class LogFormat : std::uint8_t { kText, kJson };

// Who writes the lines: a thread of their own, or whoever logs. The latter writes at once what
// standard error takes and loses the rest, so that it never waits either.
enum class LogThread : std::uint8_t { kOwn, kCaller };

struct LogOptions {
  std::string level = "info";  // debug, info, warn, error, off
  LogFormat format = LogFormat::kText;
};

// Owns the sink, its thread and every logger; outlives whoever holds a Logger&.
class Logs {
 public:
  // Fails on an unknown level. Lines go to standard error.
  [[nodiscard]] static Result<std::unique_ptr<Logs>> create(const LogOptions& options,
                                                            LogThread thread = LogThread::kOwn);
  Logs(const Logs&) = delete;
  Logs& operator=(const Logs&) = delete;
  ~Logs();  // writes what is queued

  // The logger of a folder; the same object for the same name. Thread-safe.
  [[nodiscard]] Logger& logger(const std::string& name);
  // Changes the level of all loggers at once. Fails on an unknown level.
  [[nodiscard]] Result<void> set_level(const std::string& level);
  // Lines lost because the queue was full.
  [[nodiscard]] std::size_t dropped() const;

 private:
  struct Impl;
  explicit Logs(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Text from outside made safe for a log line or a terminal: every octet but printable ASCII, and
// backslash and quote, as \DDD.
[[nodiscard]] std::string escape_name(std::string_view text);
// The same for sentences of a peer, inside "" in the log line: spaces and single quotes stay.
[[nodiscard]] std::string escape_text(std::string_view text);

}  // namespace meshdns
