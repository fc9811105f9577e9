#include "discovery/feeds/kuma_table.h"

#include <map>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/ip_address.h"
#include "discovery/service.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "tests/support/kuma_listener.h"

namespace meshdns::discovery {
namespace {

using support::kuma_body;
using support::kuma_etag;
using support::kuma_listener;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;
using testing::SizeIs;

// Of Kuma's own tests: pkg/xds/generator/testdata/dns/1-envoy-config.golden.yaml.
const std::string kPublishedBody =
    R"({"records":[{"name":"backend.test-ns.svc.8080.mesh","ips":["240.0.0.0","::ffff:f000:0"]},)"
    R"({"name":"backend_test-ns_svc_8080.mesh","ips":["240.0.0.0","::ffff:f000:0"]},)"
    R"({"name":"httpbin.mesh","ips":["240.0.0.1","::ffff:f000:1"]}],"ttl":30,)"
    R"("extraLabels":{"mesh":""}})";
constexpr const char* kPublishedEtag =
    "0dc8f0e49a73e5c47510ade8629924a77f2e96fa1227d4720e23149d57da3751";

IpAddress ip(const std::string& text) { return IpAddress::parse(text).value(); }

TEST(KumaTable, IsReadFromThePublishedListener) {
  EXPECT_EQ(kuma_etag(kPublishedBody), kPublishedEtag);
  const auto text = find_kuma_table(kuma_listener(kPublishedBody));
  ASSERT_TRUE(text && *text);
  EXPECT_EQ((*text)->json, kPublishedBody);
  EXPECT_EQ((*text)->etag, kPublishedEtag);
  const auto table = parse_kuma_table((*text)->json);
  ASSERT_TRUE(table);
  EXPECT_EQ(table->skipped, 0U);
  EXPECT_THAT(table->labels, ElementsAre(Pair("mesh", "")));
  EXPECT_THAT(
      table->records,
      ElementsAre(
          NameRecord{"backend.test-ns.svc.8080.mesh", {ip("240.0.0.0"), ip("::ffff:f000:0")}, 30},
          NameRecord{"backend_test-ns_svc_8080.mesh", {ip("240.0.0.0"), ip("::ffff:f000:0")}, 30},
          NameRecord{"httpbin.mesh", {ip("240.0.0.1"), ip("::ffff:f000:1")}, 30}));
}

TEST(KumaTable, IsFoundByItsRouteWhateverTheListenerIsCalled) {
  for (const char* const name : {"_kuma:dynamicconfig", "system_dynamicconfig", ""}) {
    const auto text = find_kuma_table(kuma_listener("{}", name));
    ASSERT_TRUE(text && *text) << name;
    EXPECT_EQ((*text)->json, "{}");
  }
  for (const char* const path : {"/meshmetric", "/dns/", "/DNS", "dns", ""}) {
    const auto text = find_kuma_table(kuma_listener("{}", "system_dynamicconfig", path));
    ASSERT_TRUE(text) << path;
    EXPECT_FALSE(*text) << path;
  }
}

TEST(KumaTable, IsNotInAListenerWithoutRoutes) {
  envoy::config::listener::v3::Listener listener;
  listener.set_name("inbound:127.0.0.1:8080");
  auto& filter = *listener.add_filter_chains()->add_filters();
  filter.mutable_typed_config()->set_type_url("type.googleapis.com/envoy.unknown.Filter");
  filter.mutable_typed_config()->set_value("\xff\xff");
  const auto text = find_kuma_table(listener.SerializeAsString());
  ASSERT_TRUE(text);
  EXPECT_FALSE(*text);
  EXPECT_FALSE(find_kuma_table("\xff\xff\xff"));
}

TEST(KumaTable, HasNoEtagWhereTheRouteHasNone) {
  const auto text = find_kuma_table(kuma_listener("{}", "x", "/dns", "none"));
  ASSERT_TRUE(text && *text);
  EXPECT_THAT((*text)->etag, IsEmpty());
}

TEST(KumaTable, AnAddressWithADotIsIpv4) {
  const auto table = parse_kuma_table(
      kuma_body({{"a.mesh", {"::ffff:240.0.0.1", "::ffff:f000:1", "2001:db8::1"}}}));
  ASSERT_TRUE(table);
  ASSERT_THAT(table->records, SizeIs(1));
  EXPECT_THAT(table->records[0].addresses,
              ElementsAre(ip("240.0.0.1"), ip("::ffff:f000:1"), ip("2001:db8::1")));
}

TEST(KumaTable, LeavesOutWhatIsNoAddressOrNoNameAndCountsIt) {
  const auto table = parse_kuma_table(kuma_body({{"a.mesh", {"nonsense", "241.0.0.1", "0.0.0.0"}},
                                                 {"a name.mesh", {"241.0.0.2"}},
                                                 {"", {"241.0.0.3"}},
                                                 {"..", {"241.0.0.3"}}}));
  ASSERT_TRUE(table);
  EXPECT_THAT(table->records, ElementsAre(NameRecord{"a.mesh", {ip("241.0.0.1")}, 30}));
  EXPECT_EQ(table->skipped, 5U);
  EXPECT_THAT(table->reasons[0], HasSubstr("records[0].ips: 'nonsense' is no address"));
}

// A million of them once took the control thread hours.
TEST(KumaTable, HasRoomForAsManyAddressesOfANameAsAMessageHas) {
  std::string ips;
  for (int i = 0; i < 500'000; ++i) {
    ips += fmt::format("{}\"10.{}.{}.{}\"", i == 0 ? "" : ",", i / 65536, i / 256 % 256, i % 256);
  }
  const auto table =
      parse_kuma_table(fmt::format(R"({{"records":[{{"name":"big.mesh","ips":[{}]}}]}})", ips));
  ASSERT_TRUE(table);
  ASSERT_THAT(table->records, SizeIs(1));
  EXPECT_THAT(table->records[0].addresses, SizeIs(KumaTable::kMaxAddresses));
  EXPECT_EQ(table->skipped, 1U);
  EXPECT_THAT(table->reasons, ElementsAre("records[0].ips: the first 1000 of 500000 are told"));
}

TEST(KumaTable, OfTwoRecordsOfOneNameTheLaterCounts) {
  const auto table = parse_kuma_table(
      kuma_body({{"b.mesh", {"241.0.0.1"}}, {"B.mesh.", {"241.0.0.2"}}, {"a.mesh", {}}}));
  ASSERT_TRUE(table);
  EXPECT_EQ(table->skipped, 2U) << "\"\" is no address, and b.mesh stands twice";
  EXPECT_THAT(table->records, ElementsAre(NameRecord{"a.mesh", {}, 30},
                                          NameRecord{"b.mesh", {ip("241.0.0.2")}, 30}));
}

TEST(KumaTable, MembersNobodyKnowsAndNullsAreNoReasonToRefuse) {
  const auto table = parse_kuma_table(
      R"({"more":[[]],"records":[{"name":"a.mesh","ips":null,"x":1}],"extraLabels":null,"ttl":null})");
  ASSERT_TRUE(table);
  EXPECT_THAT(table->records, ElementsAre(NameRecord{"a.mesh", {}, std::nullopt}));
  EXPECT_THAT(table->labels, IsEmpty());
}

// They go to the page of metrics as they are.
TEST(KumaTable, LabelsThatAMetricCannotHaveAreLeftOut) {
  const auto table = parse_kuma_table(
      R"({"records":[],"extraLabels":{"mesh":"default","kuma_io_zone":"a\"b\n","":"x","9a":"x",)"
      R"("a-b":"x","a\"} 1\nup{b":"x","__name__":"x","source":"x","le":"x"}})");
  ASSERT_TRUE(table);
  EXPECT_EQ(table->labels,
            (std::map<std::string, std::string>{{"mesh", "default"}, {"kuma_io_zone", "a\"b\n"}}));
  EXPECT_EQ(table->skipped, 7U);
  EXPECT_THAT(table->reasons, Contains(HasSubstr("extraLabels: 'a-b' is no label of ours")));
}

