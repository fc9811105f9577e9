// KumaPoller: what the answers of a kuma-dp's socket mean, and when it is asked next. Pure state:
// KumaSocket asks, and whoever owns both waits.
//
// Belongs to the control thread. A socket that does not answer changes is_connected() and the time
// until the next question; the table stays.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "base/backoff.h"
#include "base/log.h"
#include "base/result.h"
#include "discovery/feeds/kuma_feed.h"
#include "discovery/feeds/kuma_socket.h"
#include "discovery/feeds/metrics.h"

namespace meshdns::discovery {

class KumaPoller {
 public:
  struct Options {
    std::string path;  // for people
    // Between questions. Those that fail come less and less often, down to every kSlowest.
    std::chrono::milliseconds interval{1'000};
  };
  static constexpr std::chrono::seconds kSlowest{5};

  // References outlive it.
  KumaPoller(const Options& options, std::uint_fast32_t seed, KumaFeed& feed, Logger& logger,
             KumaPollMetrics& metrics);

  // What to ask with next.
  [[nodiscard]] const std::string& etag() const { return etag_; }
  // Returns how long to wait before the next question.
  [[nodiscard]] std::chrono::milliseconds take(const Result<KumaAnswer>& answer);

  // Whether the last question had an answer that could be understood.
  [[nodiscard]] bool is_connected() const { return is_connected_; }
  // For people.
  [[nodiscard]] std::string state() const;

 private:
  [[nodiscard]] std::chrono::milliseconds on_failure(const std::string& reason);
  void note_connected();

  const Options options_;
  KumaFeed& feed_;
  Logger& logger_;
  KumaPollMetrics& metrics_;
  Backoff backoff_;
  std::string etag_;
  std::string failure_;  // of the last question; empty: it had none
  bool is_connected_ = false;
};

}  // namespace meshdns::discovery
