#include "resolver/snapshot/table_entry.h"

#include <array>
#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include "base/ip_address.h"
#include "resolver/wire/name.h"

namespace meshdns::dns {
namespace {

struct Release {
  void operator()(const SideRecord* record) const { record->release(); }
};

TEST(SideRecord, KeepsFamiliesApartInTheirOrder) {
  const std::vector<IpAddress> addresses{
      *IpAddress::parse("192.0.2.9"), *IpAddress::parse("2001:db8::2"),
      *IpAddress::parse("192.0.2.1"), *IpAddress::parse("2001:db8::1")};
  const Name name = *Name::from_text("web.mesh");
  const std::unique_ptr<const SideRecord, Release> record(SideRecord::create(name, addresses));
  EXPECT_EQ(record->name(), name.view());
  ASSERT_EQ(record->ipv4().size(), 8);
  EXPECT_EQ(record->ipv4()[3], 9);
  EXPECT_EQ(record->ipv4()[7], 1);
  ASSERT_EQ(record->ipv6().size(), 32);
  EXPECT_EQ(record->ipv6()[15], 2);
  EXPECT_EQ(record->ipv6()[31], 1);
}

TEST(NameEntry, KnowsItsAddressesInlineAndAside) {
  NameEntry entry;
  entry.ipv4 = {192, 0, 2, 1};
  EXPECT_FALSE(entry.has_address(*IpAddress::parse("192.0.2.1")));
  entry.has_ipv4 = true;
  EXPECT_TRUE(entry.has_address(*IpAddress::parse("192.0.2.1")));
  EXPECT_FALSE(entry.has_address(*IpAddress::parse("192.0.2.2")));
  EXPECT_FALSE(entry.has_address(*IpAddress::parse("::")));
  const std::vector<IpAddress> addresses{*IpAddress::parse("192.0.2.2"),
                                         *IpAddress::parse("192.0.2.3")};
  entry.adopt_side(SideRecord::create(*Name::from_text("web.mesh"), addresses));
  EXPECT_TRUE(entry.has_address(addresses[1]));
  EXPECT_FALSE(entry.has_address(*IpAddress::parse("192.0.2.1")));
  EXPECT_EQ(entry.name().to_text(), "web.mesh.");
  entry.release();
}

TEST(PointerEntry, TellsFamiliesApart) {
  PointerEntry entry;
  entry.used = true;
  entry.is_v4 = true;
  EXPECT_TRUE(entry.is_of(*IpAddress::parse("0.0.0.0")));
  EXPECT_FALSE(entry.is_of(*IpAddress::parse("::")));
}

}  // namespace
}  // namespace meshdns::dns
