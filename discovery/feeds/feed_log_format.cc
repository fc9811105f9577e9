#include "discovery/feeds/feed_log_format.h"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/crc32c.h"
#include "base/octets.h"

namespace meshdns::discovery {
namespace {

constexpr std::string_view kMagic = "mdnsfeed";
constexpr std::size_t kRecordHeadOctets = 8;
constexpr std::size_t kLargePayload = std::size_t{1} << 20U;

enum class Change : std::uint8_t { kSet = 1, kDrop = 2, kWhole = 3 };

struct Header {
  FeedLogKind kind = FeedLogKind::kMissing;
  std::uint64_t generation = 0;
  std::size_t octets = 0;
};

Header parse_header(std::string_view file, std::string_view fingerprint) {
  OctetReader reader(file);
  const std::string_view magic = reader.take(kMagic.size());
  if (!reader.ok()) {
    // Nothing, or what a writer left that was killed at once.
    return {.kind = kMagic.starts_with(file) ? FeedLogKind::kMissing : FeedLogKind::kForeign};
  }
  if (magic != kMagic) {
    return {.kind = FeedLogKind::kForeign};
  }
  const auto version = reader.number<std::uint32_t>();
  if (reader.ok() && version != kFeedLogVersion) {
    return {.kind = FeedLogKind::kOtherVersion};
  }
  const auto generation = reader.number<std::uint64_t>();
  const std::string_view theirs = reader.text<std::uint16_t>();
  const std::size_t checked = file.size() - reader.left();
  const auto checksum = reader.number<std::uint32_t>();
  if (!reader.ok() || crc32c(file.substr(0, checked)) != checksum) {
    return {.kind = FeedLogKind::kMissing};
  }
  return {.kind = theirs == fingerprint ? FeedLogKind::kLog : FeedLogKind::kOther,
          .generation = generation,
          .octets = checked + sizeof(checksum)};
}

// What is held while records are read: in order of arrival, with holes.
class Replay {
 public:
  // Takes all changes of a payload, or none when it is malformed.
  [[nodiscard]] bool take(std::string_view payload) {
    for (const bool apply : {false, true}) {
      OctetReader reader(payload);
      while (reader.ok() && !reader.at_end()) {
        if (!take_change(reader, apply)) {
          return false;
        }
      }
    }
    return true;
  }
  [[nodiscard]] std::vector<FeedLogContents::Held> held() && {
    std::erase_if(held_, [](const auto& entry) { return entry.name.data() == nullptr; });
    return std::move(held_);
  }
  [[nodiscard]] bool whole() const { return whole_; }

 private:
  [[nodiscard]] bool take_change(OctetReader& reader, bool apply) {
    const auto change = static_cast<Change>(reader.number<std::uint8_t>());
    if (change == Change::kWhole) {
      const auto whole = reader.number<std::uint8_t>();
      whole_ = apply ? whole == 1 : whole_;
      return reader.ok() && whole <= 1;
    }
    if (change != Change::kSet && change != Change::kDrop) {
      return false;
    }
    FeedLogContents::Held entry{.name = reader.text<std::uint16_t>(), .version = {}, .value = {}};
    if (change == Change::kSet) {
      entry.version = reader.text<std::uint16_t>();
      entry.value = reader.text<std::uint32_t>();
    }
    if (!reader.ok() || entry.name.empty()) {
      return false;
    }
    if (apply && change == Change::kSet) {
      set(entry);
    } else if (apply) {
      drop(entry.name);
    }
    return true;
  }
  void set(const FeedLogContents::Held& entry) {
    const auto [place, is_new] = places_.try_emplace(entry.name, held_.size());
    if (is_new) {
      held_.push_back(entry);
    } else {
      held_[place->second] = entry;
    }
  }
  void drop(std::string_view name) {
    if (const auto place = places_.find(name); place != places_.end()) {
      held_[place->second] = {};
      places_.erase(place);
    }
  }

  std::vector<FeedLogContents::Held> held_;
  std::unordered_map<std::string_view, std::size_t> places_;
  bool whole_ = false;
};

}  // namespace

void append_feed_header(std::string_view fingerprint, std::uint64_t generation, std::string& out) {
  std::string header(kMagic);
  append_number(header, kFeedLogVersion);
  append_number(header, generation);
  append_text<std::uint16_t>(header, fingerprint);
  append_number(header, crc32c(header));
  out += header;
}

void FeedRecords::set(std::string_view name, std::string_view version, std::string_view value) {
  constexpr std::size_t kMaxText = std::numeric_limits<std::uint16_t>::max();
  if (name.empty() || name.size() > kMaxText ||
      value.size() > std::numeric_limits<std::uint32_t>::max() / 2) {
    return;
  }
  append_number(payload_, static_cast<std::uint8_t>(Change::kSet));
  append_text<std::uint16_t>(payload_, name);
  append_text<std::uint16_t>(payload_, version.size() > kMaxText ? std::string_view() : version);
  append_text<std::uint32_t>(payload_, value);
  seal_if_large();
}

void FeedRecords::drop(std::string_view name) {
  if (name.empty() || name.size() > std::numeric_limits<std::uint16_t>::max()) {
    return;
  }
  append_number(payload_, static_cast<std::uint8_t>(Change::kDrop));
  append_text<std::uint16_t>(payload_, name);
  seal_if_large();
}

void FeedRecords::say_whole(bool whole) {
  append_number(payload_, static_cast<std::uint8_t>(Change::kWhole));
  append_number(payload_, static_cast<std::uint8_t>(whole ? 1 : 0));
}

std::string FeedRecords::take() {
  seal();
  return std::exchange(records_, {});
}

void FeedRecords::seal_if_large() {
  if (payload_.size() >= kLargePayload) {
    seal();
  }
}

void FeedRecords::seal() {
  if (payload_.empty()) {
    return;
  }
  std::string sealed;
  append_number(sealed, static_cast<std::uint32_t>(payload_.size()));
  const std::uint32_t checksum = crc32c(sealed + payload_);
  append_number(sealed, checksum);
  records_ += sealed;
  records_ += payload_;
  payload_.clear();
}

FeedLogContents parse_feed_log(std::string_view file, std::string_view fingerprint) {
  FeedLogContents contents;
  const Header header = parse_header(file, fingerprint);
  contents.kind = header.kind;
  if (header.kind != FeedLogKind::kLog) {
    return contents;
  }
  contents.generation = header.generation;
  contents.end_offset = header.octets;
  Replay replay;
  std::string checked;
  while (contents.end_offset < file.size()) {
    OctetReader reader(file.substr(contents.end_offset));
    const std::string_view size = reader.take(sizeof(std::uint32_t));
    const auto octets = OctetReader(size).number<std::uint32_t>();
    const auto checksum = reader.number<std::uint32_t>();
    const std::string_view payload = reader.take(octets);
    if (!reader.ok() || payload.empty()) {
      break;
    }
    checked.assign(size);
    checked += payload;
    if (crc32c(checked) != checksum || !replay.take(payload)) {
      break;
    }
    contents.end_offset += kRecordHeadOctets + payload.size();
  }
  contents.cut = contents.end_offset < file.size();
  contents.whole = replay.whole();
  contents.held = std::move(replay).held();
  return contents;
}

std::uint64_t feed_log_generation(std::string_view head, std::string_view fingerprint) {
  const Header header = parse_header(head, fingerprint);
  return header.kind == FeedLogKind::kLog ? header.generation : 0;
}

}  // namespace meshdns::discovery
