#include "resolver/snapshot/host_entry.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/ip_address.h"
#include "resolver/snapshot/table_entry.h"
#include "resolver/wire/name.h"

namespace meshdns::dns {
namespace {

std::size_t count(const HostEntry& wanted, IpFamily family) {
  return static_cast<std::size_t>(std::ranges::count(wanted.addresses, family, &IpAddress::family));
}

bool needs_side(const HostEntry& wanted) {
  return wanted.name.size() > NameEntry::kInlineNameOctets || count(wanted, IpFamily::kV4) > 1 ||
         count(wanted, IpFamily::kV6) > 1;
}

bool same_addresses(std::span<const std::uint8_t> octets, const HostEntry& wanted,
                    IpFamily family) {
  std::size_t at = 0;
  for (const IpAddress& address : wanted.addresses) {
    if (address.family() != family) {
      continue;
    }
    const auto expected = address.octets();
    if (octets.size() - at < expected.size() ||
        !std::equal(expected.begin(), expected.end(),
                    octets.begin() + static_cast<std::ptrdiff_t>(at))) {
      return false;
    }
    at += expected.size();
  }
  return at == octets.size();
}

void set_inline_name(NameEntry& entry, NameView name) {
  std::copy(name.octets().begin(), name.octets().end(), entry.name_octets.begin());
}

}  // namespace

bool is_same(const NameEntry& entry, const HostEntry& wanted) {
  return entry.kind == wanted.kind && entry.ttl == wanted.ttl && entry.ports == wanted.ports &&
         same_addresses(entry.ipv4_octets(), wanted, IpFamily::kV4) &&
         same_addresses(entry.ipv6_octets(), wanted, IpFamily::kV6);
}

void fill(NameEntry& entry, const HostEntry& wanted) {
  entry.kind = wanted.kind;
  entry.ttl = wanted.ttl;
  entry.ports = wanted.ports;
  entry.name_size = static_cast<std::uint8_t>(wanted.name.size());
  if (needs_side(wanted)) {
    entry.adopt_side(SideRecord::create(wanted.name, wanted.addresses));
    return;  // NOLINT(clang-analyzer-cplusplus.NewDeleteLeaks): the entry holds it, as octets.
  }
  set_inline_name(entry, wanted.name);
  for (const IpAddress& address : wanted.addresses) {
    const auto octets = address.octets();
    if (address.is_v4()) {
      std::ranges::copy(octets, entry.ipv4.begin());
      entry.has_ipv4 = true;
    } else {
      std::ranges::copy(octets, entry.ipv6.begin());
      entry.has_ipv6 = true;
    }
  }
}

}  // namespace meshdns::dns
