#include "discovery/feeds/kuma_poller.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>

#include <fmt/format.h>

#include "base/log.h"
#include "base/result.h"
#include "discovery/feeds/kuma_feed.h"
#include "discovery/feeds/kuma_socket.h"
#include "discovery/feeds/metrics.h"

namespace meshdns::discovery {

KumaPoller::KumaPoller(const Options& options, std::uint_fast32_t seed, KumaFeed& feed,
                       Logger& logger, KumaPollMetrics& metrics)
    : options_(options),
      feed_(feed),
      logger_(logger),
      metrics_(metrics),
      backoff_({.initial = options.interval,
                .maximum = std::max<std::chrono::milliseconds>(options.interval, kSlowest)},
               seed),
      etag_(feed.etag()) {}

std::chrono::milliseconds KumaPoller::take(const Result<KumaAnswer>& answer) {
  if (!answer) {
    return on_failure(answer.error().message);
  }
  switch (answer->kind) {
    case KumaAnswer::Kind::kTable: {
      if (const auto taken = feed_.take_table(answer->table); !taken) {
        return on_failure(fmt::format("kuma-dp's socket {}: {}", escape_text(options_.path),
                                      escape_text(taken.error().message)));
      }
      const bool is_same = !etag_.empty() && etag_ == answer->table.etag;
      (is_same ? metrics_.unchanged : metrics_.changed).add();
      etag_ = answer->table.etag;
      break;
    }
    case KumaAnswer::Kind::kUnchanged:
      metrics_.unchanged.add();
      feed_.confirm();
      break;
    case KumaAnswer::Kind::kNone:
      metrics_.none.add();
      etag_.clear();
      feed_.note_gone();
      break;
  }
  note_connected();
  return options_.interval;
}

void KumaPoller::note_connected() {
  backoff_.reset();
  failure_.clear();
  if (!is_connected_) {
    logger_.info("kuma-dp's socket answers path={}", escape_text(options_.path));
  }
  is_connected_ = true;
  metrics_.connected.set(1);
}

std::chrono::milliseconds KumaPoller::on_failure(const std::string& reason) {
  metrics_.failed.add();
  // Said when it begins, and when it becomes another.
  if (reason != failure_) {
    logger_.warn("{}", reason);
  }
  failure_ = reason;
  is_connected_ = false;
  metrics_.connected.set(0);
  // As kuma-dp does: the next answer is to be a whole one.
  etag_.clear();
  return backoff_.next();
}

std::string KumaPoller::state() const {
  if (!failure_.empty()) {
    return failure_;
  }
  return fmt::format("{} to kuma-dp's socket {}", is_connected_ ? "connected" : "not connected",
                     escape_text(options_.path));
}

}  // namespace meshdns::discovery
