// Answers from what an operator wrote: zone files and hosts files, whose records come before those
// of every feed. Follows aliases, and wildcards as RFC 4592 says. Hot path.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "resolver/answer/outcome.h"
#include "resolver/snapshot/snapshot.h"
#include "resolver/wire/query.h"
#include "resolver/wire/transport.h"

namespace meshdns::dns {

// The answer to a query of class IN; nothing where the static records have no say, so that feeds,
// special names and upstream servers decide. kForward where aliases, now the query's, lead to a
// name that nobody here knows.
[[nodiscard]] std::optional<Outcome> answer_from_static(const Snapshot& snapshot, Query& query,
                                                        Transport transport,
                                                        std::span<std::uint8_t> buffer);

// Whether a zone file holds the zone that the name is in, so that it is not forwarded in any class.
[[nodiscard]] bool is_in_static_zone(const Snapshot& snapshot, const Query& query);

}  // namespace meshdns::dns
