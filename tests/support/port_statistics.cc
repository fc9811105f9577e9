#include "tests/support/port_statistics.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <set>
#include <vector>

#include "tests/support/scripted_upstream.h"

namespace meshdns::support {

namespace {

constexpr std::size_t kBins = 16;
constexpr unsigned kLowBits = 15;
using Bins = std::array<double, kBins>;

// What the kernel gives ports from.
struct PortRange {
  PortRange() { std::ifstream("/proc/sys/net/ipv4/ip_local_port_range") >> low >> high; }
  [[nodiscard]] std::size_t size() const { return high - low + 1; }
  [[nodiscard]] std::size_t bin_of(unsigned port) const {
    return std::min(kBins - 1, (port - low) * kBins / size());
  }
  unsigned low = 32768;
  unsigned high = 60999;
};

double chi_squared_of(const Bins& bins, std::size_t all) {
  const double expected = static_cast<double>(all) / kBins;
  double sum = 0;
  for (const double count : bins) {
    sum += (count - expected) * (count - expected) / expected;
  }
  return sum;
}

std::set<unsigned> ports_of(const std::vector<UpstreamQuery>& queries) {
  std::set<unsigned> ports;
  for (const UpstreamQuery& query : queries) {
    ports.insert(query.client_port);
  }
  return ports;
}

}  // namespace

PortStatistics port_statistics(const std::vector<UpstreamQuery>& queries) {
  constexpr int kSmallStep = 8;
  const PortRange range;
  std::set<unsigned> ids;
  Bins bins{};
  Bins low_bins{};
  PortStatistics result;
  int last = -1000;
  for (const UpstreamQuery& query : queries) {
    const std::uint16_t port = query.client_port;
    ids.insert(static_cast<unsigned>(query.octets[0]) << 8U | query.octets[1]);
    ++bins.at(range.bin_of(port));
    ++low_bins.at(port & kLowBits);
    result.small_steps += std::abs(port - last) <= kSmallStep ? 1 : 0;
    last = port;
  }
  result.chi_squared = chi_squared_of(bins, queries.size());
  result.chi_squared_low = chi_squared_of(low_bins, queries.size());
  result.distinct = ports_of(queries).size();
  result.distinct_ids = ids.size();
  return result;
}

PortComparison compare_ports(const std::vector<UpstreamQuery>& first,
                             const std::vector<UpstreamQuery>& second) {
  const PortRange range;
  Bins a{};
  Bins b{};
  for (const UpstreamQuery& query : first) {
    ++a.at(range.bin_of(query.client_port));
  }
  for (const UpstreamQuery& query : second) {
    ++b.at(range.bin_of(query.client_port));
  }
  PortComparison result;
  for (std::size_t i = 0; i < kBins; ++i) {
    result.chi_squared += (a.at(i) - b.at(i)) * (a.at(i) - b.at(i)) / (a.at(i) + b.at(i));
  }
  const auto first_ports = ports_of(first);
  const auto second_ports = ports_of(second);
  result.in_common = static_cast<std::size_t>(std::ranges::count_if(
      first_ports, [&](unsigned port) { return second_ports.contains(port); }));
  result.expected_in_common = static_cast<double>(first_ports.size()) *
                              static_cast<double>(second_ports.size()) /
                              static_cast<double>(range.size());
  return result;
}

}  // namespace meshdns::support