TEST(KumaTable, RefusesWhatIsNoTable) {
  const std::map<std::string, std::string> cases{
      {"", "no JSON"},
      {"{", "no JSON"},
      {R"({"records":[]} x)", "no JSON"},
      {"{}", "no list of records"},
      {"[]", "no list of records"},
      {"null", "no list of records"},
      {R"({"records":null})", "no list of records"},
      {R"({"records":{}})", "no list of records"},
      {R"({"records":[1]})", "records[0]: no object"},
      {R"({"records":[{"ips":[]}]})", "records[0].name: no string"},
      {R"({"records":[{"name":7}]})", "records[0].name: no string"},
      {R"({"records":[{"name":"a","ips":"1.2.3.4"}]})", "records[0].ips: no list"},
      {R"({"records":[{"name":"a","ips":[4]}]})", "records[0].ips: not all"},
      {R"({"records":[],"ttl":"30"})", "ttl:"},
      {R"({"records":[],"ttl":-1})", "ttl:"},
      {R"({"records":[],"ttl":3.5})", "ttl:"},
      {R"({"records":[],"ttl":4294967295})", "ttl:"},
      {R"({"records":[],"extraLabels":[]})", "extraLabels: no object"},
      {R"({"records":[],"extraLabels":{"a":1}})", "extraLabels.a: no string"},
      {std::string(100'000, '['), "no JSON"},
  };
  for (const auto& [text, reason] : cases) {
    const auto table = parse_kuma_table(text);
    ASSERT_FALSE(table) << text.substr(0, 80);
    EXPECT_THAT(table.error().message, HasSubstr(reason)) << text.substr(0, 80);
  }
}

}  // namespace
}  // namespace meshdns::discovery
