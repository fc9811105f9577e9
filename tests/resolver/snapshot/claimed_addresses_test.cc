#include "resolver/snapshot/claimed_addresses.h"

#include <optional>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/ip_address.h"
#include "resolver/snapshot/claims.h"

namespace meshdns::dns {
namespace {

IpAddress address(const std::string& text) { return IpAddress::parse(text).value(); }

const std::vector<std::string> kAddresses{"0.0.0.0", "244.0.0.1", "::", "::ffff:244.0.0.1",
                                          "f400:1::"};

TEST(ClaimedAddresses, GivesEachAddressOfEitherFamilyANumberOfItsOwn) {
  ClaimedAddresses addresses;
  std::set<ClaimedAddresses::Number> numbers;
  for (const std::string& text : kAddresses) {
    const auto number = addresses.use(address(text));
    EXPECT_TRUE(numbers.insert(number).second) << text;
    addresses.claims(number).holder = number;
  }
  for (const std::string& text : kAddresses) {
    const auto number = addresses.find(address(text));
    ASSERT_TRUE(number) << text;
    EXPECT_EQ(addresses.address(*number), address(text));
    EXPECT_EQ(addresses.claims(*number).holder, *number);
  }
}

TEST(ClaimedAddresses, KeepsAnAddressUntilItsLastUseEnds) {
  ClaimedAddresses addresses;
  for (const std::string& text : kAddresses) {
    const auto number = addresses.use(address(text));
    EXPECT_EQ(addresses.use(address(text)), number);
    addresses.release(number);
    EXPECT_EQ(addresses.find(address(text)), number) << text;
    addresses.release(number);
    EXPECT_EQ(addresses.find(address(text)), std::nullopt) << text;
  }
}

TEST(ClaimedAddresses, HasNoClaimsOfWhatHadTheNumberBefore) {
  ClaimedAddresses addresses;
  const auto first = addresses.use(address("244.0.0.1"));
  addresses.use(address("244.0.0.2"));
  addresses.claims(first).holder = 7;
  addresses.release(first);
  const auto next = addresses.use(address("244.0.0.3"));
  EXPECT_EQ(next, first);
  EXPECT_EQ(addresses.claims(next).holder, kNobody);
}

}  // namespace
}  // namespace meshdns::dns
