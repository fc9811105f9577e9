#include "resolver/app/table_dump.h"

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/ip_address.h"
#include "discovery/packed_service.h"
#include "discovery/service.h"
#include "resolver/app/service_entries.h"
#include "resolver/app/service_lease_key.h"
#include "resolver/app/vip_listing.h"

namespace meshdns::dns {
namespace {

using testing::HasSubstr;
using testing::Not;

ServiceEntry entry(const std::string& name, const std::vector<std::string>& addresses,
                   AddressStatus status = AddressStatus::kLeased) {
  ServiceEntry made;
  made.service.id = {"default", name};
  made.service.hostnames = {name + ".mesh"};
  made.status = status;
  for (const std::string& address : addresses) {
    made.addresses.push_back(*IpAddress::parse(address));
  }
  return made;
}

void put(ServiceEntries& entries, const ServiceEntry& entry) {
  const auto place = entries.add(discovery::PackedService(entry.service)).place;
  entries.set_addresses(place, entry.addresses, entry.status);
}

ServiceEntries table(const std::vector<ServiceEntry>& services) {
  ServiceEntries entries;
  for (const ServiceEntry& service : services) {
    put(entries, service);
  }
  return entries;
}

std::string whole(Pieces pieces) {
  std::string text;
  while (const auto piece = pieces()) {
    text += *piece;
  }
  EXPECT_EQ(pieces(), std::nullopt) << "the end stays the end";
  return text;
}

TEST(DumpTable, TellsEverythingOfAService) {
  ServiceEntry web = entry("web", {"244.0.0.1", "fd00::1"});
  web.service.zone = "east";
  web.service.hostnames.emplace_back("w.mesh");
  web.service.ports = {{"http", 80, discovery::Protocol::kHttp},
                       {"", 443, discovery::Protocol::kTcp}};
  web.service.tags = {{"team", "\"caf\xc3\xa9\"\n"}, {"version", "1"}};
  EXPECT_EQ(
      whole(dump_table(table({web}))),
      R"({"services":[)"
      "\n"
      R"({"mesh":"default","name":"web","zone":"east","hostnames":["web.mesh","w.mesh"],)"
      R"("addresses":["244.0.0.1","fd00::1"],"status":"leased",)"
      R"("ports":[{"name":"http","number":80,"protocol":"http"},{"name":"","number":443,"protocol":"tcp"}],)"
      "\"tags\":{\"team\":\"\\\"caf\xc3\xa9\\\"\\u000a\",\"version\":\"1\"}}\n]}\n");
}

TEST(DumpTable, IsAnEmptyListWithoutServices) {
  EXPECT_EQ(whole(dump_table({})), "{\"services\":[\n]}\n");
  EXPECT_EQ(whole(dump_vips({})), "{\"vips\":[\n]}\n");
}

TEST(DumpVips, NamesTheFirstAddressOfEachFamily) {
  const std::string text = whole(dump_vips(
      table({entry("both", {"fd00::1", "244.0.0.1", "244.0.0.2"}), entry("v6", {"fd00::2"})})));
  EXPECT_THAT(text, HasSubstr(R"("hostnames":["both.mesh"],"ipv4":"244.0.0.1","ipv6":"fd00::1",)"
                              R"("addresses":["fd00::1","244.0.0.1","244.0.0.2"])"));
  EXPECT_THAT(text,
              HasSubstr(R"("hostnames":["v6.mesh"],"ipv6":"fd00::2","addresses":["fd00::2"])"));
}

TEST(DumpVips, ShowsNoAddressThatClientsAreNotTold) {
  const std::string text = whole(
      dump_vips(table({entry("a", {"244.0.0.1"}, AddressStatus::kPending),
                       entry("b", {"244.0.0.2"}, AddressStatus::kUnstored),
                       entry("c", {}, AddressStatus::kExhausted), entry("d", {"244.0.0.4"})})));
  EXPECT_THAT(text, Not(HasSubstr("244.0.0.1")));
  EXPECT_THAT(text, Not(HasSubstr("244.0.0.2")));
  EXPECT_THAT(text,
              HasSubstr(R"("hostnames":["a.mesh"],"addresses":[],"ports":[],"status":"pending"})"));
  EXPECT_THAT(
      text, HasSubstr(R"("hostnames":["c.mesh"],"addresses":[],"ports":[],"status":"exhausted"})"));
  EXPECT_THAT(text, HasSubstr("\n{\"key\":\"" + service_lease_key({"default", "d"}) + "\""));
  EXPECT_THAT(text, HasSubstr("\"ipv4\":\"244.0.0.4\""));
  EXPECT_THAT(whole(dump_table(table({entry("a", {"244.0.0.1"}, AddressStatus::kPending)}))),
              HasSubstr(R"("addresses":[],"status":"pending")"));
}

TEST(DumpVips, IsWhatTheVerbVipReads) {
  const ServiceEntries entries = table({entry("web", {"244.0.0.1"})});
  EXPECT_THAT(print_vips(whole(dump_vips(entries)), "web").value(), HasSubstr("244.0.0.1"));
  EXPECT_THAT(print_vips(whole(dump_vips({})), "").value(), HasSubstr("SERVICE"));
}

TEST(DumpTable, ComesInPiecesOfWholeServices) {
  std::vector<ServiceEntry> services;
  for (int i = 0; i < 1000; ++i) {
    services.push_back(entry(fmt::format("s{:04}", i), {"244.0.0.1"}));
  }
  const ServiceEntries entries = table(services);
  const Pieces pieces = dump_table(entries);
  std::size_t count = 0;
  std::string text;
  while (const auto piece = pieces()) {
    ++count;
    EXPECT_LT(piece->size(), 100'000U) << "one piece is little work";
    text += *piece;
  }
  EXPECT_GT(count, 3U);
  for (int i = 0; i < 1000; ++i) {
    EXPECT_THAT(text, HasSubstr(fmt::format(R"("name":"s{:04}")", i)));
  }
}

// The table may change between two pieces, which the client's speed decides.
TEST(DumpTable, GoesOnWhereItWasWhenTheTableChanges) {
  ServiceEntries entries;
  for (int i = 0; i < 500; ++i) {
    put(entries, entry(fmt::format("s{:04}", i), {"244.0.0.1"}));
  }
  const Pieces pieces = dump_table(entries);
  std::string text = pieces().value();
  // The last one shown goes, and all that were not; others come before and after.
  for (int i = 100; i < 500; ++i) {
    entries.erase(entries.place_of({"default", fmt::format("s{:04}", i)}).value());
  }
  for (const std::string name : {"a", "z"}) {
    put(entries, entry(name, {"244.0.0.1"}));
  }
  while (const auto piece = pieces()) {
    text += *piece;
  }
  EXPECT_THAT(text, Not(HasSubstr("\"name\":\"a\""))) << "its place was passed";
  EXPECT_THAT(text, HasSubstr("\"name\":\"z\""));
  EXPECT_THAT(text, Not(HasSubstr("s0400")));
  EXPECT_THAT(text, testing::EndsWith("}\n]}\n"));
  EXPECT_THAT(text, Not(HasSubstr("}\n{"))) << "a comma between any two";
}

TEST(DumpTable, EndsWellWhenTheTableIsGoneMeanwhile) {
  ServiceEntries entries;
  for (int i = 0; i < 500; ++i) {
    put(entries, entry(fmt::format("s{:04}", i), {"244.0.0.1"}));
  }
  const Pieces pieces = dump_table(entries);
  ASSERT_TRUE(pieces());
  entries = ServiceEntries();
  EXPECT_EQ(pieces(), "\n]}\n");
  EXPECT_EQ(pieces(), std::nullopt);
}

}  // namespace
}  // namespace meshdns::dns
