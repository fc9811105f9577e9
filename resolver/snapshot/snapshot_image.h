// SnapshotImage: a snapshot's tables as octets, for a file from which the next process answers
// before it knows anything else.
//
//     header    "mdnstabl"  version u32  size u16, fingerprint
//               count u16, marks: size u16, feed  generation u64  octets u64
//               crc32c u32
//     sections  kind u8  octets u32  crc32c u32 of both and payload  payload
//                 1  a list of ports: index u16, count u16, ports: number u16, protocol u8, name
//                 2  names: kind u8, ttl u32, ports u16, name, counts u16 u16, addresses
//                 3  pointers: family u8, address, name
//                 4  the end: names u64, pointers u64
//
// Numbers are those of base/octets.h, names are folded wire form behind a size u8. The hash of a
// name is not in it: each process has a secret of its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/sip_hash.h"
#include "resolver/snapshot/port_lists.h"
#include "resolver/snapshot/snapshot.h"

namespace meshdns::dns {

inline constexpr std::uint32_t kImageVersion = 1;

// How far a feed's log on disk went when the snapshot was made.
struct FeedMark {
  std::string feed;
  std::uint64_t generation = 0;
  std::uint64_t octets = 0;

  friend bool operator==(const FeedMark&, const FeedMark&) = default;
};

// What stands in front of the tables.
struct ImageHead {
  std::string fingerprint;  // of all that the tables depend on beside the feeds
  std::vector<FeedMark> marks;
};

// Tables that a process before this one served. Control thread, as all tables.
struct SnapshotImage {
  std::vector<FeedMark> marks;
  SnapshotTables tables;
  PortListView ports;
  // Whether it has all that was known: what it lacks does not exist.
  bool is_complete = false;
};

using ImageSink = std::function<Result<void>(std::string_view)>;

// Hands the image to `sink` in pieces of some hundred KiB; the first failure of the sink ends it.
// Any thread, while the snapshot lives.
[[nodiscard]] Result<void> write_image(const Snapshot& snapshot, const ImageHead& head,
                                       const ImageSink& sink);

// What `file` holds, filed under `key`. kNotFound: of another fingerprint or version; kCorrupt: no
// image, or not all of one. `https_records` is part of the fingerprint's subject.
[[nodiscard]] Result<std::unique_ptr<SnapshotImage>> read_image(std::string_view file,
                                                                std::string_view fingerprint,
                                                                const HashKey& key,
                                                                HttpsRecords https_records);

// Whether the file is an image of any version, to be replaced by one of ours.
[[nodiscard]] bool is_image(std::string_view head);

}  // namespace meshdns::dns
