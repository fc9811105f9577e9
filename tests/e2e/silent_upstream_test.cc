// Upstream servers over TCP and TLS that say nothing: that never accept, that accept and swallow
// what comes, or whose connection dies unnoticed. And slow ones, which are none of these.
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iostream>
#include <iterator>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/ip_address.h"
#include "base/unique_fd.h"
#include "tests/support/dns_client.h"
#include "tests/support/dns_message.h"
#include "tests/support/full_listener.h"
#include "tests/support/peers.h"
#include "tests/support/programs.h"
#include "tests/support/stream_server.h"
#include "tests/support/tcp_relay.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/wait_until.h"

namespace meshdns::support {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kServerName = "dns.example.org";
constexpr const char* kFirst = "192.0.2.1";
constexpr const char* kSecond = "192.0.2.2";
constexpr std::array kPolicies{"sequential", "random", "round-robin", "fastest", "hedged"};
constexpr TcpRelay::Ending kSilence{.fate = TcpRelay::Fate::kSwallow,
                                    .lasts = std::chrono::hours(1)};

class SilentUpstream : public testing::Test {
 protected:
  // unbound over TLS on a port of its own, with `address` for every name.
  struct TlsServer {
    std::uint16_t port = free_port();
    std::unique_ptr<PeerServer> unbound;
  };
  [[nodiscard]] TlsServer serve(const std::string& address) const {
    TlsServer server;
    server.unbound =
        PeerServer::unbound(fmt::format("  interface: 127.0.0.1@{0}\n"
                                        "  tls-port: {0}\n"
                                        "  tls-service-key: {1}\n"
                                        "  tls-service-pem: {2}\n"
                                        "  incoming-num-tcp: 100\n"
                                        "  local-zone: \".\" redirect\n"
                                        "  local-data: \". 60 IN A {3}\"\n",
                                        server.port, key_, authority_, address));
    return server;
  }
  [[nodiscard]] std::string tls(const SocketAddress& address) const {
    return fmt::format("tls://{}#{};ca={}", address.to_string(), kServerName, authority_);
  }
  // A group of two servers for each policy, and a domain of the policy's name that leads to it;
  // `first(i)` is the first server of the group number i.
  template <typename First>
  void start_groups(First first, const std::string& second) {
    std::vector<std::string> flags{"--cache-size", "0MiB", "--upstream", "127.0.0.1:1"};
    for (std::size_t i = 0; i < kPolicies.size(); ++i) {
      flags.insert(flags.end(), {"--upstream-group",
                                 fmt::format("g{}={} {} {}", i, kPolicies.at(i), first(i), second),
                                 "--route", fmt::format("{}.example.org=g{}", kPolicies.at(i), i)});
    }
    resolver_.start(flags);
  }
  // At once, of each policy's domain; expects an address for every one. The resolver itself ends
  // what it cannot answer under a stub's five seconds, with SERVFAIL.
  void expect_answers(std::size_t questions_each) {
    std::vector<UniqueFd> clients;
    for (const char* const policy : kPolicies) {
      for (std::size_t i = 0; i < questions_each; ++i) {
        clients.push_back(connect_socket(resolver_.dns(), DnsTransport::kUdp));
        ASSERT_TRUE(
            send_message(clients.back().get(), DnsTransport::kUdp,
                         encode({.name = fmt::format("n{}.{}.example.org", ++names_, policy)})));
      }
    }
    for (std::size_t i = 0; i < clients.size(); ++i) {
      const auto octets = receive_message(clients[i].get(), DnsTransport::kUdp);
      const auto reply = octets ? DnsReply::decode(*octets) : std::nullopt;
      ASSERT_TRUE(reply.has_value());
      EXPECT_EQ(reply->answer_data("A").size(), 1U)
          << kPolicies.at(i / questions_each) << " " << reply->rcode();
    }
  }
  // Of a name that was not asked for yet; the rcode without one.
  std::string address(const std::string& domain = "example.org") {
    const auto reply = ask(resolver_.dns(), {.name = fmt::format("n{}.{}", ++names_, domain)});
    const auto data = reply ? reply->answer_data("A") : std::vector<std::string>{};
    return !reply ? "no reply" : data.empty() ? reply->rcode() : data.front();
  }

