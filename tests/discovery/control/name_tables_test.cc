#include "discovery/control/name_tables.h"

#include <map>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/ip_address.h"
#include "discovery/service.h"
#include "discovery/xds/resource_set.h"
#include "discovery/xds/type_urls.h"
#include "istio/networking/nds/v1/nds.pb.h"

namespace meshdns::discovery {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

Service service(const std::string& name, const std::vector<std::string>& hostnames,
                const std::vector<std::string>& addresses = {}) {
  Service made;
  made.id = {"default", name};
  made.hostnames = hostnames;
  for (const std::string& address : addresses) {
    made.addresses.push_back(*IpAddress::parse(address));
  }
  return made;
}

Endpoint endpoint(const std::string& address, Health health = Health::kHealthy) {
  return {*IpAddress::parse(address), 80, "east", health, "one"};
}

// The mesh's table, as it is told next: names with their addresses.
std::map<std::string, std::string> table_of(NameTables& tables,
                                            const std::string& mesh = "default") {
  auto changes = tables.take_changes();
  const auto change = changes.find(mesh);
  if (change == changes.end()) {
    return {{"no change", ""}};
  }
  EXPECT_EQ(change->second.type_url, kNameTableTypeUrl);
  EXPECT_EQ(change->second.name, "");
  istio::networking::nds::v1::NameTable table;
  EXPECT_TRUE(table.ParseFromString(change->second.value));
  std::map<std::string, std::string> names;
  for (const auto& [hostname, info] : table.table()) {
    names[hostname] = fmt::format("{}", fmt::join(info.ips(), " "));
  }
  return names;
}

TEST(NameTables, HaveTheServicesOwnAddressesOrThoseOfItsEndpoints) {
  NameTables tables;
  tables.put(service("web", {"web.mesh", "www.example"}, {"244.1.2.3", "fd6d::1"}),
             std::vector{endpoint("192.0.2.1")});
  tables.put(service("db", {"db.mesh"}),
             std::vector{endpoint("192.0.2.1"), endpoint("192.0.2.2", Health::kUnhealthy),
                         endpoint("192.0.2.1")});
  EXPECT_THAT(table_of(tables),
              ElementsAre(Pair("db.mesh", "192.0.2.1"), Pair("web.mesh", "244.1.2.3 fd6d::1"),
                          Pair("www.example", "244.1.2.3 fd6d::1")));
  EXPECT_THAT(table_of(tables), ElementsAre(Pair("no change", "")));
}

TEST(NameTables, FollowWhatChanges) {
  NameTables tables;
  tables.put(service("web", {"web.mesh"}), std::vector{endpoint("192.0.2.1", Health::kUnhealthy)});
  EXPECT_THAT(table_of(tables), ElementsAre(Pair("web.mesh", "192.0.2.1"))) << "better than none";
  tables.put(service("web", {"web.mesh"}),
             std::vector{endpoint("192.0.2.1", Health::kUnhealthy), endpoint("192.0.2.2")});
  EXPECT_THAT(table_of(tables), ElementsAre(Pair("web.mesh", "192.0.2.2")));
  tables.put(service("web", {"other.mesh"}), std::vector{endpoint("192.0.2.2")});
  EXPECT_THAT(table_of(tables), ElementsAre(Pair("other.mesh", "192.0.2.2")));
  tables.remove({"default", "web"});
  EXPECT_THAT(table_of(tables), IsEmpty()) << "and that is told";
}

TEST(NameTables, LackAServiceWithoutAnAddress) {
  NameTables tables;
  Service awaiting = service("web", {"web.mesh"});
  awaiting.awaits_address = true;
  tables.put(awaiting, std::vector{endpoint("192.0.2.1")});
  tables.put(service("empty", {"empty.mesh"}), {});
  EXPECT_THAT(table_of(tables), IsEmpty());
}

TEST(NameTables, GiveANameThatSeveralHaveToTheFirst) {
  NameTables tables;
  tables.put(service("b", {"one.mesh"}, {"192.0.2.2"}), {});
  tables.put(service("a", {"one.mesh"}, {"192.0.2.1"}), {});
  EXPECT_THAT(table_of(tables), ElementsAre(Pair("one.mesh", "192.0.2.1")));
  tables.remove({"default", "a"});
  EXPECT_THAT(table_of(tables), ElementsAre(Pair("one.mesh", "192.0.2.2")));
}

}  // namespace
}  // namespace meshdns::discovery
