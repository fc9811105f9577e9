#include "discovery/feeds/service_file.h"

#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/ip_address.h"
#include "discovery/feeds/yaml_entity.h"
#include "discovery/service.h"

namespace meshdns::discovery {
namespace {

using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

IpAddress ip(const std::string& text) { return IpAddress::parse(text).value(); }

ServiceFile fresh() { return ServiceFile({.mesh = "default", .zone = "mesh"}); }

std::vector<YamlProblem> problems_of(const std::string& text) {
  return fresh().update(text).problems;
}

TEST(ServiceFile, ReadsAllThatAServiceMayHave) {
  ServiceFile file = fresh();
  const auto outcome = file.update(
      "# of the shop\n"
      "type: Service\n"
      "name: backend\n"
      "mesh: default\n"
      "zone: east\n"
      "hostnames: [backend.mesh, Shop.mesh]\n"
      "addresses: [192.0.2.10, '2001:db8::10']\n"
      "answers: endpoints\n"
      "ports:\n"
      "- {port: 9090, name: metrics}\n"
      "- {port: 8080, name: web, protocol: HTTP2}\n"
      "tags: {team: shop}\n"
      "endpoints:\n"
      "- {address: 192.0.2.2, port: 8080, zone: west, instance: b-2, health: unhealthy}\n"
      "- {address: '::ffff:192.0.2.1', port: 8080, instance: b-1}\n");
  ASSERT_THAT(outcome.problems, IsEmpty());
  ASSERT_THAT(outcome.change.services, SizeIs(1));
  const Service& service = outcome.change.services.front();
  EXPECT_EQ(service.id, (ServiceId{"default", "backend"}));
  EXPECT_EQ(service.zone, "east");
  EXPECT_THAT(service.hostnames, ElementsAre("backend.mesh", "Shop.mesh"));
  EXPECT_THAT(service.addresses, ElementsAre(ip("192.0.2.10"), ip("2001:db8::10")));
  EXPECT_EQ(service.answers, Answers::kEndpoints);
  EXPECT_THAT(service.ports, ElementsAre(ServicePort{"web", 8080, Protocol::kHttp2},
                                         ServicePort{"metrics", 9090, Protocol::kTcp}));
  EXPECT_THAT(service.tags, ElementsAre(testing::Pair("team", "shop")));
  ASSERT_THAT(outcome.change.endpoints, SizeIs(1));
  EXPECT_THAT(outcome.change.endpoints.front().endpoints,
              ElementsAre(Endpoint{ip("192.0.2.1"), 8080, "east", Health::kHealthy, "b-1"},
                          Endpoint{ip("192.0.2.2"), 8080, "west", Health::kUnhealthy, "b-2"}));
}

TEST(ServiceFile, AServiceNeedsNoMoreThanAName) {
  ServiceFile file = fresh();
  const auto outcome = file.update("type: Service\nname: web\n");
  ASSERT_THAT(outcome.problems, IsEmpty());
  ASSERT_THAT(outcome.change.services, SizeIs(1));
  EXPECT_THAT(outcome.change.services.front().hostnames, ElementsAre("web.mesh"));
  EXPECT_THAT(outcome.change.services.front().addresses, IsEmpty());
  ASSERT_THAT(outcome.change.endpoints, SizeIs(1)) << "so that it is known that there are none";
  EXPECT_THAT(outcome.change.endpoints.front().endpoints, IsEmpty());
}

TEST(ServiceFile, ReadsRecordsAndFoldsTheirNames) {
  ServiceFile file = fresh();
  const auto outcome =
      file.update("type: Record\nname: DB.Internal\naddresses: [192.0.2.7]\nttl: 60\n");
  ASSERT_THAT(outcome.problems, IsEmpty());
  EXPECT_THAT(outcome.change.records,
              ElementsAre(NameRecord{"db.internal", {ip("192.0.2.7")}, 60}));
  EXPECT_EQ(file.records(), 1U);
  EXPECT_EQ(file.services(), 0U);
}

struct Mistake {
  std::string text;
  int line;
  std::string reason;
};

TEST(ServiceFile, NamesTheLineOfEachMistakeAndWhatToDo) {
  const std::string begin = "type: Service\nname: web\n";
  const std::vector<Mistake> mistakes{
      {"", 1, "is empty; write `---` alone"},
      {"# nothing\n\n", 1, "is empty"},
      {"just words\n", 1, "must be a map"},
      {"- a\n- b\n", 1, "must be a map"},
      {"name: web\n", 1, "type: '' is neither Service nor Record"},
      {"type: Dataplane\nname: web\n", 1, "type: 'Dataplane' is neither"},
      {"type: Service\n", 1, "name: '' must be"},
      {"type: Service\nname: a/b\n", 2, "name: 'a/b' must be"},
      {"type: Service\nname: a..b\n", 2, "change it, or give hostnames"},
      {begin + "port: 80\n", 3, "'port' is no key of a Service; known are type, mesh"},
      {begin + "name: other\n", 3, "'name' is given twice"},
      {begin + "mesh: other\n", 3, "is not the mesh of this resolver, 'default'"},
      {begin + "answers: both\n", 3, "neither vip nor endpoints"},
      {begin + "hostnames: web.mesh\n", 3, "must be a list"},
      {begin + "hostnames: []\n", 3, "leave it out"},
      {begin + "hostnames:\n- a.mesh\n- A.mesh\n", 5, "listed twice"},
      {begin + "hostnames: ['*.mesh']\n", 3, "zone file"},
      {begin + "hostnames: [a.mesh.]\n", 3, "without one at the end"},
      {begin + "addresses: [192.0.2.300]\n", 3, "must be an IP address"},
      {begin + "addresses: [db.example.org]\n", 3, "names are not resolved here"},
      {begin + "addresses: [0.0.0.0]\n", 3, "other than 0.0.0.0"},
      {begin + "addresses: [192.0.2.1, '::ffff:192.0.2.1']\n", 3, "listed twice"},
      {begin + "ports:\n- {port: 0}\n", 4, "must be a port from 1 to 65535"},
      {begin + "ports:\n- {port: 80}\n- {port: 80}\n", 5, "80 is listed twice"},
      {begin + "ports:\n- {port: 80, protocol: udp}\n", 4, "none of tcp, http"},
      {begin + "endpoints:\n- {address: 192.0.2.1}\n", 4, "must be a port"},
      {begin + "endpoints:\n- {port: 1}\n", 4, "must be an IP address"},
      {begin + "endpoints:\n- {address: 192.0.2.1, port: 1, health: ill}\n", 4, "neither healthy"},
      {begin + "tags: {a: [b]}\n", 3, "must be a single value"},
      {"type: Record\nname: a.b\n", 1, "addresses: there is none"},
      {"type: Record\nname: a.b\naddresses: []\n", 3, "addresses: there is none"},
      {"type: Record\nname: '*.b'\naddresses: [192.0.2.1]\n", 2, "zone file"},
      {"type: Record\nname: a.b\naddresses: [192.0.2.1]\nttl: soon\n", 4, "must be seconds"},
      {"type: Record\nname: a.b\naddresses: [192.0.2.1]\nttl: 9999999\n", 4, "0 to 604800"},
      {"type: Record\nname: a.b\ncname: c.d\n", 1, "zone file"},
      {begin + "\ttags: {}\n", 3, "no valid YAML"},
      {begin + "---\n" + begin, 3, "service web is there twice, first in line 1"},
      {begin + "---\ntype: Service\nname: WEB\n", 3, "is there twice"},
      {begin + "---\ntype: Record\nname: Web.mesh\naddresses: [192.0.2.1]\n", 3,
       "is that of service web in line 1, too"},
      {"type: Service\nname: we", 2, "the last line has no end"},
      {begin + "tags: {a: \"\\0\"}\n", 3, "without NUL"},
      {"type: Service\nname: web\n# " + std::string(1, '\0') + "\n", 1, "NUL"},
      {begin + "tags: {a: " + std::string(2000, 'x') + "}\n", 3, "longer than 1024"},
      {begin + "# " + std::string(200'000, 'x') + "\n", 1, "longer than 131072"},
  };
  for (const Mistake& mistake : mistakes) {
    const auto problems = problems_of(mistake.text);
    ASSERT_THAT(problems, testing::Not(IsEmpty())) << mistake.text.substr(0, 200);
    EXPECT_THAT(problems.front().reason, HasSubstr(mistake.reason)) << mistake.text.substr(0, 200);
    EXPECT_EQ(problems.front().line, mistake.line) << mistake.text.substr(0, 200);
  }
}

TEST(ServiceFile, TellsOfEveryMistakeAtOnceButNotOfMoreThanAHundred) {
  std::string text;
  for (int i = 0; i < 150; ++i) {
    text += "---\ntype: Service\nname: web\nport: 1\n";
  }
  const auto problems = problems_of(text);
  ASSERT_THAT(problems, SizeIs(ServiceFile::kMaxProblems));
  EXPECT_EQ(problems[1].line, 8);
}

TEST(ServiceFile, AnAliasCostsAsMuchAsWhatItStandsFor) {
  const std::string text = "type: Service\nname: web\ntags: {a: &a0 x}\nports: &l0 [{port: 1}]\n";
  std::string bomb = "endpoints: [";
  for (int i = 0; i < 30; ++i) {
    bomb += fmt::format("{}&e{} [{}]", i == 0 ? "" : ", ", i,
                        i == 0 ? "1" : fmt::format("*e{}, *e{}", i - 1, i - 1));
  }
  const auto problems = problems_of(text + bomb + "]\n");
  ASSERT_THAT(problems, SizeIs(1));
  // 25,000 entries behind aliases.
  std::string wide = "type: Service\nname: web\nendpoints:\n- &e {address: 192.0.2.1, port: 1}\n";
  for (int i = 0; i < 12'000; ++i) {
    wide += "- *e\n";
  }
  EXPECT_THAT(problems_of(wide),
              ElementsAre(Field(&YamlProblem::reason, HasSubstr("more than 20000 entries"))));
}

TEST(ServiceFile, KeepsAllWhenAnythingIsWrong) {
  ServiceFile file = fresh();
  ASSERT_THAT(file.update("type: Service\nname: a\n---\ntype: Service\nname: b\n").problems,
              IsEmpty());
  const auto bad = file.update("type: Service\nname: a\n---\ntype: Service\nnome: b\n");
  EXPECT_THAT(bad.problems, SizeIs(1));
  EXPECT_THAT(bad.change.removed_services, IsEmpty());
  EXPECT_EQ(file.services(), 2U);
  const auto good = file.update("type: Service\nname: b\n");
  EXPECT_THAT(good.change.removed_services, ElementsAre(ServiceId{"default", "a"}));
  EXPECT_THAT(good.change.services, IsEmpty());
}

TEST(ServiceFile, AnEmptyDocumentIsAnEmptyTable) {
  ServiceFile file = fresh();
  ASSERT_THAT(file.update("type: Service\nname: a\n").problems, IsEmpty());
  const auto outcome = file.update("---\n");
  EXPECT_THAT(outcome.problems, IsEmpty());
  EXPECT_THAT(outcome.change.removed_services, ElementsAre(ServiceId{"default", "a"}));
}

TEST(ServiceFile, AServiceMayBecomeARecordOfItsName) {
  ServiceFile file = fresh();
  ASSERT_THAT(file.update("type: Service\nname: a\n").problems, IsEmpty());
  const auto outcome = file.update("type: Record\nname: a.mesh\naddresses: [192.0.2.1]\n");
  ASSERT_THAT(outcome.problems, IsEmpty());
  EXPECT_THAT(outcome.change.removed_services, SizeIs(1));
  EXPECT_THAT(outcome.change.removed_endpoints, SizeIs(1));
  EXPECT_THAT(outcome.change.records, SizeIs(1));
}

TEST(ServiceFile, OneChangedServiceOfTenThousandTouchesOne) {
  constexpr int kServices = 10'000;
  const auto text = [](int changed, const std::string& address) {
    std::string all;
    for (int i = 0; i < kServices; ++i) {
      all += fmt::format("---\ntype: Service\nname: svc-{}\naddresses: [{}]\n", i,
                         i == changed ? address : "192.0.2.1");
    }
    return all;
  };
  ServiceFile file = fresh();
  EXPECT_EQ(file.update(text(-1, "")).change.parsed, kServices);
  const auto outcome = file.update(text(4711, "192.0.2.2"));
  ASSERT_THAT(outcome.problems, IsEmpty());
  EXPECT_EQ(outcome.change.parsed, 1U);
  EXPECT_THAT(outcome.change.services,
              ElementsAre(Field(&Service::id, ServiceId{"default", "svc-4711"})));
  EXPECT_THAT(outcome.change.endpoints, IsEmpty());
  EXPECT_THAT(outcome.change.removed_services, IsEmpty());
  const auto moved = file.update("# a comment above all\n" + text(4711, "192.0.2.2"));
  EXPECT_EQ(moved.change.parsed, 0U);
  EXPECT_THAT(moved.change.services, IsEmpty());
}

}  // namespace
}  // namespace meshdns::discovery
