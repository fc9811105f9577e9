// Upstream servers behind a network that loses, delays, doubles and reorders, and servers that go
// away and come back.
#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/ip_address.h"
#include "base/unique_fd.h"
#include "tests/support/counted.h"
#include "tests/support/datagram_relay.h"
#include "tests/support/dns_client.h"
#include "tests/support/peers.h"
#include "tests/support/programs.h"
#include "tests/support/wait_until.h"

namespace meshdns::support {
namespace {

using std::chrono::milliseconds;

constexpr RelayFaults kDead{.loss = 1};

std::unique_ptr<PeerServer> unbound_with(const std::string& address) {
  return PeerServer::unbound(
      "  local-zone: \"example.org.\" redirect\n  local-data: \"example.org. 60 IN A " + address +
      "\"\n");
}

// Questions at once, each from a socket of its own; how many were answered with an address. The
// resolver itself ends the others within a stub's five seconds, with SERVFAIL.
std::size_t ask_at_once(const SocketAddress& server, std::size_t count,
                        const std::string& domain = "example.org") {
  static std::atomic<std::size_t> number = 0;
  std::vector<UniqueFd> clients;
  for (std::size_t i = 0; i < count; ++i) {
    clients.push_back(connect_socket(server, DnsTransport::kUdp));
    EXPECT_TRUE(send_message(clients.back().get(), DnsTransport::kUdp,
                             encode({.name = fmt::format("lossy{}.{}", ++number, domain)})));
  }
  return static_cast<std::size_t>(std::ranges::count_if(clients, [](const UniqueFd& client) {
    const auto octets = receive_message(client.get(), DnsTransport::kUdp);
    const auto reply = octets ? DnsReply::decode(*octets) : std::nullopt;
    return reply && !reply->answer_data("A").empty();
  }));
}

// Two servers that answer differently, each behind a relay.
class BadNetwork : public testing::Test {
 protected:
  void start(const RelayFaults& faults) {
    first_.set_faults(faults);
    second_.set_faults(faults);
    resolver_.start(
        {"--upstream", first_.address().to_string(), "--upstream", second_.address().to_string()});
  }
  // "" without an answer.
  [[nodiscard]] std::string address_of(const std::string& name) const {
    const auto reply = ask(resolver_.dns(), {.name = name});
    const auto data = reply ? reply->answer_data("A") : std::vector<std::string>{};
    return data.empty() ? "" : data.front();
  }
  [[nodiscard]] std::string next_name() { return fmt::format("host{}.example.org", ++asked_); }

  std::unique_ptr<PeerServer> first_server_ = unbound_with("192.0.2.1");
  std::unique_ptr<PeerServer> second_server_ = unbound_with("192.0.2.2");
  DatagramRelay first_{first_server_->address(), {}, 1};
  DatagramRelay second_{second_server_->address(), {}, 2};
  ResolverProgram resolver_;
  int asked_ = 0;
};

TEST_F(BadNetwork, OneQuestionInAThousandAtMostIsLostAtTwentyPercentLossEachWay) {
  start({.loss = 0.2, .delay = milliseconds(10)});
  constexpr std::size_t kQuestions = 1000;
  constexpr std::size_t kAtOnce = 200;
  std::size_t answered = 0;
  for (std::size_t i = 0; i < kQuestions; i += kAtOnce) {
    answered += ask_at_once(resolver_.dns(), kAtOnce);
  }
  EXPECT_GE(answered, kQuestions * 999 / 1000);
  EXPECT_GE(first_.lost() + second_.lost(), kQuestions / 4);
}

TEST_F(BadNetwork, DoubledAndReorderedDatagramsChangeNothing) {
  start({.duplication = 0.5, .delay = milliseconds(1), .jitter = milliseconds(30)});
  constexpr std::size_t kQuestions = 200;
  EXPECT_EQ(ask_at_once(resolver_.dns(), kQuestions), kQuestions);
}

TEST_F(BadNetwork, AServerThatDiesIsLeftAloneUntilItIsBack) {
  start({});
  EXPECT_EQ(address_of(next_name()), "192.0.2.1");
  first_.set_faults(kDead);
  EXPECT_EQ(address_of(next_name()), "192.0.2.2");
  // It is known now: hardly anybody asks it any more.
  const std::size_t before = first_.questions();
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(address_of(next_name()), "192.0.2.2");
  }
  EXPECT_LE(first_.questions() - before, 25U);
  first_.set_faults({});
  EXPECT_TRUE(wait_until([&] { return address_of(next_name()) == "192.0.2.1"; }));
}

TEST_F(BadNetwork, AServerThatBecomesSlowIsStillHeard) {
  start({});
  EXPECT_EQ(address_of(next_name()), "192.0.2.1");
  first_.set_faults({.delay = milliseconds(300)});
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(address_of(next_name()), "192.0.2.1") << "the first one's, however slow";
  }
}

TEST_F(BadNetwork, AnOutageEndsWithAReasonAndIsOverWhenItIsOver) {
  start(kDead);
  const auto reply = ask(resolver_.dns(), {.name = next_name()});
  ASSERT_TRUE(reply.has_value());
  EXPECT_EQ(reply->rcode(), "SERVFAIL");
  EXPECT_EQ(reply->extended_error_code(), 22);
  first_.set_faults({});
  second_.set_faults({});
  EXPECT_TRUE(wait_until([&] { return !address_of(next_name()).empty(); }));
}

constexpr std::array kPolicies{"sequential", "random", "round-robin", "fastest", "hedged"};

// A group of the two servers for each policy, with relays of its own, and a domain of the policy's
// name that leads to it.
class BadNetworkOfGroups : public testing::Test {
 protected:
  struct Relays {
    Relays(const SocketAddress& first_server, const SocketAddress& second_server,
           const RelayFaults& faults, std::uint64_t seed)
        : first(first_server, faults, seed), second(second_server, faults, seed + 1) {}
    DatagramRelay first;
    DatagramRelay second;
  };

