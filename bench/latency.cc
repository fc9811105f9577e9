#include "bench/latency.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <fmt/format.h>

namespace meshdns::bench {
namespace {

constexpr std::size_t kCalmAnswers = 1000;

double microseconds_at(std::span<const std::uint32_t> sorted_ns, double share) {
  const auto index = static_cast<std::size_t>(share * static_cast<double>(sorted_ns.size() - 1));
  return static_cast<double>(sorted_ns[index]) / 1000.0;
}

std::vector<std::uint32_t> sorted(std::span<const std::uint32_t> latency_ns) {
  std::vector<std::uint32_t> copy(latency_ns.begin(), latency_ns.end());
  std::ranges::sort(copy);
  return copy;
}

// What is left at the end belongs to no thousand, unless there is none.
double calm_p99(std::span<const std::uint32_t> latency_ns) {
  const std::size_t answers = std::min(latency_ns.size(), kCalmAnswers);
  std::vector<double> each;
  for (std::size_t from = 0; from + answers <= latency_ns.size(); from += answers) {
    each.push_back(microseconds_at(sorted(latency_ns.subspan(from, answers)), 0.99));
  }
  std::ranges::sort(each);
  return each[each.size() / 4];
}

}  // namespace

std::string latency_json(std::span<const std::uint32_t> latency_ns) {
  if (latency_ns.empty()) {
    return "null";
  }
  const std::vector<std::uint32_t> all = sorted(latency_ns);
  return fmt::format(
      R"({{"p50":{:.1f},"p90":{:.1f},"p99":{:.1f},"p999":{:.1f},"max":{:.1f},"calm_p99":{:.1f}}})",
      microseconds_at(all, 0.5), microseconds_at(all, 0.9), microseconds_at(all, 0.99),
      microseconds_at(all, 0.999), microseconds_at(all, 1), calm_p99(latency_ns));
}

}  // namespace meshdns::bench
