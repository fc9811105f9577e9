// KumaMark: whose table it is that is kept on disk, so that the next process need not be sent it
// again. It stands in the feed's log beside the records, under a name that no record can have.
//
// It counts only for exactly the records that it was made of: a log may be older or newer than its
// mark (a process that was killed, a removal that is held down), and then the table is asked for
// as if nothing were kept.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "discovery/service.h"
#include "discovery/xds/held_versions.h"

namespace meshdns::discovery {

struct KumaMark {
  static constexpr std::string_view kName = "/dns";

  std::string listener;  // the resource that had the table; empty: it came from kuma-dp's socket
  std::string version;   // of that resource
  std::string etag;      // of the table
  std::map<std::string, std::string> labels;
  std::size_t names = 0;
  std::uint64_t checksum = 0;  // the sum of those of all records

  friend bool operator==(const KumaMark&, const KumaMark&) = default;

  [[nodiscard]] std::string to_text() const;
  // Nothing when the text is none.
  [[nodiscard]] static std::optional<KumaMark> parse(std::string_view text);
  // Of what the feed's log held at start; nothing where it has none that counts.
  [[nodiscard]] static std::optional<KumaMark> find(const HeldVersions& held);
};

// The sum of those of all records.
[[nodiscard]] std::uint64_t checksum(const std::vector<NameRecord>& records);

}  // namespace meshdns::discovery
