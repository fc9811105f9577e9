#include "resolver/snapshot/owner.h"

#include <algorithm>
#include <cstdint>
#include <memory>

namespace meshdns::dns {

Holdings::Holdings(NameNumbers names, AddressNumbers addresses)
    : names_(static_cast<std::uint32_t>(names.size())),
      addresses_(static_cast<std::uint32_t>(addresses.size())) {
  if (!names.empty() || !addresses.empty()) {
    // NOLINTNEXTLINE(modernize-avoid-c-arrays): as in the class.
    numbers_ = std::make_unique_for_overwrite<std::uint32_t[]>(names.size() + addresses.size());
    std::ranges::copy(addresses, std::ranges::copy(names, numbers_.get()).out);
  }
}

}  // namespace meshdns::dns
