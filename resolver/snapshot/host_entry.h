// HostEntry: how the table's entry of a name must look, and bringing an entry in line with it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/ip_address.h"
#include "resolver/snapshot/port_lists.h"
#include "resolver/snapshot/table_entry.h"
#include "resolver/wire/name.h"

namespace meshdns::dns {

// Refers to its name and addresses, which outlive it. `kind` kFree: there must be no entry.
struct HostEntry {
  EntryKind kind = EntryKind::kFree;
  NameView name;
  std::span<const IpAddress> addresses;  // both families; the order within a family is kept
  std::uint32_t ttl = 0;
  PortListIndex ports = kNoPorts;
};

// Whether `entry`, which has the name, answers as `wanted` says.
[[nodiscard]] bool is_same(const NameEntry& entry, const HostEntry& wanted);

// Makes a new entry of it. The entry holds nothing yet but its hash.
void fill(NameEntry& entry, const HostEntry& wanted);

}  // namespace meshdns::dns
