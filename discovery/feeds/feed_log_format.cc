#include "discovery/feeds/feed_log_format.h"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/crc32c.h"
#include "base/octets.h"

namespace meshdns::discovery {
namespace {

constexpr std::string_view kMagic = "mdnsfeed";
constexpr std::size_t kLargePayload = std::size_t{1} << 20U;

std::uint32_t checksum_of(std::string_view size, std::string_view payload) {
  return crc32c(payload, crc32c(size));
}

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
  append_number(payload_, static_cast<std::uint8_t>(FeedChange::Kind::kSet));
  append_text<std::uint16_t>(payload_, name);
  append_text<std::uint16_t>(payload_, version.size() > kMaxText ? std::string_view() : version);
  append_text<std::uint32_t>(payload_, value);
  seal_if_large();
}

void FeedRecords::drop(std::string_view name) {
  if (name.empty() || name.size() > std::numeric_limits<std::uint16_t>::max()) {
    return;
  }
  append_number(payload_, static_cast<std::uint8_t>(FeedChange::Kind::kDrop));
  append_text<std::uint16_t>(payload_, name);
  seal_if_large();
}

void FeedRecords::say_whole(bool whole) {
  append_number(payload_, static_cast<std::uint8_t>(FeedChange::Kind::kWhole));
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
  append_number(sealed, checksum_of(sealed, payload_));
  records_ += sealed;
  records_ += payload_;
  payload_.clear();
}

FeedLogHeader parse_feed_header(std::string_view head, std::string_view fingerprint) {
  OctetReader reader(head);
  const std::string_view magic = reader.take(kMagic.size());
  if (!reader.ok()) {
    // Nothing, or what a writer left that was killed at once.
    return {.kind = kMagic.starts_with(head) ? FeedLogKind::kMissing : FeedLogKind::kForeign};
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
  const std::size_t checked = head.size() - reader.left();
  const auto checksum = reader.number<std::uint32_t>();
  if (!reader.ok() || crc32c(head.substr(0, checked)) != checksum) {
    return {.kind = FeedLogKind::kMissing};
  }
  if (theirs != fingerprint) {
    return {.kind = FeedLogKind::kOther};
  }
  return {
      .kind = FeedLogKind::kLog, .generation = generation, .octets = checked + sizeof(checksum)};
}

std::optional<FeedChange> FeedChange::take(std::string_view& payload) {
  OctetReader reader(payload);
  FeedChange change;
  change.kind = static_cast<Kind>(reader.number<std::uint8_t>());
  switch (change.kind) {
    case Kind::kSet:
      change.name = reader.text<std::uint16_t>();
      change.version = reader.text<std::uint16_t>();
      change.value = reader.text<std::uint32_t>();
      break;
    case Kind::kDrop:
      change.name = reader.text<std::uint16_t>();
      break;
    case Kind::kWhole: {
      const auto whole = reader.number<std::uint8_t>();
      if (whole > 1) {
        return std::nullopt;
      }
      change.whole = whole == 1;
      break;
    }
    default:
      return std::nullopt;
  }
  if (!reader.ok() || (change.kind != Kind::kWhole && change.name.empty())) {
    return std::nullopt;
  }
  change.octets = payload.substr(0, payload.size() - reader.left());
  payload.remove_prefix(change.octets.size());
  return change;
}

std::optional<FeedRecordHead> FeedRecordHead::parse(std::string_view octets) {
  OctetReader reader(octets);
  FeedRecordHead head;
  head.payload_octets = reader.number<std::uint32_t>();
  head.checksum = reader.number<std::uint32_t>();
  return reader.ok() ? std::optional(head) : std::nullopt;
}

bool FeedRecordHead::fits(std::string_view payload) const {
  std::string size;
  append_number(size, payload_octets);
  return payload.size() == payload_octets && checksum_of(size, payload) == checksum;
}

}  // namespace meshdns::discovery
