#include "resolver/app/host_lookup.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/ip_address.h"
#include "base/result.h"
#include "resolver/app/control_loop.h"
#include "resolver/forward/upstream_server.h"
#include "tests/support/dns_client.h"
#include "tests/support/scripted_upstream.h"
#include "tests/support/wait_until.h"

namespace meshdns::dns {
namespace {

using Messages = std::vector<std::vector<std::uint8_t>>;
using support::make_reply;
using support::ScriptedUpstream;
using support::UpstreamQuery;
using testing::HasSubstr;
using testing::UnorderedElementsAre;

std::vector<std::string> texts(const std::vector<IpAddress>& addresses) {
  std::vector<std::string> result;
  std::ranges::transform(addresses, std::back_inserter(result),
                         [](const IpAddress& address) { return address.to_string(); });
  return result;
}

class HostLookupTest : public testing::Test {
 protected:
  using Answer = Result<std::vector<IpAddress>>;

  // Asks and runs the control loop until there is an answer.
  Answer look_up(const std::string& host, const std::vector<SocketAddress>& servers) {
    return look_up_at(host, plain_servers(servers));
  }
  Answer look_up_at(const std::string& host, const std::vector<UpstreamServer>& servers) {
    std::optional<Answer> answer;
    lookup_->start(host, servers, [&answer](const Answer& result) { answer = result; });
    EXPECT_TRUE(lookup_->is_running());
    EXPECT_FALSE(answer) << "called from within start()";
    while (!answer && loop_.io().run_one_for(support::kHangBound) != 0) {
    }
    EXPECT_FALSE(lookup_->is_running());
    return answer.value_or(Answer(fail(ErrorCode::kInternal, "no answer within the hang bound")));
  }

