// SRV, SVCB and HTTPS of services, at their names and below them.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/ip_address.h"
#include "discovery/service.h"
#include "resolver/answer/outcome.h"
#include "resolver/answer/query_handler.h"
#include "resolver/snapshot/port_lists.h"
#include "resolver/snapshot/snapshot.h"
#include "resolver/snapshot/snapshot_builder.h"
#include "resolver/snapshot/static_records.h"
#include "resolver/snapshot/zone_set.h"
#include "resolver/wire/name.h"
#include "resolver/wire/protocol.h"
#include "resolver/wire/query.h"
#include "resolver/wire/transport.h"
#include "tests/support/dns_message.h"
#include "tests/support/ldns_judge.h"

namespace meshdns::dns {
namespace {

using discovery::Protocol;
using discovery::ServicePort;
using support::judge;
using support::JudgedExtendedError;
using support::JudgedMessage;
using support::make_query;
using support::Octets;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr std::uint16_t kSrv = 33;
constexpr std::uint16_t kSvcb = 64;
constexpr std::uint16_t kHttps = 65;
constexpr std::uint16_t kAny = 255;

// 46 octets: not inline in the table.
const std::string kLong = "a-service-with-a-name-beyond-the-line.of.mesh";

class ServiceAnswer : public testing::Test {
 protected:
  ServiceAnswer() { make(HttpsRecords::kTlsPorts); }

  void make(HttpsRecords https_records) {
    builder_ = *SnapshotBuilder::create({.owned_zones = {"mesh."},
                                         .vip_pools = {*IpPrefix::parse("244.0.0.0/6")},
                                         .times = {},
                                         .https_records = https_records});
    add("web.mesh", {{"Web", 8080, Protocol::kHttp}, {"admin", 9090, Protocol::kTcp}});
    add("safe.mesh", {{"", 443, Protocol::kHttp2}, {"https-old", 8443, Protocol::kHttp}});
    add("mixed.mesh", {{"http", 80, Protocol::kHttp},
                       {"x", 81, Protocol::kHttp},
                       {"g", 82, Protocol::kGrpc},
                       {"g", 83, Protocol::kGrpc},
                       {"84", 85, Protocol::kKafka},
                       {"y", 84, Protocol::kTcp},
                       {"a.b c", 86, Protocol::kTcp},
                       {std::string(62, 'l'), 87, Protocol::kTcp},
                       {std::string(63, 'm'), 88, Protocol::kTcp}});
    add(kLong, {{"web", 80, Protocol::kHttp}});
    add("bare.mesh", {});
    add("held.mesh", {{"web", 80, Protocol::kHttp}}, true);
    add("free.mesh", {}, true);
    add("api.example.org", {{"https", 443, Protocol::kHttp2}});
    builder_->set_ready(true);
    snapshot_ = builder_->build();
  }

  void add(const std::string& hostname, std::vector<ServicePort> ports, bool withheld = false) {
    discovery::Service service;
    service.id = {"default", hostname};
    service.hostnames = {hostname};
    service.ports = std::move(ports);
    NameAddresses addresses{.addresses = {}, .withheld = withheld};
    if (!withheld) {
      addresses.addresses = {*IpAddress::parse("244.0.0.1"), *IpAddress::parse("fd00::1")};
    }
    builder_->upsert_service(service, addresses);
  }

  JudgedMessage ask(std::string_view name, std::uint16_t type,
                    const support::QueryOptions& options = {},
                    Transport transport = Transport::kUdp) {
    Octets response(65535);
    Query query;
    const Outcome outcome =
        QueryHandler({}).handle(*snapshot_, make_query(name, type, options), transport,
                                ClientAccess::kAllowed, response, query);
    EXPECT_EQ(outcome.verdict, Verdict::kAnswer) << name << " " << type;
    response.resize(outcome.size);
    const auto message = judge(response);
    EXPECT_TRUE(message.has_value()) << "ldns cannot read the answer for " << name;
    return message.value_or(JudgedMessage{});
  }

