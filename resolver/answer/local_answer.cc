#include "resolver/answer/local_answer.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "resolver/answer/answer_errors.h"
#include "resolver/answer/outcome.h"
#include "resolver/answer/port_records.h"
#include "resolver/answer/service_place.h"
#include "resolver/snapshot/port_lists.h"
#include "resolver/snapshot/snapshot.h"
#include "resolver/snapshot/static_records.h"
#include "resolver/wire/name.h"
#include "resolver/wire/protocol.h"
#include "resolver/wire/query.h"
#include "resolver/wire/response_writer.h"
#include "resolver/wire/transport.h"

namespace meshdns::dns {
namespace {

// RFC 6303 section 3, as are the times: nobody transfers these zones.
constexpr std::array<std::uint8_t, 16> kMailbox{6,   'n', 'o', 'b', 'o', 'd', 'y', 7,
                                                'i', 'n', 'v', 'a', 'l', 'i', 'd', 0};
constexpr std::uint32_t kSoaRefreshSeconds = 3600;
constexpr std::uint32_t kSoaRetrySeconds = 1200;
constexpr std::uint32_t kSoaExpireSeconds = 604800;

// RFC 8482 section 4.2: what stands for everything that ANY could have meant.
constexpr std::array<std::uint8_t, 9> kHinfoOfAny{7, 'R', 'F', 'C', '8', '4', '8', '2', 0};
constexpr std::size_t kMaxRecordsForAny = 8;
constexpr std::size_t kMaxPointerOffset = 0x3fff;  // RFC 1035 section 4.1.4

}  // namespace

LocalAnswer::LocalAnswer(const Snapshot& snapshot, const Query& query, Transport transport,
                         std::optional<std::size_t> zone_offset, std::span<std::uint8_t> buffer)
    : snapshot_(snapshot), query_(query), transport_(transport), writer_(query, buffer) {
  if (zone_offset) {
    zone_at_ = static_cast<std::uint16_t>(kQuestionNameOffset + *zone_offset);
  }
  writer_.set_flags(flag::kAuthoritative);
}

std::optional<std::uint16_t> LocalAnswer::alias(std::uint32_t ttl,
                                                std::span<const std::uint8_t> rdata) {
  writer_.begin_record(Section::kAnswer, owner_at_,
                       {.type = rrtype::kCname, .rrclass = rrclass::kIn, .ttl = ttl});
  const std::size_t target_at = writer_.mark().size;
  writer_.put_plain_name(NameView(rdata));
  if (!writer_.end_record() || target_at + rdata.size() > kMaxPointerOffset) {
    return std::nullopt;
  }
  owner_at_ = static_cast<std::uint16_t>(target_at);
  return owner_at_;
}

void LocalAnswer::set_zone(std::optional<std::uint16_t> zone_at, const StaticRrset* soa) {
  zone_at_ = zone_at;
  soa_ = soa;
}

Outcome LocalAnswer::rrset(const StaticRrset& rrset) {
  const ResponseWriter::Mark start = writer_.mark();
  for (const auto& rdata : rrset.rdata) {
    if (!writer_.add_record(Section::kAnswer, owner_at_,
                            {.type = rrset.type, .rrclass = rrclass::kIn, .ttl = rrset.ttl},
                            rdata)) {
      writer_.rewind(start);
      return truncated();
    }
  }
  return finish();
}

bool LocalAnswer::asks_for_addresses() const {
  return query_.qtype == rrtype::kA || query_.qtype == rrtype::kAaaa ||
         query_.qtype == rrtype::kAny;
}

Outcome LocalAnswer::host(const Snapshot::Host& host, NameView folded) {
  const bool withheld = host.state == Snapshot::NameState::kWithheld;
  const bool any = query_.qtype == rrtype::kAny;
  if (withheld && asks_for_addresses()) {
    return failure(kWithheldError);
  }
  const std::size_t total = host.ipv4.size() / 4 + host.ipv6.size() / 16;
  if (any && total > kMaxRecordsForAny) {
    return hinfo_of_any(host.ttl);
  }
  if (!host.ipv4.empty() && (query_.qtype == rrtype::kA || any)) {
    return finish_or_truncate(
        add_addresses(Section::kAnswer, owner_at_, host.ttl, {rrtype::kA, 4, host.ipv4}));
  }
  if (!host.ipv6.empty() && (query_.qtype == rrtype::kAaaa || any)) {
    return finish_or_truncate(
        add_addresses(Section::kAnswer, owner_at_, host.ttl, {rrtype::kAaaa, 16, host.ipv6}));
  }
  if (host.ports == kNoPorts || !(tells_ports(query_.qtype) || any)) {
    return no_data();
  }
  return ports({.type = any ? rrtype::kSrv : query_.qtype,
                .service = host,
                .service_name = folded,
                .service_at = owner_at_,
                .selection = query_.qtype == rrtype::kHttps
                                 ? PortSelection::of_https_origin(snapshot_.ports(host))
                                 : PortSelection()});
}

Outcome LocalAnswer::below_service(const ServicePlace& place, NameView folded) {
  switch (place.kind) {
    case ServicePlace::Kind::kNotTold:
      return failure(kPortsNotToldError);
    case ServicePlace::Kind::kPorts:
      break;
    default:
      return no_data();
  }
  if (query_.qtype != place.type && query_.qtype != rrtype::kAny) {
    return no_data();
  }
  return ports({.type = place.type,
                .service = place.host,
                .service_name = NameView(folded.octets().subspan(place.offset)),
                .service_at = static_cast<std::uint16_t>(owner_at_ + place.offset),
                .selection = place.selection});
}

Outcome LocalAnswer::ports(const PortsAnswer& wanted) {
  if (wanted.service.ports == kPortsNotTold) {
    return failure(kPortsNotToldError);
  }
  const std::size_t count = wanted.selection.count(snapshot_.ports(wanted.service), wanted.type);
  if (count == 0) {
    return no_data();
  }
  if (wanted.service.state == Snapshot::NameState::kWithheld) {
    return failure(kWithheldError);
  }
  if (query_.qtype == rrtype::kAny && count > kMaxRecordsForAny) {
    return hinfo_of_any(wanted.service.ttl);
  }
  if (!add_port_records(wanted, AddressHints::kGiven)) {
    // Over TCP there is nothing to fall back to, but hints may be left out (RFC 9460 section 7.3).
    if (transport_ != Transport::kTcp) {
      return truncated();
    }
    if (!add_port_records(wanted, AddressHints::kLeftOut)) {
      return failure(kTooManyPortsError);
    }
  }
  // SVCB and HTTPS have them as hints.
  if (wanted.type == rrtype::kSrv) {
    add_addresses_of_target(wanted);
  }
  return finish();
}

// All records or none.
bool LocalAnswer::add_port_records(const PortsAnswer& wanted, AddressHints hints) {
  const ResponseWriter::Mark start = writer_.mark();
  PortRecords records(writer_, owner_at_, wanted.service, wanted.service_name);
  for (const Port& port : snapshot_.ports(wanted.service)) {
    if (wanted.selection.has(port, wanted.type) && !records.add(wanted.type, port, hints)) {
      writer_.rewind(start);
      return false;
    }
  }
  return true;
}

// What whoever reads the answer asks next (RFC 2782). An RRset that does not
// fit is left out, and nothing else is (RFC 2181 section 9).
void LocalAnswer::add_addresses_of_target(const PortsAnswer& wanted) {
  const Snapshot::Host& host = wanted.service;
  for (const AddressSet& set :
       {AddressSet{rrtype::kA, 4, host.ipv4}, AddressSet{rrtype::kAaaa, 16, host.ipv6}}) {
    static_cast<void>(add_addresses(Section::kAdditional, wanted.service_at, host.ttl, set));
  }
}

Outcome LocalAnswer::hinfo_of_any(std::uint32_t ttl) {
  return finish_or_truncate(writer_.add_record(
      Section::kAnswer, owner_at_, {.type = rrtype::kHinfo, .rrclass = rrclass::kIn, .ttl = ttl},
      kHinfoOfAny));
}

Outcome LocalAnswer::pointer(NameView target, std::uint32_t ttl) {
  if (query_.qtype != rrtype::kPtr && query_.qtype != rrtype::kAny) {
    return no_data();
  }
  return finish_or_truncate(writer_.add_record(
      Section::kAnswer, owner_at_, {.type = rrtype::kPtr, .rrclass = rrclass::kIn, .ttl = ttl},
      target.octets()));
}

Outcome LocalAnswer::apex() {
  const std::uint32_t ttl = snapshot_.times().ttl;
  if (query_.qtype == rrtype::kSoa || query_.qtype == rrtype::kAny) {
    return finish_or_truncate(add_soa(Section::kAnswer, ttl));
  }
  if (query_.qtype == rrtype::kNs) {
    writer_.begin_record(Section::kAnswer, owner_at_,
                         {.type = rrtype::kNs, .rrclass = rrclass::kIn, .ttl = ttl});
    writer_.put_pointer(owner_at_);
    return finish_or_truncate(writer_.end_record());
  }
  return no_data();
}

Outcome LocalAnswer::no_data() {
  if (soa_ != nullptr && zone_at_) {
    return finish_or_truncate(add_static_soa(*zone_at_));
  }
  return finish_or_truncate(add_soa(Section::kAuthority, snapshot_.times().soa_minimum));
}

Outcome LocalAnswer::no_name() {
  writer_.set_rcode(rcode::kNxDomain);
  return no_data();
}

Outcome LocalAnswer::failure(const ExtendedError& error) {
  writer_.set_rcode(rcode::kServFail);
  return finish(&error);
}

Outcome LocalAnswer::finish(const ExtendedError* error) {
  const auto rcode = static_cast<std::uint8_t>(writer_.rcode() & flag::kRcodeMask);
  if (is_stale_ && error == nullptr) {
    error = rcode == rcode::kNxDomain ? &kStaleNoNameError : &kStaleError;
  }
  return {.verdict = Verdict::kAnswer, .size = writer_.finish(error), .rcode = rcode};
}

Outcome LocalAnswer::finish_or_truncate(bool fits) {
  if (!fits) {
    // Over TCP there is nothing to fall back to.
    if (transport_ == Transport::kTcp) {
      writer_.set_rcode(rcode::kServFail);
    } else {
      writer_.set_flags(flag::kTruncated);
    }
  }
  return finish();
}

bool LocalAnswer::add_addresses(Section section, std::uint16_t owner_at, std::uint32_t ttl,
                                const AddressSet& set) {
  const ResponseWriter::Mark start = writer_.mark();
  for (std::size_t at = 0; at < set.octets.size(); at += set.octets_each) {
    if (!writer_.add_record(section, owner_at,
                            {.type = set.type, .rrclass = rrclass::kIn, .ttl = ttl},
                            set.octets.subspan(at, set.octets_each))) {
      writer_.rewind(start);
      return false;
    }
  }
  return true;
}

// True without a zone too: then there is no SOA to tell of.
bool LocalAnswer::add_soa(Section section, std::uint32_t ttl) {
  if (!zone_at_) {
    return true;
  }
  writer_.begin_record(section, *zone_at_,
                       {.type = rrtype::kSoa, .rrclass = rrclass::kIn, .ttl = ttl});
  writer_.put_pointer(*zone_at_);
  writer_.put_plain_name(NameView(kMailbox));
  writer_.put_u32(static_cast<std::uint32_t>(snapshot_.number()));
  writer_.put_u32(kSoaRefreshSeconds);
  writer_.put_u32(kSoaRetrySeconds);
  writer_.put_u32(kSoaExpireSeconds);
  writer_.put_u32(snapshot_.times().soa_minimum);
  return writer_.end_record();
}

// RFC 2308 section 3: the TTL of a negative answer is the lesser of the SOA's own and its MINIMUM.
bool LocalAnswer::add_static_soa(std::uint16_t zone_at) {
  const auto& rdata = soa_->rdata.front();
  std::uint32_t minimum = 0;
  for (const std::uint8_t octet : std::span(rdata).last(sizeof minimum)) {
    minimum = minimum << 8U | octet;
  }
  return writer_.add_record(
      Section::kAuthority, zone_at,
      {.type = rrtype::kSoa, .rrclass = rrclass::kIn, .ttl = std::min(soa_->ttl, minimum)}, rdata);
}

}  // namespace meshdns::dns