  TemporaryDirectory folder_;
  StreamServer::Certificate certificate_ = StreamServer::make_certificate(kServerName);
  const std::string authority_ = folder_.write("ca.pem", certificate_.pem);
  const std::string key_ = folder_.write("key.pem", certificate_.private_key);
  ResolverProgram resolver_;
  std::size_t names_ = 0;
};

constexpr std::size_t kQuestionsEach = 30;

TEST_F(SilentUpstream, ThatSwallowsWhatComesCostsNoQuestionItsAnswerAndIsUsedOnceItSpeaks) {
  const TlsServer first = serve(kFirst);
  const TlsServer second = serve(kSecond);
  std::list<TcpRelay> relays;
  for (std::size_t i = 0; i < kPolicies.size(); ++i) {
    relays.emplace_back(loopback(first.port)).set_plan([] { return kSilence; });
  }
  start_groups(
      [&](std::size_t i) {
        return tls(std::next(relays.begin(), static_cast<std::ptrdiff_t>(i))->address());
      },
      tls(loopback(second.port)));
  expect_answers(kQuestionsEach);
  expect_answers(kQuestionsEach);
  EXPECT_THAT(resolver_.get("/metrics").body,
              HasSubstr(fmt::format("meshdns_forward_queries_total{{upstream=\"tls://{}#{}\"}} 0\n",
                                    relays.front().address().to_string(), kServerName)))
      << "nothing was asked of who has not shown who it is";
  EXPECT_TRUE(wait_until([&] {
    return resolver_.log().find("reason=no connection comes about") != std::string::npos;
  }));
  const auto healed = std::chrono::steady_clock::now();
  for (TcpRelay& relay : relays) {
    relay.set_plan({});
  }
  EXPECT_TRUE(wait_until([&] { return address("sequential.example.org") == kFirst; }));
  std::cout
      << "back after "
      << std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - healed).count()
      << " ms\n";
}

TEST_F(SilentUpstream, WhoseConnectionsDieUnnoticedCostsNoQuestionItsAnswer) {
  const TlsServer first = serve(kFirst);
  const TlsServer second = serve(kSecond);
  std::list<TcpRelay> relays;
  for (std::size_t i = 0; i < kPolicies.size(); ++i) {
    relays.emplace_back(loopback(first.port));
  }
  start_groups(
      [&](std::size_t i) {
        return tls(std::next(relays.begin(), static_cast<std::ptrdiff_t>(i))->address());
      },
      tls(loopback(second.port)));
  expect_answers(kQuestionsEach);
  for (TcpRelay& relay : relays) {
    EXPECT_GE(relay.counts().accepted, 1U);
    relay.set_plan([] { return kSilence; });
    relay.bring(TcpRelay::Fate::kSwallow);
  }
  expect_answers(kQuestionsEach);
  expect_answers(kQuestionsEach);
}

TEST_F(SilentUpstream, ThatNeverAcceptsCostsNoQuestionItsAnswer) {
  const TlsServer second = serve(kSecond);
  std::list<FullListener> listeners(kPolicies.size());
  start_groups(
      [&](std::size_t i) {
        const std::string address =
            std::next(listeners.begin(), static_cast<std::ptrdiff_t>(i))->address().to_string();
        return "tcp://" + address;
      },
      tls(loopback(second.port)));
  expect_answers(kQuestionsEach);
  expect_answers(kQuestionsEach);
}

// As with a NAT that forgot it: the server is well, and nobody else is there to ask.
TEST_F(SilentUpstream, WhoseConnectionAloneIsDeadAnswersOnAnother) {
  const TlsServer server = serve(kFirst);
  TcpRelay relay(loopback(server.port));
  resolver_.start({"--cache-size", "0MiB", "--upstream", tls(relay.address())});
  ASSERT_EQ(address(), kFirst);
  relay.bring(TcpRelay::Fate::kSwallow);
  EXPECT_EQ(address(), kFirst);
  EXPECT_EQ(relay.counts().accepted, 2U);
  EXPECT_THAT(resolver_.get("/metrics").body,
              HasSubstr(fmt::format(
                  "meshdns_forward_silent_connections_total{{upstream=\"tls://{}#{}\"}} 1\n",
                  relay.address().to_string(), kServerName)));
}

TEST_F(SilentUpstream, IsNotOneThatSlowsFromOneToSixHundredMilliseconds) {
  std::atomic<bool> is_slow = false;
  const StreamServer slow(
      [&is_slow](const StreamServer::Question& question) -> StreamServer::Reaction {
        if (is_slow) {
          std::this_thread::sleep_for(milliseconds(600));  // what it is like
        }
        return {.replies = {make_address_reply(question.octets, {192, 0, 2, 1}).value()}};
      },
      &certificate_);
  const TlsServer second = serve(kSecond);
  resolver_.start({"--cache-size", "0MiB", "--upstream", tls(slow.address()), "--upstream",
                   tls(loopback(second.port))});
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(address(), kFirst);
  }
  is_slow = true;
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(address(), kFirst) << "the first one's, however slow";
  }
  EXPECT_EQ(slow.connections(), 1U);
  EXPECT_THAT(resolver_.log(), Not(HasSubstr("cannot be used")));
}

}  // namespace
}  // namespace meshdns::support
