// Owner: a service, a record or an instance, as the snapshot builder holds it. Packed: 32 octets,
// its key, and four octets for each of its names and addresses.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string_view>

#include "base/packed_text.h"
#include "resolver/snapshot/claimed_addresses.h"
#include "resolver/snapshot/claimed_names.h"
#include "resolver/snapshot/port_lists.h"

namespace meshdns::dns {

// Which names and addresses an owner has, in the order in which they were told.
class Holdings {
 public:
  using NameNumbers = std::span<const ClaimedNames::Number>;
  using AddressNumbers = std::span<const ClaimedAddresses::Number>;

  Holdings() = default;
  Holdings(NameNumbers names, AddressNumbers addresses);

  [[nodiscard]] NameNumbers names() const { return {numbers_.get(), names_}; }
  [[nodiscard]] AddressNumbers addresses() const { return {numbers_.get() + names_, addresses_}; }

  // Equal in number and order.
  friend bool operator==(const Holdings& a, const Holdings& b) {
    return std::ranges::equal(a.names(), b.names()) &&
           std::ranges::equal(a.addresses(), b.addresses());
  }

 private:
  std::unique_ptr<std::uint32_t[]> numbers_;  // NOLINT(modernize-avoid-c-arrays): of any size
  std::uint32_t names_ = 0;
  std::uint32_t addresses_ = 0;
};

struct Owner {
  PackedText key;  // see owner_key.h
  Holdings holdings;
  std::uint32_t ttl = 0;
  PortListIndex ports = kNoPorts;  // counted by the builder's PortLists
  bool withheld = false;
  bool is_instance = false;

  // For NumberIndex.
  struct ByKey {
    using Key = std::string_view;
    static Key of(const Owner& owner) { return owner.key.view(); }
    static std::size_t hash(Key key) { return std::hash<Key>{}(key); }
  };
};
static_assert(sizeof(Owner) == 32);

}  // namespace meshdns::dns
