#include "base/metrics.h"

#include <string>

#include <gtest/gtest.h>

namespace meshdns {
namespace {

TEST(MetricRegistry, PrintsPrometheusText) {
  MetricRegistry registry;
  registry.counter("b_total", "Bs.", {{"proto", "udp"}}).add(2);
  registry.counter("b_total", "Bs.", {{"proto", "tcp"}}).add();
  registry.gauge("a", "An a.").set(1.5);
  EXPECT_EQ(registry.render(),
            "# HELP a An a.\n# TYPE a gauge\na 1.5\n"
            "# HELP b_total Bs.\n# TYPE b_total counter\n"
            "b_total{proto=\"tcp\"} 1\nb_total{proto=\"udp\"} 2\n");
}

TEST(MetricRegistry, ReturnsTheSameCellForTheSameLabels) {
  MetricRegistry registry;
  const Counter& first = registry.counter("c_total", "C.", {{"k", "v"}});
  EXPECT_EQ(&first, &registry.counter("c_total", "C.", {{"k", "v"}}));
  EXPECT_NE(&first, &registry.counter("c_total", "C.", {{"k", "w"}}));
}

TEST(MetricRegistry, EscapesLabelValues) {
  MetricRegistry registry;
  registry.gauge("g", "G.", {{"k", "a\"b\\c\nd"}}).set(1);
  EXPECT_NE(registry.render().find(R"(g{k="a\"b\\c\nd"} 1)"), std::string::npos);
}

TEST(Histogram, CopiesWhatAnotherHasCounted) {
  MetricRegistry registry;
  Histogram& counted = registry.histogram("a_seconds", "A.", {1, 2});
  Histogram& copy = registry.histogram("b_seconds", "B.", {1, 2});
  copy.observe(7);
  for (const double value : {0.5, 1.5, 1.5, 3.0}) {
    counted.observe(value);
  }
  copy.copy(counted);
  EXPECT_EQ(copy.bucket(0), 1U);
  EXPECT_EQ(copy.bucket(1), 2U);
  EXPECT_EQ(copy.bucket(2), 1U);
  EXPECT_DOUBLE_EQ(copy.sum(), 6.5);
}

TEST(Histogram, CountsCumulatively) {
  MetricRegistry registry;
  Histogram& histogram = registry.histogram("h", "H.", {1, 2});
  for (const double value : {0.5, 1.0, 1.5, 9.0}) {
    histogram.observe(value);
  }
  EXPECT_EQ(registry.render(),
            "# HELP h H.\n# TYPE h histogram\nh_bucket{le=\"1\"} 2\nh_bucket{le=\"2\"} 3\n"
            "h_bucket{le=\"+Inf\"} 4\nh_sum 12\nh_count 4\n");
}

}  // namespace
}  // namespace meshdns
