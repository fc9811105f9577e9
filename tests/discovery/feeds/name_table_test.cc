#include "discovery/feeds/name_table.h"

#include <cstddef>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/ip_address.h"
#include "discovery/service.h"
#include "tests/support/istio_name_table.h"

namespace meshdns::discovery {
namespace {

using support::istio_name_table;
using support::IstioHost;
using support::kubernetes_service;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

const NameTableScope kScope{.name_space = "shop", .domain = "svc.cluster.local"};

NameTable read(const std::vector<IstioHost>& hosts) {
  auto table = read_name_table(istio_name_table(hosts), kScope);
  EXPECT_TRUE(table);
  return table ? *table : NameTable();
}

// "NAME ADDRESS..." of each record.
std::vector<std::string> texts(const NameTable& table) {
  std::vector<std::string> all;
  for (const NameRecord& record : table.records) {
    std::string text = record.name;
    for (const IpAddress& address : record.addresses) {
      text += " " + address.to_string();
    }
    all.push_back(text);
  }
  return all;
}

TEST(NameTable, AKubernetesServiceHasShortNamesInItsNamespaceAndBeyond) {
  const NameTable table = read({kubernetes_service("web", "shop", {"10.0.0.1", "2001:db8::1"}),
                                kubernetes_service("db", "back", {"10.0.0.2"})});
  EXPECT_THAT(texts(table),
              ElementsAre("db.back 10.0.0.2", "db.back.svc 10.0.0.2",
                          "db.back.svc.cluster.local 10.0.0.2", "web 10.0.0.1 2001:db8::1",
                          "web.shop 10.0.0.1 2001:db8::1", "web.shop.svc 10.0.0.1 2001:db8::1",
                          "web.shop.svc.cluster.local 10.0.0.1 2001:db8::1"));
  EXPECT_EQ(table.skipped, 0U);
}

TEST(NameTable, OfOtherRegistriesAndDomainsTheHostAloneCounts) {
  IstioHost other_cluster = kubernetes_service("web", "shop", {"10.0.0.1"});
  other_cluster.host = "web.shop.svc.other.local";
  IstioHost no_label = kubernetes_service("web", "shop", {"10.0.0.2"});
  no_label.host = "web.shopsvc.cluster.local";
  const NameTable table =
      read({other_cluster, no_label, {.host = "api.example.org", .ips = {"240.240.0.1"}}});
  EXPECT_THAT(texts(table),
              ElementsAre("api.example.org 240.240.0.1", "web.shop.svc.other.local 10.0.0.1",
                          "web.shopsvc.cluster.local 10.0.0.2"));
}

// A few octets each in the table, and all of the host's addresses here.
TEST(NameTable, OtherNamesHaveSoManyAddressesInAll) {
  constexpr std::size_t kAddresses = 1000;
  IstioHost host = kubernetes_service("web", "shop", {});
  for (std::size_t i = 0; i < kAddresses; ++i) {
    host.ips.push_back(fmt::format("10.0.{}.{}", i / 256, i % 256));
  }
  for (std::size_t i = 0; i < 3 * NameTable::kMaxOtherAddresses / kAddresses; ++i) {
    host.alt_hosts.push_back(fmt::format("n{}", i));
  }
  const NameTable table = read({host, {.host = "api.example.org", .ips = {"240.240.0.1"}}});
  EXPECT_THAT(table.records, SizeIs(2 + NameTable::kMaxOtherAddresses / kAddresses));
  EXPECT_EQ(table.skipped, 1U);
  EXPECT_THAT(table.reasons, ElementsAre(HasSubstr("more than 1000000 addresses in all")));
}

TEST(NameTable, AWorkloadOfAHeadlessServiceIsANameToo) {
  IstioHost pod = kubernetes_service("db-0.db", "shop", {"10.1.0.7"});
  pod.host = "db-0.db.shop.svc.cluster.local";
  EXPECT_THAT(texts(read({pod, kubernetes_service("db", "shop", {"10.1.0.7", "10.1.0.8"})})),
              ElementsAre("db 10.1.0.7 10.1.0.8", "db-0.db 10.1.0.7", "db-0.db.shop 10.1.0.7",
                          "db-0.db.shop.svc 10.1.0.7", "db-0.db.shop.svc.cluster.local 10.1.0.7",
                          "db.shop 10.1.0.7 10.1.0.8", "db.shop.svc 10.1.0.7 10.1.0.8",
                          "db.shop.svc.cluster.local 10.1.0.7 10.1.0.8"));
}

TEST(NameTable, OlderControlPlanesTellOtherNames) {
  IstioHost service = kubernetes_service("web", "back", {"10.0.0.1"});
  service.alt_hosts = {"web.back.global", "web.back", "not a name"};
  const NameTable table = read({service});
  EXPECT_THAT(texts(table),
              ElementsAre("web.back 10.0.0.1", "web.back.global 10.0.0.1", "web.back.svc 10.0.0.1",
                          "web.back.svc.cluster.local 10.0.0.1"));
  EXPECT_EQ(table.skipped, 1U);
}

TEST(NameTable, NamesAreFoldedAndMayBeWildcards) {
  EXPECT_THAT(texts(read({{.host = "*.Example.ORG.", .ips = {"10.0.0.1"}}})),
              ElementsAre("*.example.org 10.0.0.1"));
}

TEST(NameTable, AHostComesBeforeAShortNameAndTheFirstHostsBeforeLaterOnes) {
  const NameTable table = read({kubernetes_service("web", "shop", {"10.0.0.1"}),
                                {.host = "web.shop", .ips = {"10.0.0.2"}},
                                {.host = "a.svc.cluster.local",
                                 .ips = {"10.0.0.3"},
                                 .shortname = "web",
                                 .name_space = "shop"}});
  EXPECT_THAT(texts(table),
              ElementsAre("a.svc.cluster.local 10.0.0.3", "web 10.0.0.3", "web.shop 10.0.0.2",
                          "web.shop.svc 10.0.0.3", "web.shop.svc.cluster.local 10.0.0.1"));
  EXPECT_EQ(table.skipped, 4U);
  EXPECT_THAT(table.reasons, testing::Contains(HasSubstr("'web.shop' is a name of web.shop and")));
}

TEST(NameTable, WhatIsNoNameOrAddressIsLeftOutAndTheRestCounts) {
  const NameTable table = read({
      {.host = "", .ips = {"10.0.0.1"}},
      {.host = "*", .ips = {"10.0.0.1"}},
      {.host = "a b.example.org", .ips = {"10.0.0.1"}},
      {.host = "twice.example.org", .ips = {"10.0.0.1", "10.0.0.1", "::ffff:10.0.0.1"}},
      {.host = "Twice.example.org", .ips = {"10.0.0.1"}},
      {.host = "range.example.org", .ips = {"10.0.0.0/8", "10.0.0.1"}},
      {.host = "none.example.org", .ips = {}},
      {.host = "nowhere.example.org", .ips = {"0.0.0.0", "::", "host.example.org"}},
  });
  EXPECT_THAT(texts(table),
              ElementsAre("range.example.org 10.0.0.1", "twice.example.org 10.0.0.1"));
  EXPECT_EQ(table.skipped, 8U);  // three hosts, one that stands twice, four addresses
  EXPECT_THAT(table.reasons, SizeIs(5));
}

TEST(NameTable, AnEmptyServiceNameIsNoShortName) {
  IstioHost service = kubernetes_service("", "shop", {"10.0.0.1"});
  service.host = "web.shop.svc.cluster.local";
  EXPECT_THAT(texts(read({service})), ElementsAre("web.shop.svc.cluster.local 10.0.0.1"));
}

TEST(NameTable, HasRoomForAsManyAddressesAsAMessageHas) {
  IstioHost service{.host = "big.example.org"};
  for (std::size_t i = 0; i < NameTable::kMaxAddresses + 5; ++i) {
    service.ips.push_back(fmt::format("10.1.{}.{}", i / 256, i % 256));
  }
  const NameTable table = read({service});
  ASSERT_THAT(table.records, SizeIs(1));
  EXPECT_THAT(table.records[0].addresses, SizeIs(NameTable::kMaxAddresses));
  EXPECT_EQ(table.skipped, 1U);
}

// Each was once compared with all before it: a million took the control thread hours.
TEST(NameTable, AddressesThatAreLeftOutCostNothing) {
  IstioHost service{.host = "big.example.org"};
  for (std::size_t i = 0; i < 500'000; ++i) {
    service.ips.push_back(fmt::format("10.{}.{}.{}", i / 65536, i / 256 % 256, i % 256));
  }
  const NameTable table = read({service});
  EXPECT_THAT(table.records[0].addresses, SizeIs(NameTable::kMaxAddresses));
  EXPECT_THAT(table.reasons,
              ElementsAre("big.example.org: 500000 addresses, of which 1000 are told"));
}

TEST(NameTable, AnEmptyOneIsOne) { EXPECT_THAT(read({}).records, IsEmpty()); }

TEST(NameTable, OtherOctetsAreNone) {
  const auto table = read_name_table("\xff\xff", kScope);
  ASSERT_FALSE(table);
  EXPECT_THAT(table.error().message, HasSubstr("no NameTable"));
}

}  // namespace
}  // namespace meshdns::discovery
