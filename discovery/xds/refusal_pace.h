// How soon a response is refused (NACK). Servers made with go-control-plane that speak state of the
// world answer a refusal at once with what was refused, thousands of times a second; so who gets
// the same again waits before saying the same again. A value of one thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "base/backoff.h"

namespace meshdns::discovery {

class RefusalPace {
 public:
  explicit RefusalPace(std::uint_fast32_t seed) : backoff_(kBackoff, seed) {}

  // How long the refusal of a response of this version is to wait; 0 when anything is new about it.
  // Not long: meanwhile the server may tell nothing else of the type.
  [[nodiscard]] std::chrono::milliseconds next(const std::string& version,
                                               const std::string& error) {
    const bool is_same = !version.empty() && version_ == version && error_ == error;
    if (!is_same) {
      version_ = version;
      error_ = error;
      backoff_.reset();
      return std::chrono::milliseconds(0);
    }
    return backoff_.next();
  }
  // Nothing was refused.
  void reset() {
    version_.clear();
    error_.clear();
  }

 private:
  static constexpr Backoff::Options kBackoff{.initial = std::chrono::milliseconds(500),
                                             .maximum = std::chrono::seconds(5),
                                             .multiplier = 2};

  Backoff backoff_;
  std::string version_;
  std::string error_;  // empty: nothing was refused
};

}  // namespace meshdns::discovery
