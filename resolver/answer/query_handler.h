// Turns a request into an answer, or says that it must be forwarded. Bytes in, verdict out; no I/O.
// Hot path.
//
// What it answers itself: names inside the snapshot's owned zones (whatever their type and class),
// names that a feed gave outside of them (A, AAAA, SVCB, HTTPS), the special names of RFC 6761,
// 6303, 7686 and 9462, and every request that is malformed, refused or not implemented.
//
// Decisions:
//  - An owned zone's SOA and NS are made up as RFC 6303 section 3 does for local zones: both name
//  the zone itself, the
//    mailbox is nobody.invalid. So the NS target exists and nothing below the zone is taken away
//    from services.
//  - SOA in negative answers: owner is the zone, TTL and MINIMUM are the snapshot's soa_minimum
//  (RFC 2308).
//  - A reverse zone exists at every octet (nibble) boundary between its apex and full addresses:
//  NODATA there, whether or
//    not an address below is leased. A full address without a lease is NXDOMAIN.
//  - ANY gives one RRset, or HINFO where the name has many addresses (RFC 8482).
//  - An RRset that does not fit is left out whole, with TC.
//
// Immutable after construction: one may serve all workers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "resolver/answer/outcome.h"
#include "resolver/answer/special_names.h"
#include "resolver/snapshot/snapshot.h"
#include "resolver/wire/protocol.h"
#include "resolver/wire/query.h"
#include "resolver/wire/response_writer.h"
#include "resolver/wire/transport.h"

namespace meshdns::dns {

enum class ClientAccess : std::uint8_t { kAllowed, kRefused };

class QueryHandler {
 public:
  struct Options {
    std::uint16_t max_udp_payload = kOurUdpPayloadOctets;  // at least 512
    SpecialNames::Options special_names;
  };

  explicit QueryHandler(const Options& options);

  // Parses `request` and answers it into `response`, which has at least 512 octets (65535 for TCP,
  // so that the answer is whole) and may be the request's own buffer. `parsed` is filled in any
  // case.
  Outcome handle(const Snapshot& snapshot, std::span<const std::uint8_t> request,
                 Transport transport, ClientAccess access, std::span<std::uint8_t> response,
                 Query& parsed) const;

  // handle() in two steps, for batches: first prepare() each request, which fetches what the
  // look-up will read, then respond() to each, with the same snapshot.
  static void prepare(const Snapshot& snapshot, std::span<const std::uint8_t> request,
                      Query& parsed);
  [[nodiscard]] Outcome respond(const Snapshot& snapshot, Query& query, Transport transport,
                                ClientAccess access, std::span<std::uint8_t> response) const;

 private:
  [[nodiscard]] Outcome respond_alias(const Query& query, std::span<std::uint8_t> buffer) const;
  [[nodiscard]] Outcome respond_outside(const Snapshot& snapshot, const Query& query,
                                        Transport transport, std::span<std::uint8_t> buffer) const;

  Options options_;
  SpecialNames special_names_;
};

}  // namespace meshdns::dns
