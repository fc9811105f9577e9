// The table of gRPC's rules held against libgrpc itself: what it says here is what grpc_rules.cc
// must say.
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/discovery/control/grpc_rule_cases.h"
#include "tests/discovery/xds/xds_fixture.h"
#include "tests/support/grpc_backend.h"
#include "tests/support/proxyless_client.h"

namespace meshdns::discovery {
namespace {

using testing::StartsWith;

class GrpcRulesOfLibgrpc : public testing::TestWithParam<RuleCase> {};

std::string name_of_case(const testing::TestParamInfo<RuleCase>& info) { return info.param.name; }

TEST_P(GrpcRulesOfLibgrpc, AreThoseOfTheTable) {
  const support::GrpcBackend backend("here");
  GrpcMessages messages = good_messages(static_cast<std::uint32_t>(backend.port()));
  GetParam().spoil(messages);
  TestServer server;
  server.resources().apply(messages.updates(), {});
  // A call that ought to arrive has time; one that ought not does not make the others wait.
  const bool arrives = GetParam().verdict == RuleVerdict::kTaken;
  support::ProxylessClient client(
      {.control_plane = server.address(),
       .target = std::string(kRuleAuthority),
       .zone = "east",
       .deadline = std::chrono::milliseconds(arrives ? 10'000 : 1'000)});
  const std::string answer = client.call();
  const auto& nacks = server.metrics().nacks.of(GetParam().type_url);
  if (arrives) {
    EXPECT_EQ(answer, "ok here");
    EXPECT_EQ(nacks.value(), 0U);
    return;
  }
  EXPECT_THAT(answer, StartsWith("failed"));
  if (GetParam().verdict == RuleVerdict::kRefused) {
    ControlLoop loop;
    EXPECT_TRUE(loop.wait_for([&] { return nacks.value() > 0; })) << answer;
  } else {
    EXPECT_EQ(nacks.value(), 0U) << answer;
  }
}

INSTANTIATE_TEST_SUITE_P(Table, GrpcRulesOfLibgrpc, testing::ValuesIn(rule_cases()), name_of_case);

}  // namespace
}  // namespace meshdns::discovery
