#include "discovery/control/entity_json.h"

#include <chrono>
#include <string>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/wall_clock.h"
#include "discovery/control/dataplane_yaml.h"
#include "discovery/entity_id.h"

namespace meshdns::discovery {
namespace {

using testing::HasSubstr;

std::string json_of(const std::string& document) { return members_of(document).value_or("(none)"); }

TEST(EntityJson, KeepsWhatADocumentSaysAndLeavesOutWhatTheApiSays) {
  EXPECT_EQ(
      json_of("type: Dataplane\nname: a\nmesh: b\ncreationTime: never\n"
              "networking: {address: 192.0.2.1, admin: {port: 9901}, inbound: [{port: 80}]}\n"),
      R"("networking":{"address":"192.0.2.1","admin":{"port":9901},"inbound":[{"port":80}]})");
}

TEST(EntityJson, TellsNumbersFromTextAsYamlDoes) {
  EXPECT_EQ(
      json_of(
          R"({a: 1, b: "1", c: true, d: 'true', e: null, f: , g: -5, h: 007, i: 1.10, j: 1e3})"),
      R"("a":1,"b":"1","c":true,"d":"true","e":null,"f":null,"g":-5,"h":"007","i":"1.10","j":"1e3")");
  EXPECT_EQ(json_of("a: 12345678901234567890\nb: +1\nc: 0x10\nd: yes\n"),
            R"("a":"12345678901234567890","b":"+1","c":"0x10","d":"yes")");
}

TEST(EntityJson, TakesTheValuesOfLabelsAndTagsForText) {
  EXPECT_EQ(json_of("labels: {version: 1, canary: true}\n"),
            R"("labels":{"version":"1","canary":"true"})");
}

TEST(EntityJson, EscapesWhatStandsInText) {
  EXPECT_EQ(json_of(R"({"a\"\\\n": "\u0007\u2028<"})"), "\"a\\\"\\\\\\u000a\":\"\\u0007\u2028<\"");
}

TEST(EntityJson, WritesAliasesOut) {
  EXPECT_EQ(json_of("a: &x {k: v}\nb: *x\n"), R"("a":{"k":"v"},"b":{"k":"v"})");
}

// The billion laughs, where no reader of ours looks.
TEST(EntityJson, BoundsWhatAliasesStandFor) {
  std::string text = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n";
  for (int i = 1; i < 30; ++i) {
    const std::string before = "*a" + std::to_string(i - 1);
    text += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + before;
    for (int j = 0; j < 9; ++j) {
      text += ", " + before;
    }
    text += "]\n";
  }
  const auto made = members_of(text);
  ASSERT_FALSE(made);
  EXPECT_THAT(made.error().message, HasSubstr("is longer than"));
}

TEST(EntityJson, BoundsHowDeepAliasesGo) {
  std::string chain = "a0: &a0 [x]\n";
  for (int i = 1; i < 5000; ++i) {
    chain += fmt::format("a{}: &a{} [*a{}]\n", i, i, i - 1);
  }
  for (const std::string& text :
       {chain, std::string("probes: &a [*a]\n"), std::string("probes: &a {b: [*a]}\n")}) {
    const auto made = members_of(text);
    ASSERT_FALSE(made) << text.substr(0, 40);
    EXPECT_THAT(made.error().message, HasSubstr("more than 100 lists and maps in each other"));
  }
}

TEST(EntityJson, RefusesKeysThatAreNoneOrStandTwice) {
  EXPECT_THAT(members_of("probes: {[a]: b}\n").error().message, HasSubstr("a key must be text"));
  EXPECT_THAT(members_of("probes: {a: 1, a: 2}\n").error().message, HasSubstr("given twice"));
}

TEST(EntityJson, OfAValueIsADocumentOfThatValue) {
  const std::string text =
      "type: Dataplane\nmesh: default\nname: a\nlabels: {team: shop}\nnetworking:\n"
      "  address: 192.0.2.1\n"
      "  inbound:\n"
      "    - {port: 80, servicePort: 8080, protocol: http, tags: {kuma.io/service: web}}\n"
      "    - {port: 81, address: 192.0.2.2, name: admin, state: NotReady, health: {ready: false},\n"
      "       tags: {kuma.io/service: web-admin, version: '1'}}\n"
      "  outbound: [{port: 90, tags: {kuma.io/service: db}}]\n";
  const auto dataplane = parse_document(text).dataplane;
  ASSERT_TRUE(dataplane);
  const EntityId id{EntityKind::kDataplane, "default", "a"};
  const std::string json = entity_json(id, times_text("then", "now"), members_of(*dataplane));
  EXPECT_THAT(json, testing::StartsWith(R"({"type":"Dataplane","mesh":"default","name":"a",)"
                                        R"("creationTime":"then","modificationTime":"now",)"));
  const auto again = parse_document(json).dataplane;
  ASSERT_TRUE(again) << json;
  EXPECT_EQ(*again, *dataplane);
}

TEST(EntityJson, TellsTimesAsRfc3339) {
  EXPECT_EQ(time_text(WallTime(std::chrono::seconds(0))), "1970-01-01T00:00:00Z");
  EXPECT_EQ(time_text(WallTime(std::chrono::seconds(1709210096))), "2024-02-29T12:34:56Z");
}

TEST(EntityId, IsReadBackFromItsText) {
  const EntityId id{EntityKind::kDataplane, "default", "web-1.shop"};
  EXPECT_EQ(EntityId::parse(id.to_string()), id);
  for (const std::string text : {"", "Dataplane", "Dataplane/default", "Mesh/a/b"}) {
    EXPECT_FALSE(EntityId::parse(text)) << text;
  }
}

TEST(EntityJson, OfAnotherKindIsADocumentOfThatValueToo) {
  for (const std::string text :
       {"type: ExternalService\nname: pay\nlabels: {a: b}\ntags: {kuma.io/service: pay}\n"
        "networking: {address: '[2001:db8::1]:443'}\n",
        "type: HostnameGenerator\nname: local\nspec: {template: '{{ .Name }}.mesh'}\n",
        "type: HostnameGenerator\nname: local\nspec: {template: '{{ .Name }}.mesh', selector: "
        "{meshExternalService: {matchLabels: {a: b}}}}\n"}) {
    const auto entity = parse_document(text).dataplane;
    ASSERT_TRUE(entity) << text;
    const EntityId id{entity->kind, entity->mesh, entity->name};
    const auto again = parse_document(entity_json(id, "", members_of(*entity))).dataplane;
    ASSERT_TRUE(again) << text;
    EXPECT_EQ(*again, *entity);
    EXPECT_EQ(EntityId::parse(id.to_string()), id);
  }
}

// What is kept must be read again, and a key that is written longer than it came would not be.
TEST(EntityJson, RefusesAKeyThatCouldNotBeReadAgain) {
  const auto with_key = [](const std::string& key) {
    return members_of("type: Dataplane\nname: a\nmetrics: {" + key +
                      ": 1}\nnetworking: {address: 192.0.2.1}\n");
  };
  EXPECT_TRUE(with_key(std::string(1000, 'k')));
  const auto refused = with_key(std::string(300, '\xff'));
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("a key is longer than 1024 octets"), std::string::npos);
}

}  // namespace
}  // namespace meshdns::discovery
