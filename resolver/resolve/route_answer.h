// What a client is told of a name whose route leads nowhere (route_table.h): no server is asked.
#pragma once

#include <cstdint>
#include <span>

#include "resolver/forward/route_table.h"
#include "resolver/wire/query.h"
#include "resolver/wire/upstream_reply.h"

namespace meshdns::dns {

// How long a denial by a route may be kept by clients: it may be gone at the next reload.
inline constexpr std::uint32_t kRouteSoaSeconds = 30;

// Whether `route` leaves this question without servers.
[[nodiscard]] bool is_answered_by(const RouteTable::Match& route, const Query& query);

// Writes what is_answered_by() was true for into `buffer`, as rebuild_reply() does: REFUSED, or
// NXDOMAIN or NODATA with an SOA of the route's suffix (RFC 2308 section 2), each with the extended
// error 15, Blocked (RFC 8914 section 4.16). Not AA: the zone is not ours.
[[nodiscard]] RebuildResult write_route_answer(const RouteTable::Match& route, const Query& query,
                                               RebuildOptions options,
                                               std::span<std::uint8_t> buffer);

}  // namespace meshdns::dns
