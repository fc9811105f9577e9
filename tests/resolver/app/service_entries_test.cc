#include "resolver/app/service_entries.h"

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/ip_address.h"
#include "discovery/packed_service.h"
#include "discovery/service.h"

namespace meshdns::dns {
namespace {

discovery::PackedService service(const std::string& name, const std::string& zone = "") {
  discovery::Service service;
  service.id = {"default", name};
  service.zone = zone;
  return discovery::PackedService(service);
}

std::vector<IpAddress> addresses(const std::vector<std::string>& texts) {
  std::vector<IpAddress> parsed;
  for (const std::string& text : texts) {
    parsed.push_back(IpAddress::parse(text).value());
  }
  return parsed;
}

// One IPv4 address is kept in another way than any others.
const std::vector<std::vector<IpAddress>>& lists() {
  static const std::vector<std::vector<IpAddress>> kLists{
      {},
      addresses({"244.0.0.1"}),
      addresses({"0.0.0.0"}),
      addresses({"255.255.255.255"}),
      addresses({"fd00::1"}),
      addresses({"::ffff:244.0.0.1"}),
      addresses({"244.0.0.1", "fd00::1"}),
      addresses({"fd00::1", "244.0.0.1"}),
      addresses({"10.0.0.1", "10.0.0.2", "10.0.0.1"}),
      std::vector<IpAddress>(1000, addresses({"10.0.0.1"}).front())};
  return kLists;
}

TEST(ServiceEntries, GiveBackAnyAddresses) {
  ServiceEntries entries;
  const auto place = entries.add(service("web")).place;
  for (const auto& before : lists()) {
    for (const auto& list : lists()) {
      entries.set_addresses(place, before, AddressStatus::kLeased);
      entries.set_addresses(place, list, AddressStatus::kGiven);
      EXPECT_EQ(entries.at(place).addresses, list);
      EXPECT_EQ(entries.at(place).status, AddressStatus::kGiven);
    }
  }
}

TEST(ServiceEntries, KeepTheAddressesOfEachServiceApart) {
  ServiceEntries entries;
  const auto name_of = [](std::size_t index) { return "s" + std::to_string(index); };
  for (std::size_t i = 0; i < lists().size(); ++i) {
    const auto place = entries.add(service(name_of(i))).place;
    entries.set_addresses(place, lists()[i], AddressStatus::kLeased);
  }
  // Some go, and others come in their place.
  for (std::size_t i = 0; i < lists().size(); i += 2) {
    entries.erase(entries.place_of({"default", name_of(i)}).value());
  }
  for (std::size_t i = 0; i < lists().size(); ++i) {
    const auto place = entries.add(service("t" + name_of(i))).place;
    entries.set_addresses(place, lists()[i], AddressStatus::kEndpoints);
  }
  for (std::size_t i = 0; i < lists().size(); ++i) {
    const auto here = entries.find({"default", name_of(i)});
    EXPECT_EQ(here.has_value(), i % 2 == 1) << i;
    EXPECT_EQ(here.value_or(ServiceEntry{.service = {}, .addresses = lists()[i]}).addresses,
              lists()[i]);
    EXPECT_EQ(entries.find({"default", "t" + name_of(i)}).value().addresses, lists()[i]);
  }
}

TEST(ServiceEntries, BeginANewServiceWithAPendingLease) {
  ServiceEntries entries;
  const auto added = entries.add(service("web"));
  EXPECT_TRUE(added.is_new);
  EXPECT_EQ(entries.at(added.place).status, AddressStatus::kPending);
  EXPECT_TRUE(entries.at(added.place).addresses.empty());
  EXPECT_EQ(entries.at(added.place).service.id.name, "web");
}

TEST(ServiceEntries, KeepAddressesWhenWhatIsKnownOfAServiceChanges) {
  ServiceEntries entries;
  entries.set_addresses(entries.add(service("web", "east")).place, addresses({"244.0.0.1"}),
                        AddressStatus::kLeased);
  const auto [place, is_new] = entries.add(service("web", "west"));
  EXPECT_FALSE(is_new);
  EXPECT_EQ(entries.at(place).service.zone, "east") << "until it is told";
  entries.set_service(place, service("web", "west"));
  const ServiceEntry entry = entries.find({"default", "web"}).value();
  EXPECT_EQ(entry.service.zone, "west");
  EXPECT_EQ(entry.addresses, addresses({"244.0.0.1"}));
  EXPECT_EQ(entry.status, AddressStatus::kLeased);
  EXPECT_EQ(entries.size(), 1U);
}

TEST(ServiceEntries, AreFoundById) {
  ServiceEntries entries;
  entries.add(service("web"));
  EXPECT_TRUE(entries.contains({"default", "web"}));
  EXPECT_FALSE(entries.contains({"other", "web"}));
  EXPECT_FALSE(entries.place_of({"default", "we"}).has_value());
  EXPECT_EQ(entries.find({"default", "webs"}), std::nullopt);
}

}  // namespace
}  // namespace meshdns::dns
