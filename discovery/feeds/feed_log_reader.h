// One pass over a feed's log: its changes, in order, out of records that can be believed.
//
// It reads by blocks, and has one of those in memory, or a record that is longer. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "base/file_system.h"
#include "base/result.h"
#include "discovery/feeds/feed_log_format.h"

namespace meshdns::discovery {

inline constexpr std::size_t kFeedLogBlockOctets = std::size_t{1} << 18U;

// Where the octets of a log come from.
struct FeedLogSource {
  std::uint64_t octets = 0;  // what is behind them is not looked at
  std::size_t block_octets = kFeedLogBlockOctets;
  // Fills `into` with what stands from an offset on; with less only where that ends.
  std::function<Result<std::size_t>(std::uint64_t offset, std::span<char> into)> read;

  // A file, as long as it is now. `files` outlives the source; whoever replaces the file does not
  // change what it gives.
  [[nodiscard]] static Result<FeedLogSource> open(FileSystem& files, const std::string& path);
};

// What can be said of a log before its changes are.
struct FeedLogSummary {
  FeedLogKind kind = FeedLogKind::kMissing;
  // Of kLog alone.
  std::uint64_t generation = 0;
  std::uint64_t end_offset = 0;  // behind the last record that can be believed
  bool cut = false;              // there is something behind that
  bool whole = false;            // as the log says, of what stands before that
};

// `change` is one that sets or drops; its views live during the call. `offset` is where
// change.octets stand.
using FeedChangeVisitor = std::function<void(const FeedChange& change, std::uint64_t offset)>;

// All changes of a record are visited, or none when it is malformed. An error is one of reading.
[[nodiscard]] Result<FeedLogSummary> read_feed_log(const FeedLogSource& source,
                                                   std::string_view fingerprint,
                                                   const FeedChangeVisitor& visit);

}  // namespace meshdns::discovery
