// The octets of a feed's log on disk: what a feed took, in the order in which it was told.
//
//     header   "mdnsfeed"  version u32  generation u64  size u16, fingerprint  crc32c u32
//     record   octets u32  crc32c u32 of octets and payload  payload
//     payload  any number of changes:
//                1  name, version, value     the feed holds this
//                2  name                     it does not any more
//                3  whole u8                 whether what stands before is all there is
//
// Names and versions stand behind a size u16, values behind a size u32; see base/octets.h. A log
// that lost its end still is what the feed held some time before.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "discovery/service.h"

namespace meshdns::discovery {

inline constexpr std::uint32_t kFeedLogVersion = 1;

// `fingerprint` says what the log depends on, `generation` is another for each file.
void append_feed_header(std::string_view fingerprint, std::uint64_t generation, std::string& out);

// Makes records of changes.
class FeedRecords {
 public:
  // A name that is too long for the format is left out, a version becomes unknown.
  void set(const AcceptedResource& resource) {
    set(resource.name, resource.version, resource.value);
  }
  void set(std::string_view name, std::string_view version, std::string_view value);
  void drop(std::string_view name);
  void say_whole(bool whole);

  [[nodiscard]] bool empty() const { return records_.empty() && payload_.empty(); }
  // All records since the last take().
  [[nodiscard]] std::string take();

 private:
  void seal_if_large();
  void seal();

  std::string records_;
  std::string payload_;  // not sealed yet
};

// One change of a payload. Views live as long as that.
struct FeedChange {
  enum class Kind : std::uint8_t { kSet = 1, kDrop = 2, kWhole = 3 };

  Kind kind = Kind::kWhole;
  std::string_view name{};
  std::string_view version{};  // of kSet
  std::string_view value{};    // of kSet
  bool whole = false;          // of kWhole
  std::string_view octets{};   // all of it, as it stands there

  // The next one; nothing where it is malformed.
  [[nodiscard]] static std::optional<FeedChange> take(std::string_view& payload);
};

enum class FeedLogKind : std::uint8_t {
  kLog,
  kMissing,       // there is no file, or it ends within its header
  kForeign,       // no log at all
  kOtherVersion,  // of another program version
  kOther,         // of another fingerprint
};

struct FeedLogHeader {
  FeedLogKind kind = FeedLogKind::kMissing;
  // Of kLog alone.
  std::uint64_t generation = 0;
  std::size_t octets = 0;
};

// `head`: the first octets of a file, as many of these as there are.
inline constexpr std::size_t kMaxFeedHeaderOctets = 64UL * 1024 + 64;
[[nodiscard]] FeedLogHeader parse_feed_header(std::string_view head, std::string_view fingerprint);

struct FeedRecordHead {
  static constexpr std::size_t kOctets = 8;

  std::uint32_t payload_octets = 0;
  std::uint32_t checksum = 0;

  // Nothing where `octets` are fewer.
  [[nodiscard]] static std::optional<FeedRecordHead> parse(std::string_view octets);
  [[nodiscard]] bool fits(std::string_view payload) const;
};

}  // namespace meshdns::discovery
