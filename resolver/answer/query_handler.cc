#include "resolver/answer/query_handler.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/ip_address.h"
#include "resolver/answer/answer_errors.h"
#include "resolver/answer/local_answer.h"
#include "resolver/answer/outcome.h"
#include "resolver/answer/service_place.h"
#include "resolver/answer/special_names.h"
#include "resolver/answer/static_answer.h"
#include "resolver/snapshot/port_lists.h"
#include "resolver/snapshot/reverse_name.h"
#include "resolver/snapshot/snapshot.h"
#include "resolver/snapshot/standing.h"
#include "resolver/snapshot/static_records.h"
#include "resolver/snapshot/zone_set.h"
#include "resolver/wire/name.h"
#include "resolver/wire/protocol.h"
#include "resolver/wire/query.h"
#include "resolver/wire/response_writer.h"
#include "resolver/wire/transport.h"

namespace meshdns::dns {
namespace {

constexpr ExtendedError kNotSupportedError{.code = extended_error::kNotSupported, .text = ""};

constexpr ExtendedError kInvalidTypeError{.code = extended_error::kInvalidQueryType, .text = ""};

constexpr ExtendedError kAliasOfSpecialError{.code = extended_error::kOther,
                                             .text = "an alias of a special name"};

constexpr std::array<std::uint8_t, 4> kLoopback4{127, 0, 0, 1};
constexpr std::array<std::uint8_t, 16> kLoopback6{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
constexpr std::array<std::uint8_t, 11> kLocalhost{9,   'l', 'o', 'c', 'a', 'l',
                                                  'h', 'o', 's', 't', 0};

Outcome error_outcome(const Query& query, std::uint16_t rcode, const ExtendedError* error,
                      std::span<std::uint8_t> buffer) {
  return {.verdict = Verdict::kAnswer,
          .size = write_error(query, rcode, error, buffer),
          .rcode = static_cast<std::uint8_t>(rcode & flag::kRcodeMask)};
}

struct Denial {
  std::uint16_t rcode;
  const ExtendedError* error = nullptr;
};

// What denies a query before its name is looked at; none if nothing does. A client without access
// is told no reason: its address may be forged, and the reply must not be larger than the query.
std::optional<Denial> early_denial(const Query& query, Transport transport, ClientAccess access) {
  if (access == ClientAccess::kRefused) {
    return Denial{rcode::kRefused};
  }
  switch (query.status) {
    case ParseStatus::kOk:
      break;
    case ParseStatus::kNotImp:
      return Denial{rcode::kNotImp, &kNotSupportedError};
    case ParseStatus::kBadVers:
      return Denial{rcode::kBadVers};
    default:
      return Denial{rcode::kFormErr};
  }
  if (query.malformed_keepalive && transport == Transport::kTcp) {
    return Denial{rcode::kFormErr};  // RFC 7828 section 3.2.1
  }
  switch (query.qtype) {
    case 0:  // RFC 6895 section 3.1: no types to ask for
    case rrtype::kOpt:
    case rrtype::kNxName:  // RFC 9824 section 3.5
      return Denial{rcode::kFormErr, &kInvalidTypeError};
    case rrtype::kAxfr:
    case rrtype::kIxfr:
      return Denial{rcode::kRefused, &kNotSupportedError};
    case rrtype::kTkey:
    case rrtype::kTsig:
    case rrtype::kMaila:
    case rrtype::kMailb:
      return Denial{rcode::kNotImp, &kNotSupportedError};
    default:
      return std::nullopt;
  }
}

// Classes whose names nobody upstream should hear of: CHAOS asks a server about itself, the others
// are no data classes.
bool is_local_class(std::uint16_t qclass) {
  return qclass == 0 || qclass == rrclass::kChaos || qclass == rrclass::kNone ||
         qclass == rrclass::kAny;
}

// Answers a name in a zone of names.
Outcome answer_name(const Snapshot& snapshot, const Query& query, const ZoneMatch& owned,
                    LocalAnswer& answer) {
  const std::size_t offset = owned.offset;
  if (offset == 0 && (query.qtype == rrtype::kSoa || query.qtype == rrtype::kNs)) {
    return answer.apex();
  }
  const Snapshot::Host host = snapshot.find(query.name, query.name_hash);
  if (host.is_named()) {
    return answer.host(host, query.name);
  }
  const ServicePlace place = find_service_place(snapshot, query.name, offset);
  if (place.exists()) {
    return answer.below_service(place, query.name);
  }
  if (may_be_instance(snapshot, query.name, *owned.zone)) {
    return answer.failure(kNotReadyError);
  }
  if (host.state == Snapshot::NameState::kEmptyNonTerminal) {
    return answer.no_data();
  }
  return offset == 0 ? answer.apex() : answer.no_name();
}

// Answers a name in the reverse zone of a pool.
Outcome answer_reverse(const Snapshot& snapshot, const Query& query, std::size_t offset,
                       LocalAnswer& answer) {
  if (offset == 0 && (query.qtype == rrtype::kSoa || query.qtype == rrtype::kNs)) {
    return answer.apex();
  }
  const ReverseName reverse = parse_reverse_name(query.name);
  if (reverse.kind == ReverseName::Kind::kAddress) {
    if (const auto pointer = snapshot.find_pointer(reverse.address)) {
      return answer.pointer(pointer->target, pointer->ttl);
    }
  }
  if (offset == 0) {
    return answer.apex();
  }
  return reverse.kind == ReverseName::Kind::kPartial ? answer.no_data() : answer.no_name();
}

Outcome answer_owned(const Snapshot& snapshot, const Query& query, const ZoneMatch& owned,
                     LocalAnswer& answer) {
  return owned.zone->pool ? answer_reverse(snapshot, query, owned.offset, answer)
                          : answer_name(snapshot, query, owned, answer);
}

// The same from names that are old, or not all that are known.
Outcome answer_unsure(const Snapshot& snapshot, const Query& query, const ZoneMatch& owned,
                      LocalAnswer& answer, std::span<std::uint8_t> buffer) {
  const Standing& standing = snapshot.standing();
  if (standing.age == Standing::Age::kExpired) {
    return error_outcome(query, rcode::kServFail, &kExpiredError, buffer);
  }
  if (standing.age == Standing::Age::kStale) {
    answer.mark_stale();
  }
  const Outcome outcome = answer_owned(snapshot, query, owned, answer);
  return !standing.denies && outcome.rcode == rcode::kNxDomain
             ? error_outcome(query, rcode::kServFail, &kNotReadyError, buffer)
             : outcome;
}

Outcome answer_loopback_reverse(const Query& query, std::size_t offset, std::uint32_t ttl,
                                LocalAnswer& answer) {
  if (offset == 0 && (query.qtype == rrtype::kSoa || query.qtype == rrtype::kNs)) {
    return answer.apex();
  }
  const ReverseName reverse = parse_reverse_name(query.name);
  const std::array<IpAddress, 2> loopbacks{IpAddress(kLoopback4), IpAddress(kLoopback6)};
  if (reverse.kind == ReverseName::Kind::kAddress &&
      std::ranges::find(loopbacks, reverse.address) != loopbacks.end()) {
    return answer.pointer(NameView(kLocalhost), ttl);
  }
  if (offset == 0) {
    return answer.apex();
  }
  return reverse.kind == ReverseName::Kind::kPartial ? answer.no_data() : answer.no_name();
}

Outcome answer_special(const Query& query, const SpecialNames::Match& match, const ZoneTimes& times,
                       LocalAnswer& answer) {
  switch (match.action) {
    case SpecialNames::Action::kLoopback:
      return answer.host({.state = Snapshot::NameState::kHost,
                          .ttl = times.ttl,
                          .ipv4 = kLoopback4,
                          .ipv6 = kLoopback6,
                          .ports = kNoPorts},
                         query.name);
    case SpecialNames::Action::kNoName:
      return answer.no_name();
    case SpecialNames::Action::kReverse:
      return answer_loopback_reverse(query, match.offset, times.ttl, answer);
    default:
      return answer.no_data();
  }
}

// Whether a name that a feed gave outside our zones is ours for this type. Others go upstream.
bool is_external_type(std::uint16_t qtype) {
  return qtype == rrtype::kA || qtype == rrtype::kAaaa || qtype == rrtype::kSvcb ||
         qtype == rrtype::kHttps;
}

}  // namespace

QueryHandler::QueryHandler(const Options& options)
    : options_(options), special_names_(options.special_names) {}

void QueryHandler::prepare(const Snapshot& snapshot, std::span<const std::uint8_t> request,
                           Query& parsed) {
  if (parse_query(request, parsed) == ParseStatus::kOk) {
    parsed.name_hash = snapshot.hash(parsed.name);
    snapshot.prefetch(parsed.name_hash);
  }
}

Outcome QueryHandler::handle(const Snapshot& snapshot, std::span<const std::uint8_t> request,
                             Transport transport, ClientAccess access,
                             std::span<std::uint8_t> response, Query& parsed) const {
  prepare(snapshot, request, parsed);
  return respond(snapshot, parsed, transport, access, response);
}

Outcome QueryHandler::respond(const Snapshot& snapshot, Query& query, Transport transport,
                              ClientAccess access, std::span<std::uint8_t> response) const {
  if (query.status == ParseStatus::kDrop) {
    return {};
  }
  assert(response.size() >= kPlainUdpOctets);
  const auto buffer = response.first(
      std::min(response.size(), response_limit(query, transport, options_.max_udp_payload)));
  if (const auto denial = early_denial(query, transport, access)) {
    return error_outcome(query, denial->rcode, denial->error, buffer);
  }
  if (!snapshot.static_records().empty()) {
    if (query.qclass == rrclass::kIn) {
      if (const auto answer = answer_from_static(snapshot, query, transport, buffer)) {
        return answer->verdict == Verdict::kForward ? respond_alias(query, buffer) : *answer;
      }
    } else if (is_in_static_zone(snapshot, query)) {
      return error_outcome(query, rcode::kRefused, &kNotSupportedError, buffer);
    }
  }
  const ZoneMatch owned = snapshot.find_zone(query.name);
  if (owned.zone != nullptr) {
    if (query.qclass != rrclass::kIn) {
      return error_outcome(query, rcode::kRefused, &kNotSupportedError, buffer);
    }
    if (owned.zone->is_shared && snapshot.find(query.name, query.name_hash).is_named()) {
      return respond_outside(snapshot, query, transport, buffer);
    }
    if (owned.zone->is_shared || !owned.zone->ready) {
      return error_outcome(query, rcode::kServFail, &kNotReadyError, buffer);
    }
    LocalAnswer answer(snapshot, query, transport, owned.offset, buffer);
    return snapshot.standing().is_plain() ? answer_owned(snapshot, query, owned, answer)
                                          : answer_unsure(snapshot, query, owned, answer, buffer);
  }
  return respond_outside(snapshot, query, transport, buffer);
}

// An alias that leads to a name of others: upstream knows more, save of names that never leave.
Outcome QueryHandler::respond_alias(const Query& query, std::span<std::uint8_t> buffer) const {
  Name folded;
  folded.assign_folded(query.asked_name());
  if (special_names_.find(folded).action != SpecialNames::Action::kNone) {
    return error_outcome(query, rcode::kServFail, &kAliasOfSpecialError, buffer);
  }
  return {.verdict = Verdict::kForward, .size = 0, .rcode = 0};
}

// A name that no zone of ours holds.
Outcome QueryHandler::respond_outside(const Snapshot& snapshot, const Query& query,
                                      Transport transport, std::span<std::uint8_t> buffer) const {
  const SpecialNames::Match special = special_names_.find(query.name);
  const bool is_special = special.action != SpecialNames::Action::kNone;
  if (query.qclass != rrclass::kIn) {
    return is_special || is_local_class(query.qclass)
               ? error_outcome(query, rcode::kRefused, &kNotSupportedError, buffer)
               : Outcome{.verdict = Verdict::kForward, .size = 0, .rcode = 0};
  }
  const Snapshot::Host host = snapshot.find(query.name, query.name_hash);
  if (host.state != Snapshot::NameState::kAbsent && is_external_type(query.qtype)) {
    if (snapshot.standing().age == Standing::Age::kExpired) {
      return error_outcome(query, rcode::kServFail, &kExpiredError, buffer);
    }
    LocalAnswer answer(snapshot, query, transport, std::nullopt, buffer);
    if (snapshot.standing().age == Standing::Age::kStale) {
      answer.mark_stale();
    }
    return answer.host(host, query.name);
  }
  if (is_special) {
    LocalAnswer answer(snapshot, query, transport, special.offset, buffer);
    return answer_special(query, special, snapshot.times(), answer);
  }
  return {.verdict = Verdict::kForward, .size = 0, .rcode = 0};
}

}  // namespace meshdns::dns
