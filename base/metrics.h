// Metrics: cells that any thread may add to, and a registry that prints them in Prometheus' text
// format.
//
// Each folder declares its metrics in one struct (metrics.h of the folder) whose constructor
// registers them; docs/METRICS.md is checked against the registry by a test. Labels never hold what
// a client chose.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <initializer_list>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace meshdns {

// A value that only grows. Lock-free; on the answered path add once per batch.
class Counter {
 public:
  void add(std::uint64_t count = 1) { value_.fetch_add(count, std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

// A value that goes up and down.
class Gauge {
 public:
  void set(double value) { value_.store(value, std::memory_order_relaxed); }
  [[nodiscard]] double value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<double> value_{0};
};

// Counts observations in fixed buckets; the bounds are upper limits in ascending order, in base
// units.
class Histogram {
 public:
  explicit Histogram(std::vector<double> bounds);
  void observe(double value);
  // Makes this what `other` has counted, with the same bounds: the same under another name.
  void copy(const Histogram& other);

  [[nodiscard]] const std::vector<double>& bounds() const { return bounds_; }
  [[nodiscard]] std::uint64_t bucket(std::size_t index) const;  // index == bounds().size(): +Inf
  [[nodiscard]] double sum() const { return sum_.load(std::memory_order_relaxed); }

 private:
  std::vector<double> bounds_;
  std::deque<std::atomic<std::uint64_t>> buckets_;
  std::atomic<double> sum_{0};
};

using MetricLabels = std::vector<std::pair<std::string, std::string>>;

// Owns every cell; references it returns live as long as it does. Registration and render() lock;
// cells do not.
class MetricRegistry {
 public:
  MetricRegistry() = default;
  MetricRegistry(const MetricRegistry&) = delete;
  MetricRegistry& operator=(const MetricRegistry&) = delete;
  ~MetricRegistry() = default;

  // The cell of this name and these labels, made at the first call. A name has one type and one
  // help text.
  Counter& counter(std::string_view name, std::string_view help, const MetricLabels& labels = {});
  Gauge& gauge(std::string_view name, std::string_view help, const MetricLabels& labels = {});
  Histogram& histogram(std::string_view name, std::string_view help,
                       const std::vector<double>& bounds, const MetricLabels& labels = {});

  // Prometheus text format 0.0.4, families sorted by name.
  [[nodiscard]] std::string render() const;
  // Names of all families with their help texts, sorted by name.
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> families() const;

 private:
  enum class Type : std::uint8_t { kCounter, kGauge, kHistogram };
  struct Family {
    Type type = Type::kCounter;
    std::string help;
    // By rendered label set, e.g. `proto="udp"`.
    std::map<std::string, Counter> counters;
    std::map<std::string, Gauge> gauges;
    std::map<std::string, Histogram> histograms;
  };
  Family& family(std::string_view name, std::string_view help, Type type);

  mutable std::mutex mutex_;  // guards families_, not the cells
  std::map<std::string, Family, std::less<>> families_;
};

}  // namespace meshdns
