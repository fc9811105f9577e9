#include "bench/local_table.h"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/ip_address.h"
#include "bench/names_file.h"
#include "resolver/snapshot/snapshot.h"
#include "resolver/wire/name.h"

namespace meshdns::bench {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Rule = ExpectedAddress::Rule;

BenchName make_name(std::string_view text, const ExpectedAddress& ipv4,
                    const ExpectedAddress& ipv6) {
  return {.wire = *name_to_wire(text), .ipv4 = ipv4, .ipv6 = ipv6};
}

// "*": any, "-": none, otherwise exactly this.
ExpectedAddress expect(std::string_view text) {
  if (text == "*") {
    return {.rule = Rule::kAny, .address = {}};
  }
  if (text == "-") {
    return {};
  }
  return {.rule = Rule::kExactly, .address = *IpAddress::parse(text)};
}

std::vector<std::string> addresses(const dns::Snapshot& table, const BenchName& name) {
  const dns::NameView view(name.wire);
  const dns::Snapshot::Host host = table.find(view, table.hash(view));
  std::vector<std::string> found;
  if (!host.ipv4.empty()) {
    found.push_back(IpAddress(host.ipv4).to_string());
  }
  if (!host.ipv6.empty()) {
    found.push_back(IpAddress(host.ipv6).to_string());
  }
  return found;
}

std::string pointer(const dns::Snapshot& table, std::string_view address) {
  const auto found = table.find_pointer(*IpAddress::parse(address));
  return found ? found->target.to_text() : "none";
}

TEST(LocalTable, GivesNamesThatAreFreeVirtualAddressesThatLeadBackToThemAndAreExpected) {
  NamesFile names;
  names.present = {make_name("a.mesh", expect("*"), expect("*")),
                   make_name("b.mesh", expect("*"), expect("*"))};
  const auto table = make_local_table(names);
  ASSERT_TRUE(table);

  EXPECT_THAT(addresses(**table, names.present[0]),
              ElementsAre("244.0.0.1", "fd6d:6573:6864:6e73::1"));
  EXPECT_THAT(addresses(**table, names.present[1]),
              ElementsAre("244.0.0.2", "fd6d:6573:6864:6e73::2"));
  EXPECT_EQ(pointer(**table, "244.0.0.1"), "a.mesh.");
  EXPECT_EQ(pointer(**table, "fd6d:6573:6864:6e73::2"), "b.mesh.");
  EXPECT_EQ(names.present[1].ipv4.rule, Rule::kExactly);
  EXPECT_EQ(names.present[1].ipv4.address.to_string(), "244.0.0.2");
}

TEST(LocalTable, KeepsTheAddressesThatAreExpectedAndLeavesAFamilyOutThatIsNot) {
  NamesFile names;
  names.present = {make_name("a.mesh", expect("192.0.2.1"), expect("-")),
                   make_name("b.mesh", expect("-"), expect("2001:db8::1"))};
  const auto table = make_local_table(names);
  ASSERT_TRUE(table);

  EXPECT_THAT(addresses(**table, names.present[0]), ElementsAre("192.0.2.1"));
  EXPECT_THAT(addresses(**table, names.present[1]), ElementsAre("2001:db8::1"));
  EXPECT_EQ(pointer(**table, "192.0.2.1"), "none");
}

TEST(LocalTable, OwnsTheNamesAndTheWayBackAndTheEmptyOneTheWayBackAlone) {
  NamesFile names;
  names.present = {make_name("a.mesh", expect("*"), expect("*"))};
  const auto table = make_local_table(names);
  const auto empty = make_empty_table();
  ASSERT_TRUE(table && empty);

  const dns::NameView name(names.present[0].wire);
  const auto reverse_wire = *name_to_wire("1.0.0.244.in-addr.arpa");
  const dns::NameView reverse(reverse_wire);
  EXPECT_NE((*table)->find_zone(name).zone, nullptr);
  EXPECT_NE((*table)->find_zone(reverse).zone, nullptr);
  EXPECT_EQ((*empty)->find_zone(name).zone, nullptr);
  EXPECT_NE((*empty)->find_zone(reverse).zone, nullptr);
  EXPECT_THAT(addresses(**empty, names.present[0]), IsEmpty());
}

}  // namespace
}  // namespace meshdns::bench
