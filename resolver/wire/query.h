// A client's query, parsed in place. Hot path.
//
// A Query holds copies of all it needs: the request's buffer may be reused, even for the response.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "resolver/wire/name.h"
#include "resolver/wire/protocol.h"

namespace meshdns::dns {

// What to do with a request, before looking at what it asks.
enum class ParseStatus : std::uint8_t {
  kOk,
  kDrop,     // shorter than a header, or a response: never answered (RFC 1035, reflection loops)
  kFormErr,  // answer FORMERR, with the question if has_question and OPT if has_edns
  kNotImp,   // an opcode other than QUERY, well-formed or not: answer NOTIMP
  kBadVers,  // EDNS version above 0 (RFC 6891 section 6.1.3): answer BADVERS
};

// An alias of ours that leads to a name which upstream is to be asked for.
struct FollowedAlias {
  std::uint32_t ttl = 0;
  Name target;  // as it was written
};

// Plain value, about 550 octets; reuse one rather than making one per query.
struct Query {
  static constexpr std::size_t kMaxQuestionOctets = kMaxNameOctets + 4;

  ParseStatus status = ParseStatus::kDrop;
  std::uint16_t id = 0;
  std::uint16_t flags = 0;  // the header's second word as sent

  bool has_question = false;
  std::uint16_t qtype = 0;
  std::uint16_t qclass = 0;
  Name name;  // folded; the case as sent is in question()

  bool has_edns = false;
  bool dnssec_ok = false;            // DO (RFC 3225)
  bool malformed_keepalive = false;  // tcp-keepalive with a value: FORMERR over TCP (RFC 7828)
  std::uint8_t edns_version = 0;
  std::uint16_t udp_payload_size = kPlainUdpOctets;  // at least 512 whatever the client says

  std::uint64_t name_hash = 0;  // of `name` under a snapshot's key; filled by answer/

  // From the question's name to the one that upstream is asked for; filled by answer/.
  std::vector<FollowedAlias> aliases = {};

  std::uint16_t question_size = 0;
  std::array<std::uint8_t, kMaxQuestionOctets> question_octets{};

  // The question section octet for octet as sent: name in the client's case, type, class.
  [[nodiscard]] std::span<const std::uint8_t> question() const {
    return {question_octets.data(), question_size};
  }
  // The question's name in the client's case. Only if has_question.
  [[nodiscard]] NameView question_name() const {
    return NameView({question_octets.data(), question_size - 4U});
  }
  // The name to ask upstream for.
  [[nodiscard]] NameView asked_name() const {
    return aliases.empty() ? name.view() : aliases.back().target.view();
  }
  // Makes this the question, in the name's case.
  void assign_question(NameView question_name, std::uint16_t type, std::uint16_t rrclass);
  [[nodiscard]] std::uint8_t opcode() const {
    return static_cast<std::uint8_t>((flags & flag::kOpcodeMask) >> 11U);
  }
  [[nodiscard]] bool recursion_desired() const { return (flags & flag::kRecursionDesired) != 0; }
  [[nodiscard]] bool authentic_data() const { return (flags & flag::kAuthenticData) != 0; }
  [[nodiscard]] bool checking_disabled() const { return (flags & flag::kCheckingDisabled) != 0; }
};

// Parses `request` (any octets, any size) into `query`, whose former content is gone. Returns
// query.status. Linear in the request's size.
//
// Rules beyond RFC 1035: one question, without compression (RFC 9619; nothing lies before it to
// point at); at most one OPT, in the additional section, owned by the root (RFC 6891
// section 6.1.1); options parse to the end, the first of a repeated one counts, unknown ones are
// ignored; a malformed client subnet is FORMERR (RFC 7871 section 7.1.2). Octets after the last
// counted record mean that the counts lie: FORMERR.
ParseStatus parse_query(std::span<const std::uint8_t> request, Query& query);

}  // namespace meshdns::dns
