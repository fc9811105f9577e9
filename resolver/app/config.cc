#include "resolver/app/config.h"

#include <array>
#include <cstdint>

#include "base/ip_address.h"

namespace meshdns::dns {
namespace {

constexpr std::uint16_t kDefaultDnsPort = 15053;
constexpr std::uint16_t kDefaultAdminPort = 19153;

constexpr std::array<std::uint8_t, 4> kLoopbackV4{127, 0, 0, 1};
constexpr std::array<std::uint8_t, 16> kLoopbackV6{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};

// 244.0.0.0/6 is clear of the ranges that Kuma and Istio hand out.
constexpr std::array<std::uint8_t, 4> kPoolV4{244, 0, 0, 0};
constexpr unsigned kPoolV4Length = 6;
// fd + "mesh" + "dns" in ASCII: fd6d:6573:6864:6e73::/64.
constexpr std::array<std::uint8_t, 16> kPoolV6{0xfd, 'm', 'e', 's', 'h', 'd', 'n', 's'};
constexpr unsigned kPoolV6Length = 64;

}  // namespace

Config::Config()
    : listen{{IpAddress(kLoopbackV4), kDefaultDnsPort, 0},
             {IpAddress(kLoopbackV6), kDefaultDnsPort, 0}},
      admin_listen(SocketAddress{IpAddress(kLoopbackV4), kDefaultAdminPort, 0}) {
  vip.ipv4_pool = IpPrefix::create(IpAddress(kPoolV4), kPoolV4Length).value();
  vip.ipv6_pool = IpPrefix::create(IpAddress(kPoolV6), kPoolV6Length).value();
}

}  // namespace meshdns::dns
