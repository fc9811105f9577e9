// The resolver's own table of a benchmark's names, made alike in every run: its hash key is fixed.
#pragma once

#include <memory>

#include "base/result.h"
#include "bench/names_file.h"
#include "resolver/snapshot/snapshot.h"

namespace meshdns::bench {

// Of the zone mesh., ready: every name that is present, with one address of each family.
[[nodiscard]] Result<std::unique_ptr<const dns::Snapshot>> make_local_table(const NamesFile& names);

// Of another zone, ready: every one of the names is somebody else's.
[[nodiscard]] Result<std::unique_ptr<const dns::Snapshot>> make_empty_table();

}  // namespace meshdns::bench
