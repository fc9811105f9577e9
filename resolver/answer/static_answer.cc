#include "resolver/answer/static_answer.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "resolver/answer/answer_errors.h"
#include "resolver/answer/local_answer.h"
#include "resolver/answer/outcome.h"
#include "resolver/answer/service_place.h"
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

// More are a loop, or as good as one.
constexpr std::size_t kMaxAliases = 8;
constexpr ExtendedError kAliasLoopError{.code = extended_error::kOther, .text = "too many aliases"};

// What there is under one name, in all sources.
struct Place {
  ZoneMatch zone;  // the innermost that holds it
  bool static_zone = false;
  const StaticNode* node = nullptr;
  Snapshot::Host host;
  ServicePlace below_service;
  // Whether feeds may yet tell of it.
  bool is_open = false;

  // Whether nobody here knows of it, nor ever will.
  [[nodiscard]] bool is_foreign() const {
    return zone.zone == nullptr && node == nullptr && host.state == Snapshot::NameState::kAbsent;
  }
  [[nodiscard]] bool exists() const {
    return node != nullptr || host.state != Snapshot::NameState::kAbsent ||
           below_service.exists() || (zone.zone != nullptr && zone.offset == 0);
  }
};

Place find_place(const Snapshot& snapshot, NameView folded, std::uint64_t hash) {
  Place place;
  const ZoneMatch fixed = snapshot.static_records().zones().find(folded);
  place.zone = snapshot.find_zone(folded);
  // The longer suffix is the inner zone; a zone file's word counts where both are the same.
  if (fixed.zone != nullptr && (place.zone.zone == nullptr || fixed.offset <= place.zone.offset)) {
    place.zone = fixed;
    place.static_zone = true;
  }
  place.node = snapshot.static_records().find(folded);
  place.host = snapshot.find(folded, hash);
  if (!place.host.is_named() && place.zone.zone != nullptr) {
    place.below_service = find_service_place(snapshot, folded, place.zone.offset);
  }
  if (place.zone.zone != nullptr) {
    const bool is_absent = !place.host.is_named() && !place.below_service.exists();
    place.is_open = !place.zone.zone->ready ||
                    (is_absent && may_be_instance(snapshot, folded, *place.zone.zone)) ||
                    (is_absent && !snapshot.standing().denies && !place.static_zone &&
                     place.host.state == Snapshot::NameState::kAbsent && place.zone.offset != 0);
  }
  return place;
}

// The wildcard that stands for a name which does not exist: below its closest encloser, and nowhere
// else (RFC 4592 section 3.3.1).
const StaticNode* find_wildcard(const Snapshot& snapshot, NameView folded, const Place& place) {
  if (!snapshot.static_records().has_wildcards() || place.zone.zone == nullptr) {
    return nullptr;
  }
  const std::size_t zone_size = place.zone.zone->name.size();
  NameView encloser = folded.parent();
  const auto exists = [&snapshot, zone_size](NameView name) {
    return snapshot.static_records().find(name) != nullptr ||
           snapshot.find(name, snapshot.hash(name)).state != Snapshot::NameState::kAbsent ||
           find_service_place(snapshot, name, name.size() - zone_size).exists();
  };
  while (encloser.size() > zone_size && !exists(encloser)) {
    encloser = encloser.parent();
  }
  // An encloser lacks a label of the name, so that this one takes its place.
  std::array<std::uint8_t, kMaxNameOctets> octets{1, '*'};
  std::ranges::copy(encloser.octets(), octets.begin() + 2);
  return snapshot.static_records().find(NameView(std::span(octets).first(encloser.size() + 2)));
}

// Walks from the question's name over aliases to the name that has the answer.
class StaticWalk {
 public:
  StaticWalk(const Snapshot& snapshot, Query& query, Transport transport,
             std::span<std::uint8_t> buffer)
      : snapshot_(snapshot),
        query_(query),
        answer_(snapshot, query, transport, std::nullopt, buffer) {}

  // Nothing when the first name has nothing to do with static records.
  [[nodiscard]] std::optional<Outcome> run() {
    Place place = find_place(snapshot_, query_.name, query_.name_hash);
    const StaticNode* node = node_of(place, query_.name);
    if (!has_say(place, node)) {
      return std::nullopt;
    }
    Name current;
    current.assign(query_.name);
    std::array<const StaticRrset*, kMaxAliases + 1> followed{};
    for (std::size_t aliases = 0; aliases <= kMaxAliases; ++aliases) {
      const StaticRrset* const cname = alias_of(node);
      if (cname == nullptr) {
        return place.is_foreign() || !answers_here(place)
                   ? forward(std::span(followed).first(aliases))
                   : answer(place, node, aliases == 0 ? query_.name.view() : current.view());
      }
      followed[aliases] = cname;
      const auto target_at = answer_.alias(cname->ttl, cname->rdata.front());
      if (!target_at) {
        return answer_.truncated();
      }
      current.assign_folded(NameView(cname->rdata.front()));
      place = find_place(snapshot_, current, snapshot_.hash(current));
      node = node_of(place, current);
    }
    return answer_.failure(kAliasLoopError);
  }

