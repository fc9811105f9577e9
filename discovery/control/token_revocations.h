// The tokens that are no good any more: a file with the id (`jti`) of one in each line. Empty lines
// and those that begin with '#' are passed over.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <string_view>

#include "base/file_system.h"
#include "base/result.h"

namespace meshdns::discovery {

using TokenIds = std::set<std::string, std::less<>>;

[[nodiscard]] TokenIds parse_revocations(std::string_view text);

// The text of the file; empty where it is missing.
[[nodiscard]] Result<std::string> read_revocations(FileSystem& files, const std::string& path);

// Adds one, durably. Whoever calls it holds the lock of the folder, which is there.
[[nodiscard]] Result<void> add_revocation(FileSystem& files, const std::string& path,
                                          const std::string& id);

}  // namespace meshdns::discovery
