// How well the source ports and ids of questions are drawn.
#pragma once

#include <cstddef>
#include <vector>

#include "tests/support/scripted_upstream.h"

namespace meshdns::support {

struct PortStatistics {
  // Of 15 degrees of freedom: seen once in ten million draws that are uniform.
  static constexpr double kUnlikelyChiSquared = 62;

  std::size_t distinct = 0;
  std::size_t distinct_ids = 0;
  double chi_squared = 0;       // of 16 equal bins of the range that the kernel gives ports from
  double chi_squared_low = 0;   // of 16 bins by the last four bits
  std::size_t small_steps = 0;  // from one question's port to the next one's: at most 8
};

[[nodiscard]] PortStatistics port_statistics(const std::vector<UpstreamQuery>& queries);

// Whether two of equal size come from the same ports.
struct PortComparison {
  double chi_squared = 0;  // of being drawn alike, in the 16 bins: 15 degrees of freedom
  std::size_t in_common = 0;
  double expected_in_common = 0;
};
[[nodiscard]] PortComparison compare_ports(const std::vector<UpstreamQuery>& first,
                                           const std::vector<UpstreamQuery>& second);

}  // namespace meshdns::support
