#include "resolver/forward/rtt_estimate.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace meshdns::dns {
namespace {

using std::chrono::nanoseconds;

// Of the first buckets; each octave above them has four.
constexpr std::uint64_t kUnit = 16'000;
constexpr std::size_t kPerOctave = 4;
constexpr std::int64_t kWeight = 8;

}  // namespace

std::size_t RttEstimate::bucket_of(nanoseconds rtt) {
  const std::uint64_t units =
      static_cast<std::uint64_t>(std::max<std::int64_t>(rtt.count(), 0)) / kUnit;
  if (units < kPerOctave) {
    return static_cast<std::size_t>(units);
  }
  const auto octave = static_cast<std::size_t>(std::bit_width(units)) - 3;
  return std::min(kPerOctave * octave + static_cast<std::size_t>(units >> octave), kBuckets - 1);
}

nanoseconds RttEstimate::end_of(std::size_t bucket) {
  if (bucket < kPerOctave) {
    return nanoseconds((bucket + 1) * kUnit);
  }
  const std::size_t octave = bucket / kPerOctave - 1;
  return nanoseconds(((bucket % kPerOctave + kPerOctave + 1) << octave) * kUnit);
}

void RttEstimate::note(nanoseconds rtt) {
  const std::int64_t before = smoothed_.load(std::memory_order_relaxed);
  const std::int64_t now = before == 0 ? rtt.count() : before + (rtt.count() - before) / kWeight;
  smoothed_.store(std::max<std::int64_t>(now, 1), std::memory_order_relaxed);
  counts_.at(bucket_of(rtt)).fetch_add(1, std::memory_order_relaxed);
  if (count_.fetch_add(1, std::memory_order_relaxed) + 1 == kFull) {
    std::uint32_t left = 0;
    for (auto& count : counts_) {
      const std::uint32_t half = count.load(std::memory_order_relaxed) / 2;
      count.store(half, std::memory_order_relaxed);
      left += half;
    }
    count_.store(left, std::memory_order_relaxed);
  }
}

std::optional<nanoseconds> RttEstimate::smoothed() const {
  const std::int64_t value = smoothed_.load(std::memory_order_relaxed);
  return value == 0 ? std::nullopt : std::optional(nanoseconds(value));
}

std::optional<nanoseconds> RttEstimate::p95() const {
  const std::uint32_t all = count_.load(std::memory_order_relaxed);
  if (all < kFewest) {
    return std::nullopt;
  }
  std::uint32_t slower = 0;
  for (std::size_t bucket = kBuckets; bucket-- > 0;) {
    slower += counts_.at(bucket).load(std::memory_order_relaxed);
    if (slower * 20 > all) {
      return end_of(bucket);
    }
  }
  return end_of(0);
}

}  // namespace meshdns::dns
