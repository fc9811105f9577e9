#include "resolver/snapshot/table_entry.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/ip_address.h"
#include "resolver/wire/name.h"

namespace meshdns::dns {

SideRecord::SideRecord(NameView name, std::span<const IpAddress> addresses)
    : name_octets_(static_cast<std::uint32_t>(name.size())) {
  std::size_t total = name.size();
  for (const IpAddress& address : addresses) {
    total += address.octets().size();
  }
  octets_.reserve(total);
  octets_.assign(name.octets().begin(), name.octets().end());
  for (const IpFamily family : {IpFamily::kV4, IpFamily::kV6}) {
    for (const IpAddress& address : addresses) {
      if (address.family() == family) {
        octets_.insert(octets_.end(), address.octets().begin(), address.octets().end());
      }
    }
    if (family == IpFamily::kV4) {
      ipv4_octets_ = static_cast<std::uint32_t>(octets_.size() - name.size());
    }
  }
}

void SideRecord::release() const {
  if (--references_ == 0) {
    delete this;
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
