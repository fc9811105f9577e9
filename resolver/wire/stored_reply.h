// An upstream's reply in the form in which it is kept, and how a client's response is made of it.
// Hot path.
//
// One form serves replies that have just come, cached and stale ones: so what reaches a client does
// not depend on which of them it is, but for TTLs and an extended error.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "resolver/wire/protocol.h"
#include "resolver/wire/query.h"
#include "resolver/wire/upstream_reply.h"

namespace meshdns::dns {

// The whole message as over TCP, without OPT. Its header has id 0, and AD as upstream said it; its
// question is in upstream's case.
struct StoredReply {
  std::vector<std::uint8_t> message;
  std::vector<std::uint16_t> ttl_offsets;  // in `message`, of every record

  [[nodiscard]] std::uint16_t rcode() const { return message[3] & flag::kRcodeMask; }
};

// What a reply says, in the words of RFC 2308.
enum class ReplyKind : std::uint8_t {
  kAnswer,      // NOERROR with the records asked for, or with the alias that leads on
  kNoData,      // NOERROR without
  kNoSuchName,  // NXDOMAIN for the question's name itself
  kNoTarget,    // NXDOMAIN for what an alias of the question's name leads to
  kFailure,     // any other rcode: no answer to the question
};

struct ReplyFacts {
  ReplyKind kind = ReplyKind::kFailure;
  // How long it may be kept, in seconds: the least TTL of the answer section, of a denial with SOA
  // the lesser of its TTL and MINIMUM (RFC 2308 section 5); nothing for a denial without SOA and
  // for failures.
  std::optional<std::uint32_t> ttl;
};

struct StoreResult {
  RebuildStatus status = RebuildStatus::kMalformed;
  ReplyFacts facts;  // only for kOk
};

// Writes `reply` to `client`'s question in the stored form into `stored`, whose former content is
// gone. Any status but kOk means that there is nothing in it. `scratch` has kMaxMessageOctets.
[[nodiscard]] StoreResult store_reply(std::span<const std::uint8_t> reply, const Query& client,
                                      std::span<std::uint8_t> scratch, StoredReply& stored);

// Raises and lowers every TTL to these bounds.
void clamp_ttls(StoredReply& stored, std::uint32_t least, std::uint32_t most);

// What the client sees of a stored reply's TTLs, in seconds.
struct TtlView {
  std::uint32_t age = 0;                                // taken off, down to 0
  std::optional<std::uint32_t> at_most = std::nullopt;  // for stale answers (RFC 8767 section 4)
};

// Writes the response to `client`, whose asked_name() is the stored question's name; where the
// reply says that there is no such name, the type may be another. Rules as for rebuild_reply().
// `stored` is of no more use afterwards.
[[nodiscard]] RebuildResult write_stored_reply(StoredReply& stored, const TtlView& ttl,
                                               const Query& client, const RebuildOptions& options,
                                               std::span<std::uint8_t> buffer);

}  // namespace meshdns::dns
