// The cache as text, for /cache and `meshdns cache`.
//
//     # entries 2 bytes 1234 evictions 0
//     NAME TYPE CLASS DO CD LEFT KIND BYTES
//     www.example.org. A IN - - 53 answer 310
//
// One line for each entry, fields apart by a blank: LEFT in seconds, below zero when stale; KIND is
// answer, nodata, nxdomain (of all types: TYPE is "*"), alias-nxdomain or an rcode's number behind
// "failure-". Names are in presentation form (RFC 1035 section 5.1), in lower case.
#pragma once

#include <string>

#include "base/clock.h"
#include "resolver/app/table_dump.h"
#include "resolver/cache/answer_cache.h"

namespace meshdns::dns {

// Made in pieces, between which the cache may change. `cache` outlives them.
[[nodiscard]] Pieces dump_cache(const AnswerCache& cache, TimePoint now);

}  // namespace meshdns::dns
