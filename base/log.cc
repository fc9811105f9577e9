#include "base/log.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <climits>
#include <cstddef>
#include <iterator>
#include <map>
#include <memory>
#include <mutex>
#include <poll.h>
#include <string>
#include <string_view>
#include <unistd.h>
#include <utility>

#include <fmt/format.h>
#include <spdlog/async_logger.h>
#include <spdlog/common.h>
#include <spdlog/details/log_msg.h>
#include <spdlog/details/thread_pool.h>
#include <spdlog/formatter.h>
#include <spdlog/sinks/base_sink.h>

#include "base/json_text.h"
#include "base/result.h"

namespace meshdns {
namespace {

constexpr std::size_t kQueueLines = 4096;  // some 400 octets each, wanted or not
// How often a writer that is stuck looks whether it should give up.
constexpr int kStuckCheckMilliseconds = 100;

Result<spdlog::level::level_enum> parse_level(const std::string& name) {
  for (const auto* known : {"trace", "debug", "info", "warn", "error", "off"}) {
    if (name == known) {
      return spdlog::level::from_str(name);
    }
  }
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("'{}' is no log level; use debug, info, warn, error or off", name));
}

// One JSON object a line: time, level, logger, message.
class JsonFormatter final : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& out) override {
    const auto micros =
        std::chrono::duration_cast<std::chrono::microseconds>(message.time.time_since_epoch())
            .count();
    fmt::format_to(std::back_inserter(out),
                   "{{\"time\":{}.{:06},\"level\":\"{}\",\"logger\":\"{}\",\"message\":{}}}\n",
                   micros / 1000000, micros % 1000000,
                   to_view(spdlog::level::to_string_view(message.level)),
                   to_view(message.logger_name), json_string(to_view(message.payload)));
  }
  [[nodiscard]] std::unique_ptr<spdlog::formatter> clone() const override {
    return std::make_unique<JsonFormatter>();
  }

 private:
  static std::string_view to_view(spdlog::string_view_t text) { return {text.data(), text.size()}; }
};

// Writes to standard error, and never gets stuck there: while nobody reads the pipe behind it, it
// waits only until close(); from then on what cannot be written at once is lost.
class StandardErrorSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  void close() { closing_ = true; }

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    std::string_view rest(line.data(), line.size());
    // A pipe with room for PIPE_BUF octets is ready for writing, and takes as many without
    // blocking.
    while (!rest.empty() && is_ready()) {
      const ssize_t written =
          ::write(STDERR_FILENO, rest.data(), std::min<std::size_t>(rest.size(), PIPE_BUF));
      if (written < 0 && errno != EINTR && errno != EAGAIN) {
        return;  // nobody will read it
      }
      rest.remove_prefix(written > 0 ? static_cast<std::size_t>(written) : 0);
    }
  }
  void flush_() override {}

 private:
  [[nodiscard]] bool is_ready() const {
    for (;;) {
      pollfd entry{.fd = STDERR_FILENO, .events = POLLOUT, .revents = 0};
      const int ready = ::poll(&entry, 1, closing_ ? 0 : kStuckCheckMilliseconds);
      if (ready > 0) {
        return true;
      }
      if (closing_ || (ready < 0 && errno != EINTR)) {
        return false;
      }
    }
  }

  std::atomic<bool> closing_{false};
};

// Every octet below `lowest` or beyond ASCII, and those of `ends`, as \DDD.
std::string escape(std::string_view text, char lowest, std::string_view ends) {
  std::string escaped;
  for (const char c : text) {
    const auto octet = static_cast<unsigned char>(c);
    if (c < lowest || octet >= 0x7f || ends.find(c) != std::string_view::npos) {
      fmt::format_to(std::back_inserter(escaped), "\\{:03}", octet);
    } else {
      escaped += c;
    }
  }
  return escaped;
}

}  // namespace

struct Logs::Impl {
  std::shared_ptr<StandardErrorSink> sink;
  std::shared_ptr<spdlog::details::thread_pool> thread;
  std::mutex mutex;  // guards loggers and level
  std::map<std::string, std::shared_ptr<spdlog::logger>> loggers;
  spdlog::level::level_enum level = spdlog::level::info;
};

Logs::Logs(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Logs::~Logs() { impl_->sink->close(); }

Result<std::unique_ptr<Logs>> Logs::create(const LogOptions& options, LogThread thread) {
  const auto level = parse_level(options.level);
  if (!level) {
    return tl::unexpected(level.error());
  }
  auto impl = std::make_unique<Impl>();
  impl->level = *level;
  impl->sink = std::make_shared<StandardErrorSink>();
  if (options.format == LogFormat::kJson) {
    impl->sink->set_formatter(std::make_unique<JsonFormatter>());
  } else {
    impl->sink->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %l %n: %v");
  }
  if (thread == LogThread::kOwn) {
    impl->thread = std::make_shared<spdlog::details::thread_pool>(kQueueLines, 1);
  } else {
    impl->sink->close();  // from here on it waits for nobody
  }
  return std::unique_ptr<Logs>(new Logs(std::move(impl)));
}

Logger& Logs::logger(const std::string& name) {
  const std::lock_guard lock(impl_->mutex);
  auto& logger = impl_->loggers[name];
  if (!logger) {
    if (impl_->thread) {
      logger = std::make_shared<spdlog::async_logger>(
          name, impl_->sink, impl_->thread, spdlog::async_overflow_policy::overrun_oldest);
    } else {
      logger = std::make_shared<spdlog::logger>(name, impl_->sink);
    }
    logger->set_level(impl_->level);
    logger->flush_on(spdlog::level::info);
  }
  return *logger;
}

Result<void> Logs::set_level(const std::string& level) {
  const auto parsed = parse_level(level);
  if (!parsed) {
    return tl::unexpected(parsed.error());
  }
  const std::lock_guard lock(impl_->mutex);
  impl_->level = *parsed;
  for (const auto& [name, logger] : impl_->loggers) {
    logger->set_level(*parsed);
  }
  return {};
}

std::size_t Logs::dropped() const { return impl_->thread ? impl_->thread->overrun_counter() : 0; }

std::string escape_name(std::string_view text) { return escape(text, '!', "\\\"'"); }

std::string escape_text(std::string_view text) { return escape(text, ' ', "\\\""); }

}  // namespace meshdns
