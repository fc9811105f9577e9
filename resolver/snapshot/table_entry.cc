#include "resolver/snapshot/table_entry.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <new>
#include <span>

#include "base/ip_address.h"
#include "resolver/wire/name.h"

namespace meshdns::dns {

const SideRecord* SideRecord::create(NameView name, std::span<const IpAddress> addresses) {
  std::size_t octets = name.size();
  for (const IpAddress& address : addresses) {
    octets += address.octets().size();
  }
  return new (::operator new(sizeof(SideRecord) + octets)) SideRecord(name, addresses);
}

// In a block with room for all the octets.
SideRecord::SideRecord(NameView name, std::span<const IpAddress> addresses)
    : name_octets_(static_cast<std::uint32_t>(name.size())) {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): octets, behind the object.
  auto* end = reinterpret_cast<std::uint8_t*>(this + 1);
  end = std::ranges::copy(name.octets(), end).out;
  for (const IpFamily family : {IpFamily::kV4, IpFamily::kV6}) {
    std::uint32_t& size = family == IpFamily::kV4 ? ipv4_octets_ : ipv6_octets_;
    for (const IpAddress& address : addresses) {
      if (address.family() == family) {
        end = std::ranges::copy(address.octets(), end).out;
        size += static_cast<std::uint32_t>(address.octets().size());
      }
    }
  }
}

void SideRecord::release() const {
  if (--references_ == 0) {
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-const-cast): what create() made was not const.
    auto* const self = const_cast<SideRecord*>(this);
    self->~SideRecord();
    ::operator delete(self);
  }
}

bool NameEntry::has_address(const IpAddress& address) const {
  const auto wanted = address.octets();
  auto rest = address.is_v4() ? ipv4_octets() : ipv6_octets();
  for (; rest.size() >= wanted.size(); rest = rest.subspan(wanted.size())) {
    if (std::equal(wanted.begin(), wanted.end(), rest.begin())) {
      return true;
    }
  }
  return false;
}

}  // namespace meshdns::dns