  std::unique_ptr<SnapshotBuilder> builder_;
  std::unique_ptr<const Snapshot> snapshot_;
};

struct PortCase {
  std::string name;
  std::uint16_t type;
  unsigned rcode;
  std::vector<std::string> answer;
};

const std::string kHints = " ipv4hint=244.0.0.1 ipv6hint=fd00::1";

TEST_F(ServiceAnswer, TellsThePortsOfServices) {
  const std::string long_name = kLong + ".";
  const std::string l62(62, 'l');
  const std::vector<PortCase> cases{
      {"web.mesh",
       kSrv,
       0,
       {"web.mesh. 30 IN SRV 0 0 8080 web.mesh.", "web.mesh. 30 IN SRV 0 0 9090 web.mesh."}},
      {"web.mesh",
       kSvcb,
       0,
       {"web.mesh. 30 IN SVCB 1 . alpn=http/1.1 port=8080" + kHints,
        "web.mesh. 30 IN SVCB 1 . port=9090" + kHints}},
      {"web.mesh", kHttps, 0, {}},
      {"safe.mesh", kHttps, 0, {"safe.mesh. 30 IN HTTPS 1 . alpn=h2 no-default-alpn" + kHints}},
      {"safe.mesh",
       kSvcb,
       0,
       {"safe.mesh. 30 IN SVCB 1 . alpn=h2 port=443" + kHints,
        "safe.mesh. 30 IN SVCB 1 . alpn=http/1.1 port=8443" + kHints}},
      {"bare.mesh", kSrv, 0, {}},
      {kLong, kSrv, 0, {long_name + " 30 IN SRV 0 0 80 " + long_name}},
      {"_web._tcp." + kLong,
       kSrv,
       0,
       {"_web._tcp." + long_name + " 30 IN SRV 0 0 80 " + long_name}},
      // Below a service.
      {"_web._tcp.web.mesh", kSrv, 0, {"_web._tcp.web.mesh. 30 IN SRV 0 0 8080 web.mesh."}},
      {"_WEB._Tcp.web.MESH", kSrv, 0, {"_WEB._Tcp.web.MESH. 30 IN SRV 0 0 8080 web.mesh."}},
      {"_8080._tcp.web.mesh", kSrv, 0, {"_8080._tcp.web.mesh. 30 IN SRV 0 0 8080 web.mesh."}},
      {"_http._tcp.web.mesh", kSrv, 0, {"_http._tcp.web.mesh. 30 IN SRV 0 0 8080 web.mesh."}},
      {"_web._tcp.web.mesh", kAny, 0, {"_web._tcp.web.mesh. 30 IN SRV 0 0 8080 web.mesh."}},
      {"_web._tcp.web.mesh", 1, 0, {}},
      {"_web._tcp.web.mesh", kHttps, 0, {}},
      {"_tcp.web.mesh", kSrv, 0, {}},
      {"_tcp.web.mesh", kAny, 0, {}},
      {"_tcp.bare.mesh", kSrv, 3, {}},
      {"_udp.web.mesh", kSrv, 3, {}},
      {"_web._udp.web.mesh", kSrv, 3, {}},
      {"_tcp._tcp.web.mesh", kSrv, 3, {}},
      {"_08080._tcp.web.mesh", kSrv, 3, {}},
      {"_73616._tcp.web.mesh", kSrv, 3, {}},  // 8080 modulo 65536
      {"_0._tcp.web.mesh", kSrv, 3, {}},
      {"_._tcp.web.mesh", kSrv, 3, {}},
      {"_._tcp.safe.mesh", kSrv, 3, {}},
      {"web._tcp.web.mesh", kSrv, 3, {}},
      {"x._web._tcp.web.mesh", kSrv, 3, {}},
      {"_web._tcp.nope.mesh", kSrv, 3, {}},
      {"_web._tcp.mesh", kSrv, 3, {}},
      // Names before numbers and protocols, however odd.
      {"_http._tcp.mixed.mesh", kSrv, 0, {"_http._tcp.mixed.mesh. 30 IN SRV 0 0 80 mixed.mesh."}},
      {"_grpc._tcp.mixed.mesh",
       kSrv,
       0,
       {"_grpc._tcp.mixed.mesh. 30 IN SRV 0 0 82 mixed.mesh.",
        "_grpc._tcp.mixed.mesh. 30 IN SRV 0 0 83 mixed.mesh."}},
      {"_84._tcp.mixed.mesh",
       kSrv,
       0,
       {"_84._tcp.mixed.mesh. 30 IN SRV 0 0 84 mixed.mesh.",
        "_84._tcp.mixed.mesh. 30 IN SRV 0 0 85 mixed.mesh."}},
      {"_a.b c._tcp.mixed.mesh", kSrv, 3, {}},
      {"_86._tcp.mixed.mesh", kSrv, 0, {"_86._tcp.mixed.mesh. 30 IN SRV 0 0 86 mixed.mesh."}},
      {"_" + l62 + "._tcp.mixed.mesh",
       kSrv,
       0,
       {"_" + l62 + "._tcp.mixed.mesh. 30 IN SRV 0 0 87 mixed.mesh."}},
      {"_88._tcp.mixed.mesh", kSrv, 0, {"_88._tcp.mixed.mesh. 30 IN SRV 0 0 88 mixed.mesh."}},
      // HTTPS below a service.
      {"_443._https.safe.mesh",
       kHttps,
       0,
       {"_443._https.safe.mesh. 30 IN HTTPS 1 . alpn=h2 no-default-alpn" + kHints}},
      {"_8443._https.safe.mesh",
       kHttps,
       0,
       {"_8443._https.safe.mesh. 30 IN HTTPS 1 . alpn=http/1.1 port=8443" + kHints}},
      {"_443._https.safe.mesh", kSvcb, 0, {}},
      {"_https-old._https.safe.mesh", kHttps, 3, {}},
      {"_https.safe.mesh", kHttps, 0, {}},
      {"_https.web.mesh", kHttps, 3, {}},
      {"_8080._https.web.mesh", kHttps, 3, {}},
      // Not told yet, and outside all zones.
      {"held.mesh", kSrv, 2, {}},
      {"held.mesh", kSvcb, 2, {}},
      {"held.mesh", kHttps, 0, {}},
      {"_web._tcp.held.mesh", kSrv, 2, {}},
      {"_nope._tcp.held.mesh", kSrv, 3, {}},
      {"_tcp.held.mesh", kSrv, 0, {}},
      {"free.mesh", kSrv, 0, {}},
      {"api.example.org",
       kHttps,
       0,
       {"api.example.org. 30 IN HTTPS 1 . alpn=h2 no-default-alpn" + kHints}},
  };
  for (const PortCase& row : cases) {
    for (const Transport transport : {Transport::kUdp, Transport::kTcp}) {
      const JudgedMessage message = ask(row.name, row.type, {}, transport);
      EXPECT_EQ(message.rcode, row.rcode) << row.name << " " << row.type;
      EXPECT_EQ(message.answer, row.answer) << row.name << " " << row.type;
      EXPECT_TRUE(message.aa) << row.name;
      EXPECT_FALSE(message.tc) << row.name;
      const bool negative = row.answer.empty() && row.rcode != rcode::kServFail;
      EXPECT_THAT(message.authority, SizeIs(negative ? 1 : 0)) << row.name;
    }
  }
}

TEST_F(ServiceAnswer, GivesTheAddressesOfTheTargetBesides) {
  for (const char* const name : {"web.mesh", "_web._tcp.web.mesh"}) {
    EXPECT_THAT(ask(name, kSrv).additional,
                ElementsAre("web.mesh. 30 IN A 244.0.0.1", "web.mesh. 30 IN AAAA fd00::1"))
        << name;
  }
  EXPECT_THAT(ask("web.mesh", kSvcb).additional, IsEmpty()) << "its hints are the same";
  EXPECT_THAT(ask("_tcp.web.mesh", kSrv).additional, IsEmpty());
}

// RFC 2181 section 9: TC only when something that is needed was left out.
TEST_F(ServiceAnswer, LeavesOutAddressesThatDoNotFitBesides) {
  std::vector<ServicePort> ports;
  for (std::uint16_t number = 1; number <= 18; ++number) {
    ports.push_back({"", number, Protocol::kTcp});
  }
  add("a.mesh", ports);
  snapshot_ = builder_->build();
  const JudgedMessage message = ask("a.mesh", kSrv);  // 12 + 12 + 18 * 26 of 512 octets
  EXPECT_THAT(message.answer, SizeIs(18));
  EXPECT_THAT(message.additional, ElementsAre("a.mesh. 30 IN A 244.0.0.1"));
  EXPECT_FALSE(message.tc);
}

TEST_F(ServiceAnswer, AThousandPortsNeedTcp) {
  std::vector<ServicePort> ports;
  for (std::uint16_t number = 1001; number <= 2000; ++number) {
    ports.push_back({"https", number, Protocol::kHttp});
  }
  add("many.mesh", ports);
  snapshot_ = builder_->build();
  for (const std::uint16_t type : {kSrv, kSvcb, kHttps}) {
    const JudgedMessage udp = ask("many.mesh", type, {.edns = 1232});
    EXPECT_TRUE(udp.tc);
    EXPECT_THAT(udp.answer, IsEmpty());
    const JudgedMessage tcp = ask("many.mesh", type, {.edns = 1232}, Transport::kTcp);
    EXPECT_EQ(tcp.rcode, 0);
    EXPECT_FALSE(tcp.tc);
    EXPECT_THAT(tcp.answer, SizeIs(1000)) << type;
  }
  EXPECT_THAT(ask("_https._tcp.many.mesh", kAny).answer,
              ElementsAre(R"(_https._tcp.many.mesh. 30 IN HINFO "RFC8482" "")"));
}

TEST_F(ServiceAnswer, FailsWhenNoMessageHoldsThePorts) {
  std::vector<ServicePort> ports;
  for (std::uint16_t number = 1; number <= 1000; ++number) {
    ports.push_back({"", number, Protocol::kHttp});
  }
  const std::string name = std::string(60, 'x') + ".mesh";
  add(name, ports);
  snapshot_ = builder_->build();
  EXPECT_TRUE(ask(name, kSrv).tc);
  const JudgedMessage tcp = ask(name, kSrv, {.edns = 1232}, Transport::kTcp);
  EXPECT_EQ(tcp.rcode, rcode::kServFail);
  EXPECT_THAT(tcp.answer, IsEmpty());
  EXPECT_EQ(tcp.extended_error, (JudgedExtendedError{0, "ports fit no message"}));
}

TEST_F(ServiceAnswer, GivesFourHintsOfEachFamily) {
  discovery::Service service;
  service.id = {"default", "wide"};
  service.hostnames = {"wide.mesh"};
  service.ports = {{"", 1, Protocol::kTcp}};
  NameAddresses addresses;
  for (int i = 1; i <= 5; ++i) {
    addresses.addresses.push_back(*IpAddress::parse("244.0.1." + std::to_string(i)));
  }
  builder_->upsert_service(service, addresses);
  snapshot_ = builder_->build();
  EXPECT_THAT(ask("wide.mesh", kSvcb).answer,
              ElementsAre("wide.mesh. 30 IN SVCB 1 . port=1 "
                          "ipv4hint=244.0.1.1,244.0.1.2,244.0.1.3,244.0.1.4"));
}

TEST_F(ServiceAnswer, HttpsRecordsFollowTheSetting) {
  make(HttpsRecords::kAllHttpPorts);
  EXPECT_THAT(ask("web.mesh", kHttps).answer,
              ElementsAre("web.mesh. 30 IN HTTPS 1 . alpn=http/1.1 port=8080" + kHints));
  EXPECT_THAT(ask("_8080._https.web.mesh", kHttps).answer, SizeIs(1));
  make(HttpsRecords::kNone);
  EXPECT_THAT(ask("safe.mesh", kHttps).answer, IsEmpty());
  EXPECT_EQ(ask("_https.safe.mesh", kHttps).rcode, rcode::kNxDomain);
}

TEST_F(ServiceAnswer, FollowsChangesOfPortsAndOfAddressesAlone) {
  add("web.mesh", {{"", 1, Protocol::kTcp}});
  const auto old = std::exchange(snapshot_, builder_->build());
  EXPECT_THAT(ask("web.mesh", kSrv).answer, ElementsAre("web.mesh. 30 IN SRV 0 0 1 web.mesh."));
  EXPECT_THAT(ask("web.mesh", 1).answer, ElementsAre("web.mesh. 30 IN A 244.0.0.1"));
  EXPECT_EQ(builder_->build_stats().pages.entry_pages_copied, 1);
  discovery::Service service;
  service.id = {"default", "web.mesh"};
  service.hostnames = {"web.mesh"};
  service.ports = {{"", 1, Protocol::kTcp}};
  builder_->upsert_service(service, {.addresses = {*IpAddress::parse("244.0.0.9")}});
  snapshot_ = builder_->build();
  EXPECT_THAT(ask("web.mesh", kSvcb).answer,
              ElementsAre("web.mesh. 30 IN SVCB 1 . port=1 ipv4hint=244.0.0.9"));
  snapshot_ = builder_->build();
  builder_->remove_service(service.id);
  snapshot_ = builder_->build();
  EXPECT_EQ(ask("_1._tcp.web.mesh", kSrv).rcode, rcode::kNxDomain);
  EXPECT_THAT(
      old->ports(old->find(*Name::from_text("web.mesh"), old->hash(*Name::from_text("web.mesh")))),
      SizeIs(2));
}

TEST_F(ServiceAnswer, AnHeirBringsItsOwnPorts) {
  discovery::Service heir;
  heir.id = {"default", "heir"};
  heir.hostnames = {"web.mesh"};
  heir.ports = {{"", 7, Protocol::kTcp}};
  builder_->upsert_service(heir, {.addresses = {*IpAddress::parse("244.0.0.7")}});
  snapshot_ = builder_->build();
  EXPECT_EQ(ask("_7._tcp.web.mesh", kSrv).rcode, rcode::kNxDomain);
  builder_->remove_service({"default", "web.mesh"});
  snapshot_ = builder_->build();
  EXPECT_THAT(ask("web.mesh", kSrv).answer, ElementsAre("web.mesh. 30 IN SRV 0 0 7 web.mesh."));
}

// The labels in front of a service's name may make it too long to be asked for.
TEST_F(ServiceAnswer, ServesServicesWhoseNamesLeaveNoRoomForLabels) {
  const std::string label(60, 'n');
  const std::string name =
      label + "." + label + "." + label + "." + std::string(62, 'n') + ".mesh";  // 252 octets
  add(name, {{"", 80, Protocol::kHttp}});
  snapshot_ = builder_->build();
  EXPECT_THAT(ask(name, kSrv).answer, IsEmpty());
  EXPECT_THAT(ask(name, kSrv, {.edns = 1232}).answer, SizeIs(1));
}

TEST_F(ServiceAnswer, StaysTrueWhenThereAreTooManyLists) {
  for (std::uint32_t i = 1; i < kPortsNotTold; ++i) {
    discovery::Service service;
    service.id = {"default", std::to_string(i)};
    service.ports = {{"p", static_cast<std::uint16_t>(i), Protocol::kTcp}};
    builder_->upsert_service(service, {});
  }
  add("late.mesh", {{"late", 443, Protocol::kHttp}});
  snapshot_ = builder_->build();
  const JudgedExtendedError error{0, "too many lists of ports to tell"};
  for (const auto& [name, type] :
       std::vector<std::pair<std::string, std::uint16_t>>{{"late.mesh", kSrv},
                                                          {"late.mesh", kHttps},
                                                          {"_late._tcp.late.mesh", kSrv},
                                                          {"_nope._tcp.late.mesh", 1},
                                                          {"_https.late.mesh", kHttps}}) {
    const JudgedMessage message = ask(name, type, {.edns = 1232});
    EXPECT_EQ(message.rcode, rcode::kServFail) << name;
    EXPECT_EQ(message.extended_error, error) << name;
  }
  EXPECT_THAT(ask("late.mesh", 1).answer, SizeIs(1));
  EXPECT_EQ(ask("late.mesh", 16).rcode, 0);
}

StaticRecord static_record(std::string_view owner, std::uint16_t type, const Octets& rdata) {
  return {.owner = *Name::from_text(owner), .type = type, .ttl = 60, .rdata = rdata, .origin = "z"};
}

TEST_F(ServiceAnswer, StaticRecordsComeFirst) {
  const Octets srv{0, 1, 0, 2, 0, 3, 0};
  const Octets text{1, 't'};
  const ZoneSet owned({{*Name::from_text("mesh"), false, std::nullopt}});
  auto records = StaticRecords::create(
      std::vector<StaticRecord>{
          static_record("_web._tcp.web.mesh", kSrv, srv),
          static_record("_9090._tcp.web.mesh", 16, text), static_record("*.web.mesh", 16, text),
          static_record("*._tcp.web.mesh", 16, text), static_record("safe.mesh", 1, {192, 0, 2, 1}),
          static_record("alias.mesh", 5, {5, 'm', 'i', 'x', 'e', 'd', 4, 'm', 'e', 's', 'h', 0})},
      owned);
  ASSERT_TRUE(records.has_value()) << records.error().message;
  builder_->set_static_records(*records);
  snapshot_ = builder_->build();
  EXPECT_THAT(ask("_web._tcp.web.mesh", kSrv).answer,
              ElementsAre("_web._tcp.web.mesh. 60 IN SRV 1 2 3 ."));
  EXPECT_THAT(ask("_9090._tcp.web.mesh", 16).answer, SizeIs(1));
  EXPECT_THAT(ask("_9090._tcp.web.mesh", kSrv).answer,
              ElementsAre("_9090._tcp.web.mesh. 30 IN SRV 0 0 9090 web.mesh."));
  EXPECT_THAT(ask("_8080._tcp.web.mesh", 16).answer, IsEmpty()) << "it exists: no wildcard";
  EXPECT_THAT(ask("_8080._tcp.web.mesh", kSrv).answer, SizeIs(1));
  EXPECT_THAT(ask("_nope._tcp.web.mesh", 16).answer,
              ElementsAre("_nope._tcp.web.mesh. 60 IN TXT \"t\""));
  // Whose addresses an operator wrote is no service any more.
  EXPECT_THAT(ask("safe.mesh", kHttps).answer, IsEmpty());
  EXPECT_THAT(ask("safe.mesh", kSrv).answer, IsEmpty());
  EXPECT_EQ(ask("_443._tcp.safe.mesh", kSrv).rcode, rcode::kNxDomain);
  const JudgedMessage alias = ask("alias.mesh", kSrv, {.edns = 1232});
  ASSERT_THAT(alias.answer, SizeIs(10));
  EXPECT_EQ(alias.answer[0], "alias.mesh. 60 IN CNAME mixed.mesh.");
  EXPECT_EQ(alias.answer[1], "mixed.mesh. 30 IN SRV 0 0 80 mixed.mesh.");
  EXPECT_THAT(alias.additional,
              ElementsAre("mixed.mesh. 30 IN A 244.0.0.1", "mixed.mesh. 30 IN AAAA fd00::1"));
}

}  // namespace
}  // namespace meshdns::dns
