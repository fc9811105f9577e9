#include "discovery/control/dataplane_yaml.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "discovery/dataplane.h"
#include "discovery/entity_id.h"
#include "discovery/feeds/yaml_entity.h"
#include "discovery/hostname_generator.h"

namespace meshdns::discovery {
namespace {

std::string entity(const std::string& inbound) {
  return "type: Dataplane\nmesh: default\nname: a\nnetworking:\n  address: 192.0.2.1\n  "
         "inbound:\n" +
         inbound;
}

TEST(DataplaneYaml, ReadsAnEntityWithItsDefaults) {
  const auto parsed = parse_document(entity("  - port: 80\n    tags: {kuma.io/service: web}\n"));
  ASSERT_FALSE(parsed.problem) << parsed.problem->reason;
  ASSERT_TRUE(parsed.dataplane);
  const Dataplane& dataplane = *parsed.dataplane;
  EXPECT_EQ(dataplane.id(), (DataplaneId{"default", "a"}));
  const Inbound& inbound = dataplane.inbounds.at(0);
  EXPECT_EQ(inbound.address.to_string(), "192.0.2.1");
  EXPECT_EQ(inbound.service_port, 80);
  EXPECT_EQ(inbound.name, "80");
  EXPECT_TRUE(inbound.health_ready);
  EXPECT_EQ(inbound.state, InboundState::kReady);
}

TEST(DataplaneYaml, ReadsEveryFieldThatIsGiven) {
  const auto parsed = parse_document(R"(
type: Dataplane
mesh: shop
name: web-1
labels: {team: red}
networking:
  address: 2001:db8::1
  inbound:
    - port: 80
      address: ::ffff:192.0.2.7
      servicePort: 8080
      name: main
      protocol: http
      tags: {kuma.io/service: web, kuma.io/zone: east}
      health: {ready: false}
      state: NotReady
  outbound:
    - port: 1000
      tags: {kuma.io/service: redis}
    - port: 1001
      address: 127.0.0.2
)");
  ASSERT_FALSE(parsed.problem) << parsed.problem->reason;
  const Dataplane& dataplane = *parsed.dataplane;
  EXPECT_EQ(dataplane.id(), (DataplaneId{"shop", "web-1"}));
  EXPECT_EQ(dataplane.labels.at("team"), "red");
  EXPECT_EQ(dataplane.address.to_string(), "2001:db8::1");
  const Inbound& inbound = dataplane.inbounds.at(0);
  EXPECT_EQ(inbound.address.to_string(), "192.0.2.7");
  EXPECT_EQ(inbound.port, 80);
  EXPECT_EQ(inbound.service_port, 8080);
  EXPECT_EQ(inbound.name, "main");
  EXPECT_EQ(inbound.protocol, "http");
  EXPECT_EQ(inbound.tags.at("kuma.io/zone"), "east");
  EXPECT_FALSE(inbound.health_ready);
  EXPECT_EQ(inbound.state, InboundState::kNotReady);
  EXPECT_EQ(dataplane.outbounds.at(0).address.to_string(), "127.0.0.1");
  EXPECT_EQ(dataplane.outbounds.at(1).address.to_string(), "127.0.0.2");
}

struct BadCase {
  std::string text;
  int line = 0;
  std::string reason;  // a part of it
};

TEST(DataplaneYaml, SaysWhereAndWhyAnEntityIsBad) {
  const std::string tags = "    tags: {kuma.io/service: a}\n";
  for (const BadCase& row : std::vector<BadCase>{
           {"type: Mesh\nname: a\n", 1, "'Mesh' is not 'Dataplane'"},
           {"apiVersion: kuma.io/v1alpha1\nkind: Dataplane\n", 2, "form for Kubernetes"},
           {"type: Dataplane\nname: a\n", 1, "networking is missing"},
           {"type: Dataplane\nname: a/b\n", 2, "name: 'a/b'"},
           {"type: Dataplane\nmesh: a.b\nname: a\n", 2, "mesh: 'a.b'"},
           {"type: Dataplane\nname: [a]\n", 2, "must be a single value"},
           {"type: Dataplane\nname: a\ncolour: red\n", 3, "'colour' is no key"},
           {"type: Dataplane\nname: a\nlabels: [a]\n", 3, "labels must be a map"},
           {"type: Dataplane\nname: a\nnetworking: {address: example.org}\n", 3, "is a name"},
           {"type: Dataplane\nname: a\nnetworking: {address: 192.0.2.256}\n", 3, "IP address"},
           {"type: Dataplane\nname: a\nnetworking: {address: 0.0.0.0}\n", 3, "0.0.0.0"},
           {"type: Dataplane\nname: a\nnetworking: {address: '::ffff:0.0.0.0'}\n", 3, "0.0.0.0"},
           {entity("  - port: 0\n"), 7, "'0' must be a port"},
           {entity("  - port: 65536\n"), 7, "'65536' must be a port"},
           {entity("  - port: -1\n"), 7, "'-1' must be a port"},
           {entity("  - port: 0x50\n"), 7, "'0x50' must be a port"},
           {entity("  - servicePort: 80\n"), 7, "'' must be a port"},
           {entity("  - port: 80\n"), 7, "kuma.io/service is missing"},
           {entity("  - port: 80\n    tags: {kuma.io/service: 'a b'}\n"), 8, "DNS name"},
           {entity("  - port: 80\n    tags: {kuma.io/service: .a}\n"), 8, "DNS name"},
           {entity("  - port: 80\n    tags: {kuma.io/service: " + std::string(64, 'a') + "}\n"), 8,
            "DNS name"},
           {entity("  - port: 80\n    tags: {kuma.io/service: a, kuma.io/zone: " +
                   std::string(254, 'z') + "}\n"),
            8, "kuma.io/zone: 254 octets are more than 253"},
           {"type: Dataplane\nname: a\nlabels: {kuma.io/zone: " + std::string(254, 'z') +
                "}\nnetworking: {address: 192.0.2.1}\n",
            3, "kuma.io/zone: 254 octets are more than 253"},
           {entity("  - port: 80\n    state: Sleepy\n" + tags), 8, "Sleepy"},
           {entity("  - port: 80\n    health: {ready: perhaps}\n" + tags), 8, "perhaps"},
           {entity("  - port: 80\n    port: 81\n" + tags), 8, "given twice"},
           {entity("  - port: 80\n    serviceAddress: 192.0.2.1\n" + tags), 8, "must differ"},
           {entity("  - port: 80\n    name: \"\\xff\\0\"\n" + tags), 8, "UTF-8"},
           {entity("    port: 80\n"), 7, "inbound must be a list"},
           {"just text\n", 1, "must be a map"},
           {"type: [Datapl", 1, "no valid YAML"},
           {"a: b: c", 1, "no valid YAML"},
           {std::string("a\0b", 3), 1, "NUL"},
           {std::string(10000, '['), 1, "no valid YAML"},
           {std::string(10000, '{'), 1, "no valid YAML"},
           {std::string(kMaxDocumentBytes + 1, '#'), 1, "longer"},
       }) {
    const auto parsed = parse_document(row.text);
    EXPECT_FALSE(parsed.dataplane) << row.text;
    ASSERT_TRUE(parsed.problem) << row.text;
    EXPECT_EQ(parsed.problem->line, row.line) << row.text;
    EXPECT_NE(parsed.problem->reason.find(row.reason), std::string::npos)
        << row.text << parsed.problem->reason;
  }
}

TEST(DataplaneYaml, TellsWhoABadEntitySaysItIs) {
  const auto parsed = parse_document("type: Dataplane\nmesh: shop\nname: a\n");
  EXPECT_EQ(parsed.id, (DataplaneId{"shop", "a"}));
  EXPECT_FALSE(parse_document("type: Dataplane\n").id);
  EXPECT_FALSE(parse_document("type: [Datapl").id);
}

TEST(DataplaneYaml, TakesAnEmptyDocumentForNothing) {
  for (const std::string text : {"", "---\n", "--- # nothing\n", "---\n...\n"}) {
    const auto parsed = parse_document(text);
    EXPECT_FALSE(parsed.dataplane) << text;
    EXPECT_FALSE(parsed.problem) << text;
  }
}

TEST(DataplaneYaml, BoundsWhatAliasesStandFor) {
  std::string text = "type: Dataplane\nname: a\nlabels: &l {";
  for (int i = 0; i < 1000; ++i) {
    text += "k" + std::to_string(i) + ": v, ";
  }
  text += "}\nnetworking:\n  address: 192.0.2.1\n  inbound: [";
  for (int i = 0; i < 100; ++i) {
    text += "{port: 80, tags: *l}, ";
  }
  text += "]\n";
  const auto parsed = parse_document(text + "");
  ASSERT_TRUE(parsed.problem);
  EXPECT_FALSE(parsed.dataplane);
  std::string outbounds = text;
  outbounds.replace(outbounds.find("inbound"), 7, "outbound");
  const auto many = parse_document(outbounds);
  ASSERT_TRUE(many.problem);
  EXPECT_EQ(many.problem->reason, "the entity has more than 20000 entries");
}

TEST(DataplaneYaml, NamesEachFieldThatIsWrong) {
  const auto parsed = parse_document(
      "type: Dataplane\n"
      "mesh: a.b\n"
      "name: web-1\n"
      "networking:\n"
      "  address: nowhere!\n"
      "  inbound:\n"
      "    - {port: 0, tags: {kuma.io/service: web}}\n"
      "    - {port: 80, state: Odd, extra: 1}\n"
      "  outbound: {port: 1}\n");
  EXPECT_FALSE(parsed.dataplane);
  std::vector<std::string> fields;
  for (const FieldProblem& each : parsed.problems) {
    fields.push_back(std::to_string(each.problem.line) + " " + each.field);
  }
  EXPECT_THAT(fields,
              testing::ElementsAre("2 mesh", "5 networking.address", "7 networking.inbound[0].port",
                                   "8 networking.inbound[1]", "8 networking.inbound[1].tags",
                                   "8 networking.inbound[1].state", "9 networking.outbound"));
  ASSERT_TRUE(parsed.problem);
  EXPECT_EQ(*parsed.problem, parsed.problems.front().problem);
}

TEST(DataplaneYaml, TellsOnlyTheFirstHundredMistakes) {
  std::string text = "type: Dataplane\nname: a\nnetworking:\n  address: 192.0.2.1\n  inbound: [";
  for (int i = 0; i < 1000; ++i) {
    text += "{port: 0}, ";
  }
  const auto parsed = parse_document(text + "]\n");
  EXPECT_FALSE(parsed.dataplane);
  EXPECT_EQ(parsed.problems.size(), kMaxFieldProblems);
}

std::string external(const std::string& address) {
  return "type: ExternalService\nmesh: shop\nname: pay\ntags: {kuma.io/service: pay, "
         "kuma.io/protocol: http}\nnetworking: {address: '" +
         address + "'}\n";
}

TEST(ExternalServiceYaml, IsADataplaneValueWithOneInbound) {
  const auto parsed = parse_document(external("192.0.2.7:443"));
  ASSERT_TRUE(parsed.dataplane) << parsed.problem->reason;
  EXPECT_EQ(parsed.dataplane->id(), (DataplaneId{"shop", "pay", EntityKind::kExternalService}));
  ASSERT_EQ(parsed.dataplane->inbounds.size(), 1U);
  const Inbound& inbound = parsed.dataplane->inbounds.front();
  EXPECT_EQ(inbound.address.to_string(), "192.0.2.7");
  EXPECT_EQ(inbound.port, 443);
  EXPECT_EQ(inbound.tags.at("kuma.io/service"), "pay");
  EXPECT_EQ(parse_document(external("[2001:db8::7]:80")).dataplane->address.to_string(),
            "2001:db8::7");
}

TEST(ExternalServiceYaml, RefusesAddressesThatAreNone) {
  for (const std::string address : {"", "192.0.2.7", "192.0.2.7:", "192.0.2.7:0", "192.0.2.7:65536",
                                    "0.0.0.0:80", ":80", "[]:80", "192.0.2.7:80x"}) {
    const auto parsed = parse_document(external(address));
    ASSERT_FALSE(parsed.problems.empty()) << address;
    EXPECT_EQ(parsed.problems.front().field, "networking.address") << address;
  }
  EXPECT_THAT(parse_document(external("pay.example.org:443")).problem->reason,
              testing::HasSubstr("names are not resolved here"));
  EXPECT_FALSE(parse_document("type: ExternalService\nname: pay\n").dataplane);
}

TEST(HostnameGeneratorYaml, ReadsKumasSelectors) {
  using Selects = HostnameGenerator::Selects;
  const auto read = [](const std::string& selector) {
    return parse_document(
               "type: HostnameGenerator\nname: local\nspec:\n  template: '{{ .DisplayName "
               "}}.svc.mesh.local'\n" +
               selector)
        .dataplane;
  };
  const auto all = read("");
  ASSERT_TRUE(all);
  EXPECT_EQ(all->id(), (DataplaneId{"", "local", EntityKind::kHostnameGenerator}));
  ASSERT_TRUE(all->generator);
  EXPECT_EQ(all->generator->hostname_template, "{{ .DisplayName }}.svc.mesh.local");
  EXPECT_EQ(all->generator->selects, Selects::kAll);
  const auto some = read("  selector: {matchLabels: {team: a}}\n");
  ASSERT_TRUE(some);
  EXPECT_EQ(some->generator->match_labels.at("team"), "a");
  const auto external_ones = read("  selector: {meshExternalService: {matchLabels: {a: b}}}\n");
  ASSERT_TRUE(external_ones);
  EXPECT_EQ(external_ones->generator->selects, Selects::kExternal);
  EXPECT_EQ(external_ones->generator->match_labels.at("a"), "b");
  for (const std::string selector :
       {"  selector: {meshMultiZoneService: {}}\n", "  selector: []\n",
        "  selector: {meshService: {}, matchLabels: {}}\n", "  selector: {matchLabels: [a]}\n"}) {
    EXPECT_FALSE(read(selector)) << selector;
  }
}

TEST(HostnameGeneratorYaml, NamesATemplateThatIsNone) {
  const auto parsed = parse_document(
      "type: HostnameGenerator\nname: local\nspec: {template: '{{ .Nmae }}.mesh'}\n");
  ASSERT_TRUE(parsed.problem);
  EXPECT_EQ(parsed.problems.front().field, "spec.template");
  EXPECT_THAT(parsed.problem->reason, testing::HasSubstr("{{ .Nmae }} is unknown"));
  EXPECT_FALSE(parse_document("type: HostnameGenerator\nname: a\n").dataplane);
}

}  // namespace
}  // namespace meshdns::discovery
