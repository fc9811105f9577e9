#include "discovery/control/dataplane_yaml.h"

#include <string>

#include <gtest/gtest.h>

#include "discovery/dataplane.h"

namespace meshdns::discovery {
namespace {

std::string entity(const std::string& inbound) {
  return "type: Dataplane\nmesh: default\nname: a\nnetworking:\n  address: 192.0.2.1\n  "
         "inbound:\n" +
         inbound;
}

TEST(DataplaneYaml, ReadsAnEntityWithItsDefaults) {
  const auto parsed = parse_dataplanes(entity("  - port: 80\n    tags: {kuma.io/service: web}\n"));
  ASSERT_TRUE(parsed.problems.empty()) << parsed.problems[0].reason;
  ASSERT_EQ(parsed.dataplanes.size(), 1U);
  const Dataplane& dataplane = parsed.dataplanes[0].dataplane;
  EXPECT_EQ(dataplane.mesh, "default");
  const Inbound& inbound = dataplane.inbounds.at(0);
  EXPECT_EQ(inbound.address.to_string(), "192.0.2.1");
  EXPECT_EQ(inbound.service_port, 80);
  EXPECT_EQ(inbound.name, "80");
  EXPECT_TRUE(inbound.health_ready);
  EXPECT_EQ(inbound.state, InboundState::kReady);
}

TEST(DataplaneYaml, KeepsTheGoodEntitiesOfAPartlyBadFile) {
  const std::string good = entity("  - port: 80\n    tags: {kuma.io/service: web}\n");
  const auto parsed = parse_dataplanes(good + "---\ntype: Dataplane\nname: bad\n---\n" + good);
  EXPECT_EQ(parsed.dataplanes.size(), 2U);
  ASSERT_EQ(parsed.problems.size(), 1U);
  EXPECT_EQ(parsed.problems[0].line, 10);
  EXPECT_EQ(parsed.problems[0].reason, "networking is missing");
  EXPECT_FALSE(parsed.is_broken);
}

struct BadCase {
  std::string text;
  int line = 0;
  std::string reason;  // a part of it
};

TEST(DataplaneYaml, SaysWhereAndWhyAnEntityIsBad) {
  for (const BadCase& row : {
           BadCase{"type: Mesh\nname: a\n", 1, "'Mesh' is not 'Dataplane'"},
           BadCase{"type: Dataplane\nname: a/b\n", 2, "name: 'a/b'"},
           BadCase{"type: Dataplane\nname: a\ncolour: red\n", 3, "'colour' is no key"},
           BadCase{"type: Dataplane\nname: a\nnetworking: {address: example.org}\n", 3,
                   "'example.org'"},
           BadCase{"type: Dataplane\nname: a\nnetworking: {address: 0.0.0.0}\n", 3, "0.0.0.0"},
           BadCase{entity("  - port: 0\n"), 7, "'0' must be a port"},
           BadCase{entity("  - port: 65536\n"), 7, "'65536' must be a port"},
           BadCase{entity("  - port: 80\n"), 7, "kuma.io/service is missing"},
           BadCase{entity("  - port: 80\n    tags: {kuma.io/service: 'a b'}\n"), 8, "DNS name"},
           BadCase{entity("  - port: 80\n    tags: {kuma.io/service: .a}\n"), 8, "DNS name"},
           BadCase{entity("  - port: 80\n    state: Sleepy\n    tags: {kuma.io/service: a}\n"), 8,
                   "Sleepy"},
           BadCase{entity("  - port: 80\n    port: 81\n    tags: {kuma.io/service: a}\n"), 8,
                   "given twice"},
           BadCase{"just text\n", 1, "must be a map"},
       }) {
    const auto parsed = parse_dataplanes(row.text);
    EXPECT_TRUE(parsed.dataplanes.empty()) << row.text;
    ASSERT_EQ(parsed.problems.size(), 1U) << row.text;
    EXPECT_EQ(parsed.problems[0].line, row.line) << row.text;
    EXPECT_NE(parsed.problems[0].reason.find(row.reason), std::string::npos)
        << parsed.problems[0].reason;
  }
}

TEST(DataplaneYaml, TellsABrokenFileFromABadEntity) {
  for (const auto& text :
       {std::string("type: [Datapl"), std::string("a: b: c"), std::string("a\0b", 3),
        std::string(10000, '['), std::string(10000, '{')}) {
    EXPECT_TRUE(parse_dataplanes(text).is_broken) << text.substr(0, 20);
  }
  EXPECT_FALSE(parse_dataplanes("").is_broken);
}

}  // namespace
}  // namespace meshdns::discovery
