#include "vip/pool.h"

#include <cstdint>
#include <string>

#include <gtest/gtest.h>

#include "base/ip_address.h"

namespace meshdns::vip {
namespace {

AddressPool pool(const std::string& text) {
  return AddressPool::create(IpPrefix::parse(text).value()).value();
}

struct Vector {
  std::string key;
  std::uint32_t attempt = 0;
  std::string ipv4;
  std::string ipv6;
};

// Computed by an implementation of the rule in another language. They are frozen: a change would
// move the addresses of meshes that run.
TEST(AddressPool, DrawsTheCandidatesOfTheTestVectors) {
  const AddressPool ipv4 = pool("244.0.0.0/6");
  const AddressPool ipv6 = pool("fd6d:6573:6864:6e73::/64");
  for (const Vector& row : {
           Vector{"default/service///backend", 0, "244.174.120.235",
                  "fd6d:6573:6864:6e73:9f25:b441:a5d4:304f"},
           Vector{"default/service///backend", 1, "244.195.242.55",
                  "fd6d:6573:6864:6e73:521f:3983:a127:1bdf"},
           Vector{"default/service///backend", 7, "245.67.19.211",
                  "fd6d:6573:6864:6e73:ee63:2b5:53c1:7d91"},
           Vector{"default/service///web", 0, "247.124.142.66",
                  "fd6d:6573:6864:6e73:d742:acba:9a25:fb26"},
           Vector{"default/service///web", 7, "246.15.114.7",
                  "fd6d:6573:6864:6e73:e949:4234:9d6e:1d67"},
       }) {
    EXPECT_EQ(ipv4.candidate(row.key, row.attempt).to_string(), row.ipv4);
    EXPECT_EQ(ipv6.candidate(row.key, row.attempt).to_string(), row.ipv6);
  }
}

TEST(AddressPool, NeverOffersItsFirstOrLastAddress) {
  const AddressPool small = pool("192.0.2.0/30");
  EXPECT_EQ(small.usable_size(), 2U);
  EXPECT_EQ(small.at(0).to_string(), "192.0.2.1");
  EXPECT_EQ(small.at(1).to_string(), "192.0.2.2");
  EXPECT_FALSE(small.contains(*IpAddress::parse("192.0.2.0")));
  EXPECT_TRUE(small.contains(*IpAddress::parse("192.0.2.2")));
  EXPECT_FALSE(small.contains(*IpAddress::parse("192.0.2.3")));
  EXPECT_EQ(pool("fd00::/64").usable_size(), UINT64_MAX - 1);
}

TEST(AddressPool, RefusesABlockWithoutAUsableAddress) {
  EXPECT_FALSE(AddressPool::create(IpPrefix::parse("192.0.2.0/31").value()));
  EXPECT_FALSE(AddressPool::create(IpPrefix::parse("2001:db8::1/128").value()));
}

}  // namespace
}  // namespace meshdns::vip
