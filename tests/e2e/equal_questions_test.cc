// Equal questions of many clients: one goes upstream, each client gets its own form of the answer.
#include <cstddef>
#include <cstdint>
#include <future>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/unique_fd.h"
#include "tests/e2e/resolver_fixture.h"
#include "tests/support/dns_client.h"
#include "tests/support/programs.h"
#include "tests/support/scripted_upstream.h"
#include "tests/support/wait_until.h"

namespace meshdns::support {
namespace {

using testing::ElementsAre;

// Of one question that is not answered; forty would have as many each.
constexpr std::size_t kMostTries = 13;

// An upstream server that answers nothing until it is told to.
class EqualQuestions : public ResolverFixture {
 protected:
  EqualQuestions()
      : upstream_([this](const UpstreamQuery& query) -> std::vector<std::vector<std::uint8_t>> {
          released_.wait();
          return {make_reply(query, "NOERROR", {query.name + " 60 IN A 192.0.2.1"})};
        }) {}
  void TearDown() override { release_now(); }
  void start(const std::vector<std::string>& flags = {}) {
    std::vector<std::string> all{"--upstream", upstream_.address().to_string(),
                                 "--upstream-timeout", "4s"};
    all.insert(all.end(), flags.begin(), flags.end());
    resolver_.start(all);
  }
  // Clients with a socket each ask for these names.
  void ask_each(std::size_t count, const std::vector<std::string>& names) {
    for (std::size_t i = 0; i < count; ++i) {
      clients_.push_back(connect_socket(resolver_.dns(), DnsTransport::kUdp));
      ASSERT_TRUE(send_message(clients_.back().get(), DnsTransport::kUdp,
                               encode({.name = names[i % names.size()],
                                       .edns = i % 3 == 0,
                                       .id = static_cast<std::uint16_t>(1000 + i)})));
    }
  }
  [[nodiscard]] bool wait_for_joined(double count) const {
    return wait_until([&] { return metric("meshdns_forward_joined_total") >= count; });
  }
  void release_now() {
    if (!is_released_) {
      is_released_ = true;
      release_.set_value();
    }
  }

  std::promise<void> release_;
  bool is_released_ = false;
  std::shared_future<void> released_{release_.get_future()};
  ScriptedUpstream upstream_;
  std::vector<UniqueFd> clients_;
};

TEST_F(EqualQuestions, AreOneUpstreamQueryOverAllWorkers) {
  start({"--workers", "2"});
  constexpr std::size_t kClients = 40;
  const std::vector<std::string> spellings{"www.example.org", "WWW.EXAMPLE.ORG", "wWw.eXaMpLe.org"};
  ask_each(kClients, spellings);
  ASSERT_TRUE(wait_for_joined(kClients - 1));
  release_now();
  for (std::size_t i = 0; i < kClients; ++i) {
    const auto octets = receive_message(clients_[i].get(), DnsTransport::kUdp);
    ASSERT_TRUE(octets.has_value()) << "client " << i;
    const auto reply = DnsReply::decode(*octets);
    ASSERT_TRUE(reply.has_value());
    EXPECT_EQ(reply->message().id, 1000 + i);
    EXPECT_EQ(reply->message().edns, i % 3 == 0);
    EXPECT_THAT(reply->message().question, ElementsAre(spellings[i % spellings.size()] + ". IN A"));
    EXPECT_THAT(reply->answer_data("A"), ElementsAre("192.0.2.1"));
  }
  EXPECT_LE(upstream_.queries().size(), kMostTries);
}

TEST_F(EqualQuestions, OfClientsThatGoAwayLeaveTheOthersTheirAnswer) {
  start();
  std::vector<UniqueFd> leaving;
  for (int i = 0; i < 5; ++i) {
    leaving.push_back(connect_socket(resolver_.dns(), DnsTransport::kTcp));
    ASSERT_TRUE(send_message(leaving.back().get(), DnsTransport::kTcp,
                             encode({.name = "www.example.org"})));
  }
  ASSERT_TRUE(wait_for_joined(4));
  leaving.clear();
  ask_each(1, {"www.example.org"});
  ASSERT_TRUE(wait_for_joined(5));
  release_now();
  EXPECT_TRUE(receive_message(clients_[0].get(), DnsTransport::kUdp).has_value());
  EXPECT_LE(upstream_.queries().size(), kMostTries);
}

TEST_F(EqualQuestions, NeverHoldUpLocalAnswers) {
  start();
  ask_each(200, {"a.example.org", "b.example.org"});
  ASSERT_TRUE(wait_for_joined(198));
  const auto reply = ask(resolver_.dns(), {.name = "localhost"});
  ASSERT_TRUE(reply.has_value());
  EXPECT_THAT(reply->answer_data("A"), ElementsAre("127.0.0.1"));
  EXPECT_EQ(metric("meshdns_dns_answers_total{source=\"upstream\",rcode=\"NOERROR\"}"), 0);
}

}  // namespace
}  // namespace meshdns::support
