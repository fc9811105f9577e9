// The resolver's own table of a benchmark's names, made alike in every run: its hash key and its
// addresses are fixed. It owns the zones that a resolver's table owns by default, those of the way
// back from its virtual addresses included.
#pragma once

#include <memory>

#include "base/result.h"
#include "bench/names_file.h"
#include "resolver/snapshot/snapshot.h"

namespace meshdns::bench {

// Of the zone mesh., ready: every name that is present, with one address of each family that it is
// expected to have. An address that `names` leaves free becomes one of the virtual addresses, and
// is expected from then on.
[[nodiscard]] Result<std::unique_ptr<const dns::Snapshot>> make_local_table(NamesFile& names);

// Of another zone, ready: every one of the names is somebody else's.
[[nodiscard]] Result<std::unique_ptr<const dns::Snapshot>> make_empty_table();

}  // namespace meshdns::bench