 private:
  [[nodiscard]] const StaticNode* node_of(const Place& place, NameView folded) const {
    return place.exists() || place.is_open ? place.node : find_wildcard(snapshot_, folded, place);
  }

  // Whether static records decide about the question's name.
  [[nodiscard]] bool has_say(const Place& place, const StaticNode* node) const {
    if (place.static_zone) {
      return true;
    }
    if (node == nullptr) {
      return false;
    }
    if (place.zone.zone == nullptr) {  // a hosts file's name, of no zone of ours
      return answer_.asks_for_addresses() && query_.qtype != rrtype::kAny
                 ? node->decides_addresses()
                 : query_.qtype == rrtype::kHttps || query_.qtype == rrtype::kSvcb;
    }
    return alias_of(node) != nullptr || node->find(query_.qtype) != nullptr ||
           (asks_for_hosts() && node->decides_addresses()) ||
           (query_.qtype == rrtype::kAny && !node->rrsets().empty()) ||
           (place.host.state == Snapshot::NameState::kAbsent && !place.is_open);
  }

  // Whether services and records may have an answer for the type.
  [[nodiscard]] bool asks_for_hosts() const {
    return answer_.asks_for_addresses() || tells_ports(query_.qtype);
  }

  [[nodiscard]] const StaticRrset* alias_of(const StaticNode* node) const {
    return node == nullptr || query_.qtype == rrtype::kCname || query_.qtype == rrtype::kAny
               ? nullptr
               : node->find(rrtype::kCname);
  }

  // Whether a name of no zone of ours, which a hosts file or a feed gives addresses, has all that
  // is asked for.
  [[nodiscard]] bool answers_here(const Place& place) const {
    return place.zone.zone != nullptr || answer_.asks_for_addresses() ||
           query_.qtype == rrtype::kHttps || query_.qtype == rrtype::kSvcb;
  }

  [[nodiscard]] Outcome forward(std::span<const StaticRrset* const> followed) {
    for (const StaticRrset* const cname : followed) {
      FollowedAlias alias{.ttl = cname->ttl, .target = {}};
      alias.target.assign(NameView(cname->rdata.front()));
      query_.aliases.push_back(alias);
    }
    return {.verdict = Verdict::kForward, .size = 0, .rcode = 0};
  }

  // What the current name, whose records are `node`'s, answers itself.
  [[nodiscard]] Outcome answer(const Place& place, const StaticNode* node, NameView folded) {
    set_zone(place);
    if (node != nullptr) {
      const StaticRrset* const rrset = query_.qtype == rrtype::kAny && !node->rrsets().empty()
                                           ? node->rrsets().data()
                                           : node->find(query_.qtype);
      if (rrset != nullptr) {
        return answer_.rrset(*rrset);
      }
    }
    const bool is_open_to_feeds = node == nullptr || !node->decides_addresses();
    const bool has_host = is_open_to_feeds && asks_for_hosts() && place.host.is_named();
    const bool has_service = is_open_to_feeds && place.below_service.exists();
    if (has_host || has_service) {
      const Standing::Age age = snapshot_.standing().age;
      if (age == Standing::Age::kExpired) {
        return answer_.failure(kExpiredError);
      }
      if (age == Standing::Age::kStale) {
        answer_.mark_stale();
      }
    }
    if (has_host) {
      return answer_.host(place.host, folded);
    }
    if (place.is_open && is_open_to_feeds) {
      return answer_.failure(kNotReadyError);
    }
    if (place.zone.zone != nullptr && place.zone.offset == 0 && !place.static_zone) {
      return answer_.apex();
    }
    if (has_service) {
      return answer_.below_service(place.below_service, folded);
    }
    return node != nullptr || place.exists() ? answer_.no_data() : answer_.no_name();
  }

  void set_zone(const Place& place) {
    if (place.zone.zone == nullptr) {
      return;
    }
    const StaticRrset* soa = nullptr;
    if (place.static_zone) {
      soa = snapshot_.static_records().find(place.zone.zone->name)->find(rrtype::kSoa);
    }
    answer_.set_zone(static_cast<std::uint16_t>(answer_.owner_at() + place.zone.offset), soa);
  }

  const Snapshot& snapshot_;
  Query& query_;
  LocalAnswer answer_;
};

}  // namespace

std::optional<Outcome> answer_from_static(const Snapshot& snapshot, Query& query,
                                          Transport transport, std::span<std::uint8_t> buffer) {
  return StaticWalk(snapshot, query, transport, buffer).run();
}

bool is_in_static_zone(const Snapshot& snapshot, const Query& query) {
  const ZoneMatch fixed = snapshot.static_records().zones().find(query.name);
  return fixed.zone != nullptr;
}

}  // namespace meshdns::dns
