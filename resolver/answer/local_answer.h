// Writes one answer from our own knowledge, in the forms that a zone gives: records, NODATA,
// NXDOMAIN, failure. Hot path.
//
// Every answer is authoritative. Negative ones carry the SOA of the zone that the name is in (RFC
// 2308 section 3), if it is in one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "resolver/answer/outcome.h"
#include "resolver/answer/port_records.h"
#include "resolver/answer/service_place.h"
#include "resolver/snapshot/snapshot.h"
#include "resolver/snapshot/static_records.h"
#include "resolver/wire/name.h"
#include "resolver/wire/protocol.h"
#include "resolver/wire/query.h"
#include "resolver/wire/response_writer.h"
#include "resolver/wire/transport.h"

namespace meshdns::dns {

// One per query. Aliases first, then one of the functions that return an Outcome, once. What it
// refers to must outlive it.
class LocalAnswer {
 public:
  // `zone_offset`: where the zone's name begins within the question's name; none for a name outside
  // all zones.
  LocalAnswer(const Snapshot& snapshot, const Query& query, Transport transport,
              std::optional<std::size_t> zone_offset, std::span<std::uint8_t> buffer);

  // Writes the alias `rdata` (a name) as the CNAME of the name that was asked for, or of the alias
  // before. What follows is about the name in `rdata`: the returned offset is where it stands in
  // the message. Nothing when it does not fit; truncated() is the answer then.
  [[nodiscard]] std::optional<std::uint16_t> alias(std::uint32_t ttl,
                                                   std::span<const std::uint8_t> rdata);
  // The zone that the current name is in: where its name begins in the message, and its SOA where
  // that is not ours to make.
  void set_zone(std::optional<std::uint16_t> zone_at, const StaticRrset* soa);
  [[nodiscard]] std::uint16_t owner_at() const { return owner_at_; }

  // All records of the set, with the current name as their owner.
  [[nodiscard]] Outcome rrset(const StaticRrset& rrset);
  [[nodiscard]] Outcome truncated() { return finish_or_truncate(false); }

  // What follows is what feeds told, and nobody has confirmed it for long: it is marked so.
  void mark_stale() { is_stale_ = true; }

  // Whether the question's type has to do with addresses: A, AAAA or ANY.
  [[nodiscard]] bool asks_for_addresses() const;

  // The RRset of the type asked for, or NODATA, at the name of a host, which `folded` is.
  [[nodiscard]] Outcome host(const Snapshot::Host& host, NameView folded);
  // The same below a service's name. `folded` is the whole name; the place is none that does not
  // exist.
  [[nodiscard]] Outcome below_service(const ServicePlace& place, NameView folded);
  [[nodiscard]] Outcome pointer(NameView target, std::uint32_t ttl);
  // The zone's SOA or NS, as asked; its SOA for ANY; else NODATA. The name must be the zone's.
  [[nodiscard]] Outcome apex();

  [[nodiscard]] Outcome no_data();
  [[nodiscard]] Outcome no_name();
  // SERVFAIL.
  [[nodiscard]] Outcome failure(const ExtendedError& error);

 private:
  [[nodiscard]] Outcome finish(const ExtendedError* error = nullptr);
  [[nodiscard]] Outcome finish_or_truncate(bool fits);
  // What a name with records of `type` about selected ports answers to the question.
  struct PortsAnswer {
    std::uint16_t type = 0;
    const Snapshot::Host& service;
    NameView service_name;         // folded
    std::uint16_t service_at = 0;  // where it stands in the message
    PortSelection selection;
  };
  [[nodiscard]] Outcome ports(const PortsAnswer& wanted);
  [[nodiscard]] bool add_port_records(const PortsAnswer& wanted, AddressHints hints);
  void add_addresses_of_target(const PortsAnswer& wanted);
  [[nodiscard]] Outcome hinfo_of_any(std::uint32_t ttl);
  struct AddressSet {
    std::uint16_t type = 0;
    std::size_t octets_each = 0;
    std::span<const std::uint8_t> octets;
  };
  [[nodiscard]] bool add_addresses(Section section, std::uint16_t owner_at, std::uint32_t ttl,
                                   const AddressSet& set);
  [[nodiscard]] bool add_soa(Section section, std::uint32_t ttl);
  [[nodiscard]] bool add_static_soa(std::uint16_t zone_at);

  const Snapshot& snapshot_;
  const Query& query_;
  Transport transport_;
  std::uint16_t owner_at_ = kQuestionNameOffset;  // of the current name in the message
  std::optional<std::uint16_t> zone_at_;          // of its zone's name
  const StaticRrset* soa_ = nullptr;              // null: ours to make
  bool is_stale_ = false;
  ResponseWriter writer_;
};

}  // namespace meshdns::dns
