#include "discovery/control/token_claims.h"

#include <chrono>
#include <map>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/wall_clock.h"

namespace meshdns::discovery {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

WallTime at(int seconds) { return WallTime(std::chrono::seconds(seconds)); }

TEST(TokenClaims, AreReadAsTheyAreWritten) {
  const TokenClaims claims{.id = "a-1",
                           .mesh = "default",
                           .name = "web-1",
                           .zones = {"east", "we\"st"},
                           .issued = at(1000),
                           .not_before = at(995),
                           .expires = at(2000)};
  EXPECT_EQ(parse_claims(print_claims(claims)).value(), claims);
  TokenClaims any = claims;
  any.name.clear();
  any.zones.clear();
  EXPECT_EQ(parse_claims(print_claims(any)).value(), any);
  EXPECT_THAT(print_claims(any), testing::Not(HasSubstr("Name")));
}

// What `kumactl generate dataplane-token` signs.
TEST(TokenClaims, OfKumaAreUnderstood) {
  const auto claims =
      parse_claims(R"({"Name":"web-1","Mesh":"default","Tags":{},"Type":"dataplane","Workload":"",)"
                   R"("exp":2000.5,"nbf":995,"iat":1000,"jti":"3f1c"})");
  ASSERT_TRUE(claims) << claims.error().message;
  EXPECT_EQ(claims->name, "web-1");
  EXPECT_EQ(claims->expires, at(2000));
  EXPECT_THAT(claims->zones, IsEmpty());
  const auto zone = parse_claims(
      R"({"Mesh":"default","Tags":{"kuma.io/zone":["east","west"]},"exp":1,"jti":"x","aud":"y"})");
  ASSERT_TRUE(zone) << zone.error().message;
  EXPECT_THAT(zone->zones, ElementsAre("east", "west"));
}

TEST(TokenClaims, WhatIsMissingOrNotCheckedIsRefused) {
  const std::map<std::string, std::string> cases{
      {R"({"Mesh":"m","jti":"x"})", "no exp"},
      {R"({"Mesh":"m","jti":"x","exp":null})", "no exp"},
      {R"({"Mesh":"m","jti":"x","exp":"2000"})", "no exp"},
      {R"({"Mesh":"m","jti":"x","exp":-1})", "no exp"},
      {R"({"Mesh":"m","jti":"x","exp":1e300})", "no exp"},
      {R"({"Mesh":"m","jti":"x","exp":18446744073709551615})", "no exp"},
      {R"({"Mesh":"m","jti":"x","exp":1,"nbf":"1"})", "nbf is no time"},
      {R"({"Mesh":"m","jti":"x","exp":1,"iat":[]})", "iat is no time"},
      {R"({"Mesh":"m","exp":1})", "no jti"},
      {R"({"Mesh":"m","jti":"","exp":1})", "no jti"},
      {R"({"Mesh":"m","jti":"a b","exp":1})", "no jti"},
      {R"({"Mesh":"m","jti":"#a","exp":1})", "no jti"},
      {R"({"Mesh":"m","jti":7,"exp":1})", "no jti"},
      {R"({"jti":"x","exp":1})", "names no Mesh"},
      {R"({"Mesh":"","jti":"x","exp":1})", "names no Mesh"},
      {R"({"Mesh":["m"],"jti":"x","exp":1})", "names no Mesh"},
      {R"({"Mesh":"m","Name":1,"jti":"x","exp":1})", "Name is no text"},
      {R"({"Mesh":"m","Type":"ingress","jti":"x","exp":1})", "something else"},
      {R"({"Mesh":"m","Workload":"w","jti":"x","exp":1})", "something else"},
      {R"({"Mesh":"m","Tags":{"app":["a"]},"jti":"x","exp":1})", "the tag 'app'"},
      {R"({"Mesh":"m","Tags":{"kuma.io/zone":[]},"jti":"x","exp":1})", "zones are no list"},
      {R"({"Mesh":"m","Tags":{"kuma.io/zone":"a"},"jti":"x","exp":1})", "zones are no list"},
      {R"({"Mesh":"m","Tags":{"kuma.io/zone":[1]},"jti":"x","exp":1})", "has no name"},
      {R"({"Mesh":"m","Tags":[],"jti":"x","exp":1})", "Tags are no object"},
      {"[]", "no JSON object"},
      {"", "no JSON object"},
      {"{\"Mesh\":\"\xFF\"}", "no JSON object"},
  };
  for (const auto& [text, want] : cases) {
    const auto claims = parse_claims(text);
    ASSERT_FALSE(claims) << text;
    EXPECT_THAT(claims.error().message, HasSubstr(want)) << text;
  }
}

}  // namespace
}  // namespace meshdns::discovery
