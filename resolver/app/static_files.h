// Reads zone files (RFC 1035 section 5, by ldns) and hosts files (hosts(5)) into static records.
//
// Control thread. Errors name the file, the line and the reason; a file is taken whole or not at
// all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file_system.h"
#include "base/result.h"
#include "resolver/snapshot/static_records.h"
#include "resolver/snapshot/zone_set.h"

namespace meshdns::dns {

inline constexpr std::size_t kMaxStaticFileBytes = std::size_t{64} << 20U;

// `path` is only named in errors. $ORIGIN and $TTL count, $INCLUDE is refused. A record without TTL
// gets `default_ttl` in seconds. Class IN only.
[[nodiscard]] Result<std::vector<StaticRecord>> parse_zone_file(const std::string& path,
                                                                std::string_view text,
                                                                std::uint32_t default_ttl);
// `ADDRESS NAME...` a line, `#` begins a comment; every name gets the address.
[[nodiscard]] Result<std::vector<StaticRecord>> parse_hosts_file(const std::string& path,
                                                                 std::string_view text,
                                                                 std::uint32_t ttl);

// What files held, by path.
using FileTexts = std::map<std::string, std::string>;

// Of these files, those that can be read now.
[[nodiscard]] FileTexts read_texts(FileSystem& files, std::span<const std::string> paths);

// All files as one table. Besides what the parsers and StaticRecords::create() refuse: a record of
// a zone file that is in no zone, neither of a SOA record in these files nor of `owned`.
[[nodiscard]] Result<std::shared_ptr<const StaticRecords>> load_static_files(
    FileSystem& files, std::span<const std::string> zone_files,
    std::span<const std::string> hosts_files, const ZoneSet& owned, std::uint32_t ttl);
// The same of what the files held before.
[[nodiscard]] Result<std::shared_ptr<const StaticRecords>> load_static_files(
    const FileTexts& texts, std::span<const std::string> zone_files,
    std::span<const std::string> hosts_files, const ZoneSet& owned, std::uint32_t ttl);

}  // namespace meshdns::dns
