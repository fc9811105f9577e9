// How long one server's replies take lately: smoothed, and the time within which 95 of 100 came.
//
// The latter from a histogram whose buckets grow by a quarter at most and which is halved when it
// is full, so that what was long ago weighs little.
//
// Thread-safe: atomics, each of which stands for itself.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace meshdns::dns {

class RttEstimate {
 public:
  // So many replies before p95() says anything.
  static constexpr std::uint32_t kFewest = 8;

  void note(std::chrono::nanoseconds rtt);
  // Nothing before the first reply. Each reply counts for an eighth (as in RFC 6298 section 2).
  [[nodiscard]] std::optional<std::chrono::nanoseconds> smoothed() const;
  // At most a quarter too much.
  [[nodiscard]] std::optional<std::chrono::nanoseconds> p95() const;

 private:
  static constexpr std::size_t kBuckets = 72;
  static constexpr std::uint32_t kFull = 1024;

  [[nodiscard]] static std::size_t bucket_of(std::chrono::nanoseconds rtt);
  [[nodiscard]] static std::chrono::nanoseconds end_of(std::size_t bucket);

  std::atomic<std::int64_t> smoothed_{0};  // nanoseconds; 0: none yet
  std::atomic<std::uint32_t> count_{0};
  std::array<std::atomic<std::uint32_t>, kBuckets> counts_{};
};

}  // namespace meshdns::dns
