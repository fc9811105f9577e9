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

PortStatistics port_statistics(const std::vector<UpstreamQuery>& queries) {
  constexpr std::size_t kBins = 16;
  constexpr int kSmallStep = 8;
  unsigned low = 32768;
  unsigned high = 60999;
  std::ifstream("/proc/sys/net/ipv4/ip_local_port_range") >> low >> high;
  std::set<std::uint16_t> ports;
  std::set<unsigned> ids;
  std::array<double, kBins> bins{};
  PortStatistics result;
  int last = -1000;
  for (const UpstreamQuery& query : queries) {
    const std::uint16_t port = query.client_port;
    ports.insert(port);
    ids.insert(static_cast<unsigned>(query.octets[0]) << 8U | query.octets[1]);
    ++bins.at(std::min<std::size_t>(kBins - 1, (port - low) * kBins / (high - low + 1)));
    result.small_steps += std::abs(port - last) <= kSmallStep ? 1 : 0;
    last = port;
  }
  const double expected = static_cast<double>(queries.size()) / kBins;
  for (const double count : bins) {
    result.chi_squared += (count - expected) * (count - expected) / expected;
  }
  result.distinct = ports.size();
  result.distinct_ids = ids.size();
  return result;
}

}  // namespace meshdns::support
