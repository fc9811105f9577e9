#include "discovery/feeds/feed_log_reader.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/file_system.h"
#include "base/result.h"
#include "discovery/feeds/feed_log_format.h"

namespace meshdns::discovery {
namespace {

// A part of the log that moves on over it.
class Window {
 public:
  explicit Window(const FeedLogSource& source) : source_(source) {}

  // What stands at `offset`, which never goes back: so many octets, or fewer where the log ends.
  // The view lives until the next call.
  [[nodiscard]] Result<std::string_view> view(std::uint64_t offset, std::size_t octets) {
    if (offset + octets > begin_ + octets_.size()) {
      if (auto moved = move_to(offset, octets); !moved) {
        return tl::unexpected(std::move(moved.error()));
      }
    }
    return std::string_view(octets_).substr(offset - begin_, octets);
  }

 private:
  [[nodiscard]] Result<void> move_to(std::uint64_t offset, std::size_t octets) {
    octets_.erase(0, offset - begin_);  // all, where it begins behind them
    begin_ = offset;
    const std::size_t had = octets_.size();
    const std::uint64_t left = source_.octets - offset;
    octets_.resize(std::min<std::uint64_t>(std::max(octets, source_.block_octets), left));
    const auto read = source_.read(begin_ + had, std::span(octets_).subspan(had));
    octets_.resize(had + (read ? *read : 0));
    return read.map([](std::size_t) {});
  }

  const FeedLogSource& source_;
  std::uint64_t begin_ = 0;
  std::string octets_;
};

// The payload of the record at `offset`; empty where there is none that can be believed.
Result<std::string_view> read_payload(const FeedLogSource& source, std::uint64_t offset,
                                      Window& window) {
  const auto start = window.view(offset, FeedRecordHead::kOctets);
  if (!start) {
    return tl::unexpected(start.error());
  }
  const auto head = FeedRecordHead::parse(*start);
  // What is said to be longer than the log is not read.
  if (!head || head->payload_octets > source.octets - offset - FeedRecordHead::kOctets) {
    return std::string_view();
  }
  return window.view(offset, FeedRecordHead::kOctets + head->payload_octets)
      .map([&](std::string_view record) {
        record.remove_prefix(FeedRecordHead::kOctets);
        return head->fits(record) ? record : std::string_view();
      });
}

Result<FeedLogHeader> read_header(const FeedLogSource& source, std::string_view fingerprint) {
  Window window(source);
  return window.view(0, kMaxFeedHeaderOctets).map([&](std::string_view head) {
    return parse_feed_header(head, fingerprint);
  });
}

bool is_well_formed(std::string_view payload) {
  while (!payload.empty()) {
    if (!FeedChange::take(payload)) {
      return false;
    }
  }
  return true;
}

}  // namespace

Result<FeedLogSource> FeedLogSource::open(FileSystem& files, const std::string& path) {
  auto opened = open_regular(files, path);
  if (!opened) {
    return tl::unexpected(std::move(opened.error()));
  }
  auto file = std::make_shared<const RegularFile>(*std::move(opened));
  const std::uint64_t octets = file->octets;
  return FeedLogSource{
      .octets = octets,
      .read = [&files, path, file = std::move(file)](std::uint64_t offset,
                                                     std::span<char> into) -> Result<std::size_t> {
        auto count = read_all_at(files, file->fd.get(), offset, into);
        return count ? std::move(count) : fail(path, std::move(count.error()));
      }};
}

Result<FeedLogSummary> read_feed_log(const FeedLogSource& source, std::string_view fingerprint,
                                     const FeedChangeVisitor& visit) {
  const auto header = read_header(source, fingerprint);
  if (!header) {
    return tl::unexpected(header.error());
  }
  FeedLogSummary summary{.kind = header->kind,
                         .generation = header->generation,
                         .end_offset = header->octets,
                         .cut = false,
                         .whole = false};
  if (summary.kind != FeedLogKind::kLog) {
    return summary;
  }
  Window window(source);
  while (summary.end_offset < source.octets) {
    const auto payload = read_payload(source, summary.end_offset, window);
    if (!payload) {
      return tl::unexpected(payload.error());
    }
    if (payload->empty() || !is_well_formed(*payload)) {
      break;
    }
    std::uint64_t offset = summary.end_offset + FeedRecordHead::kOctets;
    std::string_view rest = *payload;
    while (const auto change = FeedChange::take(rest)) {
      if (change->kind == FeedChange::Kind::kWhole) {
        summary.whole = change->whole;
      } else {
        visit(*change, offset);
      }
      offset += change->octets.size();
    }
    summary.end_offset = offset;
  }
  summary.cut = summary.end_offset < source.octets;
  return summary;
}

}  // namespace meshdns::discovery
