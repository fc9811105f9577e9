#include "base/metrics.h"

#include <algorithm>  // IWYU pragma: keep (std::ranges::lower_bound)
#include <array>
#include <atomic>
#include <cassert>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <mutex>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace meshdns {
namespace {

// Escapes a label value as the text format asks.
std::string escape(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '\\' || c == '"') {
      escaped += '\\';
    }
    escaped += c == '\n' ? std::string("\\n") : std::string(1, c);
  }
  return escaped;
}

std::string render_labels(const MetricLabels& labels) {
  std::string text;
  for (const auto& [key, value] : labels) {
    text += fmt::format("{}{}=\"{}\"", text.empty() ? "" : ",", key, escape(value));
  }
  return text;
}

std::string braced(const std::string& labels) {
  return labels.empty() ? std::string() : "{" + labels + "}";
}

std::string number(double value) {
  if (std::isinf(value)) {
    return value > 0 ? "+Inf" : "-Inf";
  }
  return fmt::format("{}", value);
}

void render_histogram(std::string& out, const std::string& name, const std::string& labels,
                      const Histogram& histogram) {
  const std::string separator = labels.empty() ? "" : ",";
  std::uint64_t total = 0;
  for (std::size_t i = 0; i <= histogram.bounds().size(); ++i) {
    total += histogram.bucket(i);
    const std::string bound =
        i < histogram.bounds().size() ? number(histogram.bounds()[i]) : "+Inf";
    fmt::format_to(std::back_inserter(out), "{}_bucket{{{}{}le=\"{}\"}} {}\n", name, labels,
                   separator, bound, total);
  }
  fmt::format_to(std::back_inserter(out), "{}_sum{} {}\n{}_count{} {}\n", name, braced(labels),
                 number(histogram.sum()), name, braced(labels), total);
}

}  // namespace

Histogram::Histogram(std::vector<double> bounds)
    : bounds_(std::move(bounds)), buckets_(bounds_.size() + 1) {}

void Histogram::observe(double value) {
  const auto bound = std::ranges::lower_bound(bounds_, value);
  buckets_[static_cast<std::size_t>(bound - bounds_.begin())].fetch_add(1,
                                                                        std::memory_order_relaxed);
  sum_.fetch_add(value, std::memory_order_relaxed);
}

void Histogram::copy(const Histogram& other) {
  assert(bounds_ == other.bounds_);
  for (std::size_t i = 0; i < buckets_.size(); ++i) {
    buckets_[i].store(other.bucket(i), std::memory_order_relaxed);
  }
  sum_.store(other.sum(), std::memory_order_relaxed);
}

std::uint64_t Histogram::bucket(std::size_t index) const {
  return buckets_[index].load(std::memory_order_relaxed);
}

MetricRegistry::Family& MetricRegistry::family(std::string_view name, std::string_view help,
                                               Type type) {
  auto [entry, is_new] = families_.try_emplace(std::string(name));
  if (is_new) {
    entry->second.type = type;
    entry->second.help = help;
  }
  assert(entry->second.type == type && entry->second.help == help);
  return entry->second;
}

Counter& MetricRegistry::counter(std::string_view name, std::string_view help,
                                 const MetricLabels& labels) {
  const std::lock_guard lock(mutex_);
  return family(name, help, Type::kCounter)
      .counters.try_emplace(render_labels(labels))
      .first->second;
}

Gauge& MetricRegistry::gauge(std::string_view name, std::string_view help,
                             const MetricLabels& labels) {
  const std::lock_guard lock(mutex_);
  return family(name, help, Type::kGauge).gauges.try_emplace(render_labels(labels)).first->second;
}

Histogram& MetricRegistry::histogram(std::string_view name, std::string_view help,
                                     const std::vector<double>& bounds,
                                     const MetricLabels& labels) {
  const std::lock_guard lock(mutex_);
  return family(name, help, Type::kHistogram)
      .histograms.try_emplace(render_labels(labels), bounds)
      .first->second;
}

std::string MetricRegistry::render() const {
  const std::lock_guard lock(mutex_);
  constexpr std::array<std::string_view, 3> kTypeNames{"counter", "gauge", "histogram"};
  std::string out;
  for (const auto& [name, family] : families_) {
    fmt::format_to(std::back_inserter(out), "# HELP {} {}\n# TYPE {} {}\n", name, family.help, name,
                   kTypeNames[static_cast<std::size_t>(family.type)]);
    for (const auto& [labels, cell] : family.counters) {
      fmt::format_to(std::back_inserter(out), "{}{} {}\n", name, braced(labels), cell.value());
    }
    for (const auto& [labels, cell] : family.gauges) {
      fmt::format_to(std::back_inserter(out), "{}{} {}\n", name, braced(labels),
                     number(cell.value()));
    }
    for (const auto& [labels, cell] : family.histograms) {
      render_histogram(out, name, labels, cell);
    }
  }
  return out;
}

std::vector<std::pair<std::string, std::string>> MetricRegistry::families() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::pair<std::string, std::string>> result;
  result.reserve(families_.size());
  for (const auto& [name, family] : families_) {
    result.emplace_back(name, family.help);
  }
  return result;
}

}  // namespace meshdns
