#include "resolver/snapshot/reverse_name.h"

#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/ip_address.h"
#include "resolver/wire/name.h"

namespace meshdns::dns {
namespace {

using testing::ElementsAre;
using testing::SizeIs;
using Kind = ReverseName::Kind;

std::vector<std::string> zones_of(std::string_view pool) {
  std::vector<std::string> texts;
  for (const Name& zone : reverse_zones(*IpPrefix::parse(pool))) {
    texts.push_back(zone.to_text());
  }
  return texts;
}

TEST(ReverseZones, CoverAPoolExactly) {
  EXPECT_THAT(zones_of("244.0.0.0/6"), ElementsAre("244.in-addr.arpa.", "245.in-addr.arpa.",
                                                   "246.in-addr.arpa.", "247.in-addr.arpa."));
  EXPECT_THAT(zones_of("10.0.0.0/8"), ElementsAre("10.in-addr.arpa."));
  EXPECT_THAT(zones_of("192.0.2.254/31"),
              ElementsAre("254.2.0.192.in-addr.arpa.", "255.2.0.192.in-addr.arpa."));
  EXPECT_THAT(zones_of("0.0.0.0/0"), ElementsAre("in-addr.arpa."));
  EXPECT_THAT(zones_of("10.20.0.0/15"), ElementsAre("20.10.in-addr.arpa.", "21.10.in-addr.arpa."));
  EXPECT_THAT(zones_of("0.0.0.0/1"), SizeIs(128));
  EXPECT_THAT(zones_of("fd6d:6573:6864:6e73::/64"),
              ElementsAre("3.7.e.6.4.6.8.6.3.7.5.6.d.6.d.f.ip6.arpa."));
  EXPECT_THAT(zones_of("2001:db8::/31"),
              ElementsAre("8.b.d.0.1.0.0.2.ip6.arpa.", "9.b.d.0.1.0.0.2.ip6.arpa."));
}

struct ReverseCase {
  std::string name;
  Kind kind;
  std::string address;
};

TEST(ReverseName, SaysWhichAddressItMeans) {
  const std::string v6 = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa";
  const std::vector<ReverseCase> cases{
      {"1.2.0.192.in-addr.arpa", Kind::kAddress, "192.0.2.1"},
      {"2.0.192.in-addr.arpa", Kind::kPartial, ""},
      {"in-addr.arpa", Kind::kPartial, ""},
      {"9.1.2.0.192.in-addr.arpa", Kind::kNone, ""},
      {"01.2.0.192.in-addr.arpa", Kind::kNone, ""},
      {"0.2.0.192.in-addr.arpa", Kind::kAddress, "192.0.2.0"},
      {"256.2.0.192.in-addr.arpa", Kind::kNone, ""},
      {"1000.2.0.192.in-addr.arpa", Kind::kNone, ""},
      {"x.2.0.192.in-addr.arpa", Kind::kNone, ""},
      {"1.2.0.192.in-addr.arpa.example", Kind::kNone, ""},
      {"99999999999999999999.192.in-addr.arpa", Kind::kNone, ""},
      {v6, Kind::kAddress, "2001:db8::1"},
      {v6.substr(2), Kind::kPartial, ""},
      {"1." + v6, Kind::kNone, ""},
      {"g" + v6.substr(1), Kind::kNone, ""},
      {"10" + v6.substr(1), Kind::kNone, ""},
      {"ip6.arpa", Kind::kPartial, ""},
      {"web.mesh", Kind::kNone, ""},
      {".", Kind::kNone, ""},
  };
  for (const ReverseCase& row : cases) {
    const ReverseName reverse = parse_reverse_name(*Name::from_text(row.name));
    EXPECT_EQ(reverse.kind, row.kind) << row.name;
    if (row.kind == Kind::kAddress) {
      EXPECT_EQ(reverse.address.to_string(), row.address);
    }
  }
}

}  // namespace
}  // namespace meshdns::dns