  void start(const RelayFaults& faults) {
    std::vector<std::string> flags{"--cache-size", "0MiB", "--upstream", "127.0.0.1:1"};
    std::uint64_t seed = 100;
    for (const char* const policy : kPolicies) {
      const Relays& relays = *relays_.emplace_back(std::make_unique<Relays>(
          first_server_->address(), second_server_->address(), faults, seed));
      seed += 2;
      flags.insert(flags.end(),
                   {"--upstream-group",
                    fmt::format("{0}={0} {1} {2}", policy, relays.first.address().to_string(),
                                relays.second.address().to_string()),
                    "--route", fmt::format("{0}.example.org={0}", policy)});
    }
    resolver_.start(flags);
  }
  void set_faults(const RelayFaults& first, const RelayFaults& second) {
    for (const auto& relays : relays_) {
      relays->first.set_faults(first);
      relays->second.set_faults(second);
    }
  }
  [[nodiscard]] std::string address_of_next(const std::string& policy) {
    return resolver_.address_of(fmt::format("host{}.{}.example.org", ++asked_, policy));
  }
  // Asks one question of each policy's domain at once; how long the last answer took.
  void expect_an_answer_each(const char* what, std::size_t count = 1) {
    std::vector<std::thread> askers;
    std::array<milliseconds, kPolicies.size()> took{};
    std::array<std::size_t, kPolicies.size()> answered{};
    for (std::size_t i = 0; i < kPolicies.size(); ++i) {
      askers.emplace_back([&, i, number = ++asked_] {
        for (std::size_t j = 0; j < count; ++j) {
          const auto begin = std::chrono::steady_clock::now();
          const auto address = resolver_.address_of(
              fmt::format("at{}.host{}.{}.example.org", j, number, kPolicies.at(i)));
          answered.at(i) += address.empty() ? 0U : 1U;
          took.at(i) = std::max(took.at(i), std::chrono::duration_cast<milliseconds>(
                                                std::chrono::steady_clock::now() - begin));
        }
      });
    }
    for (std::thread& asker : askers) {
      asker.join();
    }
    for (std::size_t i = 0; i < kPolicies.size(); ++i) {
      EXPECT_EQ(answered.at(i), count) << kPolicies.at(i) << " " << what;
      std::cout << fmt::format("{} {}: {} ms at most\n", kPolicies.at(i), what, took.at(i).count());
    }
  }

  std::unique_ptr<PeerServer> first_server_ = unbound_with("192.0.2.1");
  std::unique_ptr<PeerServer> second_server_ = unbound_with("192.0.2.2");
  std::vector<std::unique_ptr<Relays>> relays_;  // by policy
  ResolverProgram resolver_;
  std::size_t asked_ = 0;
};

TEST_F(BadNetworkOfGroups, LoseOneQuestionInAThousandAtMostAtTwentyPercentLossEachWay) {
  start({.loss = 0.2, .delay = milliseconds(10)});
  constexpr std::size_t kAtOnce = 150;  // of each
  const std::size_t questions = counted(150, 10'000);
  std::array<std::size_t, kPolicies.size()> answered{};
  std::size_t asked = 0;
  for (; asked < questions; asked += kAtOnce) {
    std::vector<std::thread> askers;
    for (std::size_t i = 0; i < kPolicies.size(); ++i) {
      askers.emplace_back([&, i] {
        answered.at(i) +=
            ask_at_once(resolver_.dns(), kAtOnce, fmt::format("{}.example.org", kPolicies.at(i)));
      });
    }
    for (std::thread& asker : askers) {
      asker.join();
    }
  }
  std::size_t all = 0;
  for (std::size_t i = 0; i < kPolicies.size(); ++i) {
    std::cout << fmt::format("{}: {} of {} answered\n", kPolicies.at(i), answered.at(i), asked);
    // Of few questions one is already more than a thousandth.
    EXPECT_GE(answered.at(i), asked - std::max<std::size_t>(1, asked / 1000)) << kPolicies.at(i);
    all += answered.at(i);
    EXPECT_GE(relays_.at(i)->first.lost() + relays_.at(i)->second.lost(), asked / 4);
  }
  EXPECT_GE(all, kPolicies.size() * asked * 999 / 1000);
}

TEST_F(BadNetworkOfGroups, FailOverToTheServerThatIsLeftAndComeBack) {
  start({});
  expect_an_answer_each("at first", 5);
  set_faults(kDead, {});
  expect_an_answer_each("failed over", 5);
  set_faults({}, kDead);
  expect_an_answer_each("the other way round", 5);
  const auto healed = std::chrono::steady_clock::now();
  set_faults({}, {});
  for (std::size_t i = 0; i < kPolicies.size(); ++i) {
    const std::size_t before = relays_.at(i)->second.questions();
    // In sequence the first one is enough: its return is what counts.
    EXPECT_TRUE(wait_until([&] {
      const std::string address = address_of_next(kPolicies.at(i));
      return i == 0 ? address == "192.0.2.1" : relays_.at(i)->second.questions() > before;
    })) << kPolicies.at(i);
  }
  std::cout
      << "all back after "
      << std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - healed).count()
      << " ms\n";
}

TEST_F(BadNetworkOfGroups, HearAServerThatBecomesSlowAndIsTheOnlyOne) {
  start({.delay = milliseconds(1)});
  expect_an_answer_each("at first", 3);
  set_faults({.delay = milliseconds(300)}, kDead);
  expect_an_answer_each("slow", 4);
}

}  // namespace
}  // namespace meshdns::support
