#include "bench/latency.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace meshdns::bench {
namespace {

using Latencies = std::vector<std::uint32_t>;

// So many thousands of answers, most of them after 10 us, two in a hundred after `slow_us`.
Latencies thousands(const std::vector<std::uint32_t>& slow_us) {
  constexpr std::size_t kSlow = 20;  // of a thousand: more than a hundredth
  Latencies latency_ns;
  for (const std::uint32_t us : slow_us) {
    latency_ns.insert(latency_ns.end(), 1000 - kSlow, 10'000);
    latency_ns.insert(latency_ns.end(), kSlow, us * 1000);
  }
  return latency_ns;
}

double calm_p99_of(const Latencies& latency_ns) {
  const std::string text = latency_json(latency_ns);
  const std::string key = "\"calm_p99\":";
  const std::size_t at = text.find(key);
  return at == std::string::npos ? -1 : std::stod(text.substr(at + key.size()));
}

TEST(LatencyJson, SaysThatThereAreNone) { EXPECT_EQ(latency_json({}), "null"); }

TEST(LatencyJson, IsOfAllInAnyOrder) {
  EXPECT_EQ(latency_json(Latencies{30'000, 10'000, 20'000}),
            R"({"p50":20.0,"p90":20.0,"p99":20.0,"p999":20.0,"max":30.0,"calm_p99":20.0})");
}

TEST(CalmP99, LeavesOutPausesThatFallIntoFewThousands) {
  EXPECT_EQ(calm_p99_of(thousands({50, 50, 5000, 4000})), 50);
}

TEST(CalmP99, HasWhatHappensInEveryThousand) {
  EXPECT_EQ(calm_p99_of(thousands({300, 200, 400, 250})), 250);
}

TEST(CalmP99, CountsWhatIsLeftOfAThousandForNone) {
  Latencies latency_ns = thousands({50, 60, 70, 80});
  latency_ns.insert(latency_ns.end(), 999, 1'000);
  EXPECT_EQ(calm_p99_of(latency_ns), 60);
}

}  // namespace
}  // namespace meshdns::bench
