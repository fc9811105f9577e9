// What goes to an upstream server and what comes back, as wire octets. Hot path.
//
// A reply is never passed through: it is checked against the question and written anew for the
// client (RFC 5625; facts that only hold hop by hop, such as OPT, stay behind).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "resolver/wire/query.h"
#include "resolver/wire/response_writer.h"
#include "resolver/wire/transport.h"

namespace meshdns::dns {

// The query to ask upstream on behalf of `client`: its asked_name() folded, type and class, RD set,
// CD as the client's, AD set whatever the client's (the reply is for whoever asks, and without it a
// server says nothing of what it validated: RFC 6840 sections 5.7 and 5.8), an OPT of our own with
// DO as the client's (RFC 6891 section 6.2.6) and `udp_payload_size`; 0 means no OPT, for servers
// without EDNS. `buffer` needs kMaxUpstreamQueryOctets. Returns its size.
inline constexpr std::size_t kMaxUpstreamQueryOctets =
    kHeaderOctets + Query::kMaxQuestionOctets + kOptOctets;
[[nodiscard]] std::size_t write_upstream_query(const Query& client, std::uint16_t id,
                                               std::uint16_t udp_payload_size,
                                               std::span<std::uint8_t> buffer);

// Whether `reply` answers `client`'s question: QR, opcode QUERY, one question with its asked_name()
// (without case), type and class, and `id` if given (RFC 5452 section 9). Where not, go on waiting.
[[nodiscard]] bool reply_matches(std::span<const std::uint8_t> reply, const Query& client,
                                 std::optional<std::uint16_t> id);

// The rcode of a reply with the upper bits of its OPT, and TC, for the policy that asks the next
// server.
struct ReplyStatus {
  bool parses = false;  // the whole message does
  bool truncated = false;
  bool has_edns = false;
  std::uint16_t rcode = 0;
};
[[nodiscard]] ReplyStatus inspect_reply(std::span<const std::uint8_t> reply);

enum class RebuildStatus : std::uint8_t {
  kOk,         // `size` octets are ready to send
  kNotOurs,    // not the answer to this question
  kMalformed,  // does not parse: as good as no answer
  kTruncated,  // TC, or too large for any message, and the client is on TCP: no answer can be whole
};

struct RebuildResult {
  RebuildStatus status = RebuildStatus::kMalformed;
  std::size_t size = 0;
  std::uint8_t rcode = 0;  // as sent to the client
  bool truncated = false;  // TC was set for the client
};

// What the client's response may be and whom it came from.
struct RebuildOptions {
  Transport transport = Transport::kUdp;
  bool trusted_upstream = false;         // its AD means something (RFC 6840 section 5.8)
  const ExtendedError* error = nullptr;  // to be said beside the answer, where there is room
};

// Writes `reply` for `client` into `buffer`, which ends where the client's response must
// (response_limit()).
//
// Header: id, RD, CD and question of the client, RA=1, AA=0, AD only from a trusted upstream to
// clients that set AD or DO, and not behind an alias of ours, which nobody signed. Records: the
// client's aliases come first; names in RDATA of RFC 1035's types, and of the few types that
// RFC 3597 section 4 adds, are expanded, and like A and AAAA of class IN must have their type's
// form; every other RDATA is kept octet for octet. TTLs with the top bit set are 0 (RFC 2181
// section 8). OPT and TSIG are left out, our OPT is added iff the client had one. An rcode above 15
// becomes SERVFAIL. What does not fit: the answer section goes whole, with TC; so does the
// authority section of an answer without records (its SOA matters); otherwise authority and
// additional are left out in silence (RFC 2181 section 9).
[[nodiscard]] RebuildResult rebuild_reply(std::span<const std::uint8_t> reply, const Query& client,
                                          const RebuildOptions& options,
                                          std::span<std::uint8_t> buffer);

}  // namespace meshdns::dns