  ControlLoop loop_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> keep_running_{
      loop_.io().get_executor()};
  std::optional<HostLookup> lookup_{std::in_place, loop_};
};

TEST_F(HostLookupTest, GivesTheAddressesOfBothFamilies) {
  const ScriptedUpstream server([](const UpstreamQuery& query) {
    return Messages{make_reply(query, "NOERROR",
                               {query.type == "A" ? query.name + " 60 IN A 192.0.2.7"
                                                  : query.name + " 60 IN AAAA 2001:db8::7"})};
  });
  const auto answer = look_up("cp.example.org", {server.address()});
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_THAT(texts(*answer), UnorderedElementsAre("192.0.2.7", "2001:db8::7"));
}

TEST_F(HostLookupTest, AsksForTheNameAsItIs) {
  const ScriptedUpstream server(support::always_address("192.0.2.7"));
  ASSERT_TRUE(look_up("cp", {server.address()}));
  for (const UpstreamQuery& query : server.queries()) {
    EXPECT_EQ(query.name, "cp.") << "no search list";
  }
}

TEST_F(HostLookupTest, AsksAgainEachTime) {
  const ScriptedUpstream server(support::always_address("192.0.2.7"));
  ASSERT_TRUE(look_up("cp.example.org", {server.address()}));
  const std::size_t before = server.queries().size();
  ASSERT_TRUE(look_up("cp.example.org", {server.address()}));
  EXPECT_GT(server.queries().size(), before);
}

TEST_F(HostLookupTest, AsksTheNextServerWhenOneFails) {
  const ScriptedUpstream broken(
      [](const UpstreamQuery& query) { return Messages{make_reply(query, "SERVFAIL", {})}; });
  const ScriptedUpstream good(support::always_address("192.0.2.7"));
  const auto answer = look_up("cp.example.org", {broken.address(), good.address()});
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_THAT(texts(*answer), UnorderedElementsAre("192.0.2.7"));
  EXPECT_GT(broken.queries().size(), 0U);
}

TEST_F(HostLookupTest, AsksOverTcpForWhatIsTruncated) {
  const ScriptedUpstream server([](const UpstreamQuery& query) {
    const bool is_udp = query.transport == support::DnsTransport::kUdp;
    return Messages{make_reply(query, "NOERROR",
                               query.type == "A" && !is_udp
                                   ? std::vector{query.name + " 60 IN A 192.0.2.7"}
                                   : std::vector<std::string>(),
                               is_udp ? support::Truncated::kYes : support::Truncated::kNo)};
  });
  const auto answer = look_up("cp.example.org", {server.address()});
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_THAT(texts(*answer), UnorderedElementsAre("192.0.2.7"));
}

// Whoever asks for TCP may have a network that drops all else (`options use-vc`).
TEST_F(HostLookupTest, AsksAServerOfTcpOverNothingElse) {
  const ScriptedUpstream failing(
      [](const UpstreamQuery& query) { return Messages{make_reply(query, "SERVFAIL", {})}; });
  const ScriptedUpstream over_tcp(support::always_address("192.0.2.7"));
  const ScriptedUpstream unasked(support::always_address("192.0.2.8"));
  const auto answer = look_up_at(
      "cp.example.org", {{.address = failing.address()},
                         {.address = over_tcp.address(), .transport = UpstreamTransport::kTcp},
                         {.address = unasked.address()}});
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_THAT(texts(*answer), UnorderedElementsAre("192.0.2.7"));
  EXPECT_EQ(failing.count(support::DnsTransport::kTcp), 0U);
  EXPECT_EQ(over_tcp.count(support::DnsTransport::kUdp), 0U);
  EXPECT_GT(over_tcp.count(support::DnsTransport::kTcp), 0U);
  EXPECT_TRUE(unasked.queries().empty());
}

TEST_F(HostLookupTest, WhatOneServerDeniesAnotherIsNotAskedFor) {
  const ScriptedUpstream first(
      [](const UpstreamQuery& query) { return Messages{make_reply(query, "NXDOMAIN", {})}; });
  const ScriptedUpstream second(support::always_address("192.0.2.7"));
  EXPECT_FALSE(look_up_at("cp.example.org",
                          {{.address = first.address()},
                           {.address = second.address(), .transport = UpstreamTransport::kTcp}}));
  EXPECT_TRUE(second.queries().empty());
}

// As resolv.conf has it where a router announces itself (RFC 8106).
TEST_F(HostLookupTest, AServerWithAScopeKeepsTheOthersFromNothing) {
  const ScriptedUpstream good(support::always_address("192.0.2.7"));
  const SocketAddress scoped = SocketAddress::parse("[fe80::53%lo]:53").value();
  const auto answer = look_up("cp.example.org", {scoped, good.address()});
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_THAT(texts(*answer), UnorderedElementsAre("192.0.2.7"));
}

TEST_F(HostLookupTest, FailsWithTheNameWhenThereAreNoAddresses) {
  for (const std::string rcode : {"NXDOMAIN", "NOERROR"}) {
    const ScriptedUpstream server(
        [&rcode](const UpstreamQuery& query) { return Messages{make_reply(query, rcode, {})}; });
    const auto answer = look_up("cp.example.org", {server.address()});
    ASSERT_FALSE(answer) << rcode;
    EXPECT_EQ(answer.error().code, ErrorCode::kUnavailable);
    EXPECT_THAT(answer.error().message, HasSubstr("cannot resolve cp.example.org: "));
  }
}

TEST_F(HostLookupTest, SaysThatThereIsNobodyToAsk) {
  const auto answer = look_up("cp.example.org", {});
  ASSERT_FALSE(answer);
  EXPECT_THAT(answer.error().message, HasSubstr("there is no upstream server to ask"));
}

TEST_F(HostLookupTest, KnowsTheHostsFileWithoutAnyServer) {
  const auto answer = look_up("localhost", {});
  ASSERT_TRUE(answer) << answer.error().message;
  for (const IpAddress& address : *answer) {
    EXPECT_TRUE(address.is_loopback()) << address.to_string();
  }
}

TEST_F(HostLookupTest, IgnoresACallWhileOneIsUnderWay) {
  const ScriptedUpstream server(support::always_address("192.0.2.7"));
  int first = 0;
  int second = 0;
  const std::vector<UpstreamServer> servers{{.address = server.address()}};
  lookup_->start("a.example.org", servers, [&first](const Answer&) { ++first; });
  lookup_->start("b.example.org", servers, [&second](const Answer&) { ++second; });
  while (first == 0 && loop_.io().run_one_for(support::kHangBound) != 0) {
  }
  EXPECT_EQ(first, 1);
  EXPECT_EQ(second, 0);
  for (const UpstreamQuery& query : server.queries()) {
    EXPECT_EQ(query.name, "a.example.org.");
  }
}

TEST_F(HostLookupTest, CallsNobodyBackOnceItIsGone) {
  const ScriptedUpstream server(support::silence());
  int calls = 0;
  lookup_->start("cp.example.org", {{.address = server.address()}},
                 [&calls](const Answer&) { ++calls; });
  ASSERT_TRUE(support::wait_until([&] { return !server.queries().empty(); }));
  lookup_.reset();
  loop_.io().poll();
  EXPECT_EQ(calls, 0);
}

}  // namespace
}  // namespace meshdns::dns
