// What a snapshot's tables hold: names with their addresses, and addresses with the way back to
// their names. Hot path.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/ip_address.h"
#include "resolver/snapshot/port_lists.h"
#include "resolver/wire/name.h"

namespace meshdns::dns {

// What a name's entry is about.
enum class EntryKind : std::uint8_t {
  kFree,
  kHost,              // a name with addresses, perhaps of one family only
  kWithheld,          // a name whose address may not be told yet
  kEmptyNonTerminal,  // a name that only exists because longer ones do (RFC 8020)
};

// Whether a service or a record has the name.
[[nodiscard]] constexpr bool is_host(EntryKind kind) {
  return kind == EntryKind::kHost || kind == EntryKind::kWithheld;
}

// What does not fit an entry: a name above 32 octets, or addresses beyond one of each family.
// Immutable; counted by the entries that refer to it. Its octets stand behind it in the same block,
// so that a look-up waits for memory once.
class SideRecord {
 public:
  // With one reference, which an entry adopts.
  [[nodiscard]] static const SideRecord* create(NameView name,
                                                std::span<const IpAddress> addresses);
  SideRecord(const SideRecord&) = delete;
  SideRecord& operator=(const SideRecord&) = delete;
  SideRecord(SideRecord&&) = delete;
  SideRecord& operator=(SideRecord&&) = delete;

  [[nodiscard]] NameView name() const { return NameView(part(0, name_octets_)); }
  // The addresses' octets one after the other, 4 or 16 each.
  [[nodiscard]] std::span<const std::uint8_t> ipv4() const {
    return part(name_octets_, ipv4_octets_);
  }
  [[nodiscard]] std::span<const std::uint8_t> ipv6() const {
    return part(std::size_t{name_octets_} + ipv4_octets_, ipv6_octets_);
  }
  [[nodiscard]] std::size_t memory_bytes() const {
    return sizeof(*this) + name_octets_ + ipv4_octets_ + ipv6_octets_;
  }

  void retain() const { ++references_; }
  void release() const;

 private:
  SideRecord(NameView name, std::span<const IpAddress> addresses);
  ~SideRecord() = default;

  [[nodiscard]] std::span<const std::uint8_t> part(std::size_t at, std::size_t size) const {
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): octets, behind the object.
    return {reinterpret_cast<const std::uint8_t*>(this + 1) + at, size};
  }

  mutable std::uint32_t references_ = 1;
  std::uint32_t name_octets_ = 0;
  std::uint32_t ipv4_octets_ = 0;
  std::uint32_t ipv6_octets_ = 0;
};

// A name, in one cache line.
struct alignas(64) NameEntry {
  static constexpr std::size_t kInlineNameOctets = 32;
  using PointerOctets = std::array<std::uint8_t, sizeof(void*)>;

  std::uint32_t hash = 0;  // the upper half
  std::uint32_t ttl = 0;
  std::array<std::uint8_t, 4> ipv4{};
  EntryKind kind : 2 = EntryKind::kFree;
  bool has_ipv4 : 1 = false;
  bool has_ipv6 : 1 = false;
  bool has_side : 1 = false;  // name_octets then holds the pointer to the SideRecord
  std::uint8_t name_size = 0;
  PortListIndex ports = kNoPorts;
  std::array<std::uint8_t, 16> ipv6{};
  std::array<std::uint8_t, kInlineNameOctets> name_octets{};

  [[nodiscard]] bool is_free() const { return kind == EntryKind::kFree; }
  [[nodiscard]] const SideRecord* side() const {
    if (!has_side) {
      return nullptr;
    }
    PointerOctets octets{};
    std::copy_n(name_octets.begin(), octets.size(), octets.begin());
    return std::bit_cast<const SideRecord*>(octets);
  }
  // Takes over one reference of `record`. No side record may be held before.
  void adopt_side(const SideRecord* record) {
    has_side = true;
    const auto octets = std::bit_cast<PointerOctets>(record);
    std::ranges::copy(octets, name_octets.begin());
  }
  [[nodiscard]] NameView name() const {
    return has_side ? side()->name() : NameView(std::span(name_octets).first(name_size));
  }
  // The addresses of one family, one after the other.
  [[nodiscard]] std::span<const std::uint8_t> ipv4_octets() const {
    return has_side ? side()->ipv4() : std::span(ipv4).first(has_ipv4 ? 4 : 0);
  }
  [[nodiscard]] std::span<const std::uint8_t> ipv6_octets() const {
    return has_side ? side()->ipv6() : std::span(ipv6).first(has_ipv6 ? 16 : 0);
  }
  [[nodiscard]] bool has_address(const IpAddress& address) const;

  // Octets beyond the entry itself.
  [[nodiscard]] std::size_t memory_bytes() const { return has_side ? side()->memory_bytes() : 0; }
  // For tables that share entries.
  void retain() const {
    if (has_side) {
      side()->retain();
    }
  }
  void release() const {
    if (has_side) {
      side()->release();
    }
  }
};
static_assert(sizeof(NameEntry) == 64);

// An address, in half a cache line. The name it leads to is the one of this hash that has the
// address: a pointer that outlives its name, or its name's address, leads nowhere.
struct alignas(32) PointerEntry {
  std::uint32_t hash = 0;  // the upper half of the address's hash
  bool used = false;
  bool is_v4 = false;
  std::uint64_t name_hash = 0;
  std::array<std::uint8_t, 16> octets{};  // IPv4 in the first four

  [[nodiscard]] bool is_free() const { return !used; }
  [[nodiscard]] IpAddress address() const {
    return IpAddress(std::span(octets).first(is_v4 ? 4 : 16));
  }
  [[nodiscard]] bool is_of(const IpAddress& address) const {
    const auto wanted = address.octets();
    return is_v4 == address.is_v4() && std::equal(wanted.begin(), wanted.end(), octets.begin());
  }

  [[nodiscard]] std::size_t memory_bytes() const { return 0; }
  void retain() const {}
  void release() const {}
};
static_assert(sizeof(PointerEntry) == 32);

}  // namespace meshdns::dns
