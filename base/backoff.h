// Exponential backoff with jitter: how long to wait before the next attempt. A plain value of one
// thread.
#pragma once

#include <algorithm>
#include <chrono>
#include <random>

namespace meshdns {

class Backoff {
 public:
  struct Options {
    std::chrono::milliseconds initial{500};
    std::chrono::milliseconds maximum{3000};
    double multiplier = 1.6;
    double jitter = 0.2;  // each delay is drawn from [1 - jitter, 1 + jitter] times the nominal one
  };

  Backoff(const Options& options, std::uint_fast32_t seed)
      : options_(options), random_(seed), nominal_(options.initial) {}

  // The delay before the next attempt; each call lengthens the one after it, up to `maximum`.
  [[nodiscard]] std::chrono::milliseconds next() {
    std::uniform_real_distribution<double> factor(1.0 - options_.jitter, 1.0 + options_.jitter);
    const auto delay = std::chrono::duration<double, std::milli>(nominal_) * factor(random_);
    nominal_ = std::min(options_.maximum,
                        std::chrono::milliseconds(static_cast<std::chrono::milliseconds::rep>(
                            static_cast<double>(nominal_.count()) * options_.multiplier)));
    return std::chrono::duration_cast<std::chrono::milliseconds>(delay);
  }

  // Starts again at `initial`. Call it when the peer has proved useful (a response), not when it
  // was merely reached.
  void reset() { nominal_ = options_.initial; }

 private:
  Options options_;
  std::minstd_rand random_;
  std::chrono::milliseconds nominal_;
};

}  // namespace meshdns
