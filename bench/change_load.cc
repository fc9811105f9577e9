// A control plane whose services change, and how soon a resolver answers by the change. What to do
// comes on standard input, a line each:
//
//   one COUNT PAUSE      COUNT services, one after the other: waits PAUSE milliseconds, changes it,
//                        and asks until the answer has changed
//   many COUNT RATE      COUNT changes, RATE a second, and asks nobody
//   check                asks once for every service that was changed since the last check; before
//                        that, until the one that was changed last is answered as it is
//
// Each line is answered with one of JSON on standard output.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <istream>
#include <memory>
#include <optional>
#include <random>
#include <ratio>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/ip_address.h"
#include "base/result.h"
#include "bench/changing_services.h"
#include "bench/orders.h"
#include "bench/port_client.h"
#include "bench/program.h"

namespace meshdns::bench {
namespace {

using Clock = std::chrono::steady_clock;
using Milliseconds = std::chrono::duration<double, std::milli>;

constexpr std::chrono::milliseconds kAnswerTimeout{1000};
constexpr std::chrono::seconds kLongestChange{10};

struct CommandLine {
  std::string services;
  std::string listen;
  std::string server;
  std::uint64_t seed = 1;
};

template <typename Value>
Value value_of(Result<Value> result) {
  if (!result) {
    throw std::runtime_error(result.error().message);
  }
  return *std::move(result);
}

std::vector<std::string> read_lines(const std::string& path) {
  std::ifstream file(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) {
    lines.push_back(line);
  }
  if (lines.empty()) {
    throw std::runtime_error(path + " names no service");
  }
  return lines;
}

class Load {
 public:
  explicit Load(const CommandLine& wanted)
      : services_(value_of(ChangingServices::serve(wanted.listen, read_lines(wanted.services)))),
        client_(value_of(PortClient::connect(value_of(SocketAddress::parse(wanted.server))))),
        random_(wanted.seed) {}

  std::string one(std::size_t count, std::chrono::milliseconds pause) {
    std::vector<double> milliseconds;
    std::size_t asked = 0;
    for (std::size_t i = 0; i < count; ++i) {
      std::this_thread::sleep_for(pause);
      const std::size_t service = draw();
      const Clock::time_point begin = Clock::now();
      services_->change(service);
      asked += wait_for(service);
      milliseconds.push_back(Milliseconds(Clock::now() - begin).count());
    }
    std::ranges::sort(milliseconds);
    const auto quantile = [&](double share) {
      return milliseconds.at(
          static_cast<std::size_t>(share * static_cast<double>(milliseconds.size() - 1)));
    };
    return fmt::format(
        R"({{"changes":{},"asked":{},"p50_ms":{:.3f},"p99_ms":{:.3f},"highest_ms":{:.3f}}})", count,
        asked, quantile(0.5), quantile(0.99), quantile(1));
  }

  // Keeps the pace whatever the streams do, and says how far it was behind at most.
  std::string many(std::size_t count, std::uint64_t rate) {
    const Clock::time_point begin = Clock::now();
    Clock::duration late{};
    for (std::size_t i = 0; i < count; ++i) {
      const Clock::time_point due =
          begin + i * std::chrono::nanoseconds(std::chrono::seconds(1)) / rate;
      std::this_thread::sleep_until(due);
      late = std::max(late, Clock::now() - due);
      services_->change(draw());
    }
    return fmt::format(R"({{"changes":{},"seconds":{:.3f},"late_ms":{:.3f}}})", count,
                       std::chrono::duration<double>(Clock::now() - begin).count(),
                       Milliseconds(late).count());
  }

  std::string check() {
    if (!changed_.empty()) {
      wait_for(last_);
    }
    const auto wrong = std::ranges::count_if(
        changed_, [this](std::size_t service) { return !is_answered(service); });
    const std::size_t checked = std::exchange(changed_, {}).size();
    return fmt::format(R"({{"checked":{},"wrong":{}}})", checked, wrong);
  }

 private:
  std::size_t draw() {
    last_ = std::uniform_int_distribution<std::size_t>(0, services_->size() - 1)(random_);
    changed_.insert(last_);
    return last_;
  }
  [[nodiscard]] bool is_answered(std::size_t service) {
    return client_.ask(services_->hostname(service), kAnswerTimeout) == services_->port(service);
  }
  // How often it had to ask.
  std::size_t wait_for(std::size_t service) {
    const Clock::time_point end = Clock::now() + kLongestChange;
    std::size_t asked = 1;
    for (; !is_answered(service); ++asked) {
      if (Clock::now() > end) {
        throw std::runtime_error(services_->hostname(service) + " is not answered as it is");
      }
    }
    return asked;
  }

  std::unique_ptr<ChangingServices> services_;
  PortClient client_;
  std::mt19937_64 random_;
  std::set<std::size_t> changed_;
  std::size_t last_ = 0;
};

std::optional<std::string> answer(Load& load, std::istream& words) {
  std::string verb;
  std::uint64_t count = 0;
  std::uint64_t number = 0;
  words >> verb >> count >> number;
  if (verb == "one" && count > 0) {
    return load.one(count, std::chrono::milliseconds(number));
  }
  if (verb == "many" && number > 0) {
    return load.many(count, number);
  }
  return verb == "check" ? std::optional(load.check()) : std::nullopt;
}

void declare(CLI::App& app, CommandLine& wanted) {
  app.footer(
      "Lines on standard input: `one COUNT PAUSE_MS` changes services one after the other and asks "
      "until the answer has changed; `many COUNT RATE` changes them at a pace; `check` asks for "
      "all that were changed.");
  app.add_option("--services", wanted.services, "file with a service's name a line")->required();
  app.add_option("--listen", wanted.listen, "ADDRESS:PORT of the control plane")->required();
  app.add_option("--server", wanted.server, "ADDRESS:PORT of the resolver")->required();
  app.add_option("--seed", wanted.seed, "of the services drawn at random")->capture_default_str();
}

Result<void> run(const CommandLine& wanted) {
  Load load(wanted);
  follow_orders([&load](std::istream& words) { return answer(load, words); });
  return {};
}

}  // namespace
}  // namespace meshdns::bench

int main(int argc, char** argv) {
  namespace bench = meshdns::bench;
  return bench::run_program<bench::CommandLine, bench::declare, bench::run>(
      "meshdns-bench-changes",
      "A control plane whose services change, and how soon a resolver answers by it.", argc, argv);
}
