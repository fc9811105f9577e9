// The names that a benchmark asks for, and what each should be answered with.
//
// One name a line: NAME, IPV4 and IPV6, separated by spaces; the name as text with dots and without
// escapes. An address is the one that the answer must hold; "*": any; "-": none of that family
// (NODATA); both "-": the name does not exist (NXDOMAIN).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ip_address.h"
#include "base/result.h"

namespace meshdns::bench {

struct ExpectedAddress {
  enum class Rule : std::uint8_t { kNone, kAny, kExactly } rule = Rule::kNone;
  IpAddress address;  // kExactly only
};

struct BenchName {
  std::vector<std::uint8_t> wire;  // with the root label, at most 255 octets
  ExpectedAddress ipv4;
  ExpectedAddress ipv6;
};

struct NamesFile {
  std::vector<BenchName> present;
  std::vector<BenchName> absent;
};

// The wire form of a dotted name (RFC 1035 §3.1), nothing where it has none.
[[nodiscard]] std::optional<std::vector<std::uint8_t>> name_to_wire(std::string_view text);

// Fails with path and line at the first line that is wrong, and when no name is present.
[[nodiscard]] Result<NamesFile> read_names_file(const std::string& path);

}  // namespace meshdns::bench
