#include "tests/e2e/resolver_figures.h"

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <sstream>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "tests/support/programs.h"

namespace meshdns::support {
namespace {

constexpr std::chrono::seconds kEvery{10};

}  // namespace

double metric_of(const ResolverProgram& resolver, const std::string& name) {
  std::istringstream lines(resolver.get("/metrics").body);
  double sum = 0;
  for (std::string line; std::getline(lines, line);) {
    const bool is_it = line.starts_with(name + " ") || line.starts_with(name + "{");
    sum += is_it ? std::stod(line.substr(line.rfind(' ') + 1)) : 0;
  }
  return sum;
}

Progress::Progress(std::string what, std::uint64_t target)
    : what_(std::move(what)), target_(target), next_(std::chrono::steady_clock::now() + kEvery) {}

void Progress::show(std::uint64_t done) {
  if (std::chrono::steady_clock::now() >= next_) {
    next_ += kEvery;
    fmt::print("{} {} of {}\n", what_, done, target_);
    std::fflush(stdout);
  }
}

}  // namespace meshdns::support
