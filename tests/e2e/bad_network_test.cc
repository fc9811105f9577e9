// Upstream servers behind a network that loses, delays, doubles and reorders, and servers that go
// away and come back.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/unique_fd.h"
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

// Questions at once, each from a socket of its own; how many were answered with an address. The
// resolver itself ends the others within a stub's five seconds, with SERVFAIL.
std::size_t ask_at_once(const SocketAddress& server, std::size_t count) {
  static std::size_t number = 0;
  std::vector<UniqueFd> clients;
  for (std::size_t i = 0; i < count; ++i) {
    clients.push_back(connect_socket(server, DnsTransport::kUdp));
    EXPECT_TRUE(send_message(clients.back().get(), DnsTransport::kUdp,
                             encode({.name = fmt::format("lossy{}.example.org", ++number)})));
  }
  return static_cast<std::size_t>(std::ranges::count_if(clients, [](const UniqueFd& client) {
    const auto octets = receive_message(client.get(), DnsTransport::kUdp);
    const auto reply = octets ? DnsReply::decode(*octets) : std::nullopt;
    return reply && !reply->answer_data("A").empty();
  }));
}

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

}  // namespace
}  // namespace meshdns::support
