#include "discovery/xds/grpc_log.h"

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <mutex>
#include <optional>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <grpc/support/log.h>

#include "base/clock.h"
#include "base/log.h"

namespace meshdns::discovery {
namespace {

constexpr std::chrono::seconds kPause{1};  // from one error to the next
// How the line begins behind which gRPC aborts (GPR_ASSERT).
constexpr std::string_view kLastWords = "assertion failed";

struct Listener {
  std::mutex mutex;  // guards what follows
  Logger* logger = nullptr;
  const Clock* clock = nullptr;
  std::optional<TimePoint> last;
  std::uint64_t left_out = 0;
};

// Never destroyed: gRPC's threads may outlive all else.
Listener& listener() {
  static auto* const kOne = new Listener;  // NOLINT(cppcoreguidelines-owning-memory): as above
  return *kOne;
}

void hear(gpr_log_func_args* line) {
  const std::string_view message = line->message;
  if (message.starts_with(kLastWords)) {
    fmt::print(stderr, "gRPC: {} ({}:{})\n", message, line->file, line->line);
    return;
  }
  Listener& to = listener();
  const std::lock_guard lock(to.mutex);
  if (to.logger == nullptr) {
    return;
  }
  if (line->severity != GPR_LOG_SEVERITY_ERROR) {
    to.logger->info("gRPC says text=\"{}\"", escape_text(message));
    return;
  }
  const TimePoint now = to.clock->now();
  if (to.last && now - *to.last < kPause) {
    ++to.left_out;
    return;
  }
  to.last = now;
  to.logger->warn("gRPC says text=\"{}\" left_out={}", escape_text(message),
                  std::exchange(to.left_out, 0));
}

}  // namespace

GrpcLog::GrpcLog(Logger& logger, const Clock& clock) {
  {
    Listener& to = listener();
    const std::lock_guard lock(to.mutex);
    to.logger = &logger;
    to.clock = &clock;
    to.last.reset();
    to.left_out = 0;
  }
  gpr_set_log_function(hear);
}

GrpcLog::~GrpcLog() {
  Listener& to = listener();
  const std::lock_guard lock(to.mutex);
  to.logger = nullptr;
}

}  // namespace meshdns::discovery
