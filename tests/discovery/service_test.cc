#include "discovery/service.h"

#include <optional>

#include <gtest/gtest.h>

namespace meshdns::discovery {
namespace {

TEST(Protocol, RoundTripsThroughItsName) {
  for (const auto protocol :
       {Protocol::kTcp, Protocol::kHttp, Protocol::kHttp2, Protocol::kGrpc, Protocol::kKafka}) {
    EXPECT_EQ(parse_protocol(to_string(protocol)), protocol);
  }
}

TEST(Protocol, IsReadInAnyCaseAndOnlyWhole) {
  EXPECT_EQ(parse_protocol("gRPC"), Protocol::kGrpc);
  for (const auto* text : {"", "htt", "http3", "http ", "tcp\n"}) {
    EXPECT_EQ(parse_protocol(text), std::nullopt) << text;
  }
}

TEST(ServiceId, IsNamedAsItsResources) {
  EXPECT_EQ((ServiceId{"default", "backend"}.to_string()), "default/backend");
  EXPECT_EQ(ServiceId::parse("default/backend"), (ServiceId{"default", "backend"}));
  EXPECT_EQ(ServiceId::parse("a/b/c"), (ServiceId{"a", "b/c"}));
  EXPECT_EQ(ServiceId::parse("backend"), std::nullopt);
}

}  // namespace
}  // namespace meshdns::discovery
