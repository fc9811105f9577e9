// What the latencies of a load say.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace meshdns::bench {

// Percentiles of all `latency_ns`, which stand in the order of their answers, in microseconds, as
// an object of JSON; "null" where there are none. Beside them `calm_p99`: the p99 of each thousand
// answers in a row, and of those the lower quartile. A machine that pauses for
// milliseconds now and then spoils the thousands that it falls into, and all of the plain p99; what
// happens in every thousand is in both.
[[nodiscard]] std::string latency_json(std::span<const std::uint32_t> latency_ns);

}  // namespace meshdns::bench
