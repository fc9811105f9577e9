#include "resolver/app/config.h"

#include <array>
#include <cstdint>

#include "base/ip_address.h"
#include "vip/default_pools.h"

namespace meshdns::dns {
namespace {

constexpr std::uint16_t kDefaultDnsPort = 15053;
constexpr std::uint16_t kDefaultAdminPort = 19153;

constexpr std::array<std::uint8_t, 4> kLoopbackV4{127, 0, 0, 1};
constexpr std::array<std::uint8_t, 16> kLoopbackV6{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};

}  // namespace

Config::Config()
    : listen{{IpAddress(kLoopbackV4), kDefaultDnsPort, 0},
             {IpAddress(kLoopbackV6), kDefaultDnsPort, 0}},
      admin_listen(SocketAddress{IpAddress(kLoopbackV4), kDefaultAdminPort, 0}) {
  vip.ipv4_pool = IpPrefix::parse(vip::kDefaultIpv4Pool).value();
  vip.ipv6_pool = IpPrefix::parse(vip::kDefaultIpv6Pool).value();
}

}  // namespace meshdns::dns
