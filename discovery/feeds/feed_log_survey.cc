#include "discovery/feeds/feed_log_survey.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/crc32c.h"
#include "base/result.h"
#include "discovery/feeds/feed_log_format.h"
#include "discovery/feeds/feed_log_reader.h"
#include "discovery/feeds/held_places.h"

namespace meshdns::discovery {
namespace {

// What stands between two resources is read along with them up to this: it costs less than another
// call.
constexpr std::uint64_t kReadAlong = 4096;

std::uint64_t end_of(const HeldPlaces::Place& place) {
  return std::uint64_t{place.offset} + place.octets;
}

}  // namespace

Result<FeedLogSurvey> FeedLogSurvey::make(FeedLogSource source, std::string_view fingerprint) {
  if (source.octets > kMaxLogOctets) {
    return fail(ErrorCode::kExhausted,
                fmt::format("it is longer than the limit of {} octets", kMaxLogOctets));
  }
  HeldPlaces places;
  auto summary =
      read_feed_log(source, fingerprint, [&](const FeedChange& change, std::uint64_t offset) {
        if (change.kind == FeedChange::Kind::kSet) {
          places.set(change.name, static_cast<std::uint32_t>(offset), change.octets);
        } else {
          places.drop(change.name);
        }
      });
  if (!summary) {
    return tl::unexpected(std::move(summary.error()));
  }
  FeedLogSurvey survey;
  survey.source_ = std::move(source);
  survey.summary_ = *summary;
  survey.places_ = places.take();
  return survey;
}

Result<void> FeedLogSurvey::for_each_part(const PartVisitor& visit) const {
  std::string octets;
  std::vector<Place> part;
  for (auto next = places_.begin(); next != places_.end();) {
    part.clear();
    for (std::size_t size = 0; next != places_.end() && part.size() < kPartResources; ++next) {
      size += next->octets;
      if (size > kPartOctets && !part.empty()) {
        break;
      }
      if (next->octets > 0) {
        part.push_back(*next);
      }
    }
    auto resources = read(part, octets);
    if (!resources) {
      return tl::unexpected(std::move(resources.error()));
    }
    if (!resources->empty() && !visit(*resources)) {
      break;
    }
  }
  return {};
}

Result<std::vector<HeldResource>> FeedLogSurvey::read(std::span<const Place> part,
                                                      std::string& octets) const {
  octets.clear();
  std::vector<std::size_t> starts;  // of each resource in `octets`
  while (starts.size() < part.size()) {
    const std::size_t start = octets.size();
    const std::uint64_t begin = part[starts.size()].offset;
    std::uint64_t end = begin;
    while (starts.size() < part.size() && part[starts.size()].offset >= end &&
           part[starts.size()].offset - end <= kReadAlong) {
      const Place& place = part[starts.size()];
      starts.push_back(start + (place.offset - begin));
      end = end_of(place);
    }
    octets.resize(start + (end - begin));
    if (const auto count = source_.read(begin, std::span(octets).subspan(start)); !count) {
      return tl::unexpected(count.error());
    }
  }
  std::vector<HeldResource> resources;
  for (std::size_t i = 0; i < part.size(); ++i) {
    std::string_view rest = std::string_view(octets).substr(starts[i], part[i].octets);
    const bool is_same = crc32c(rest) == part[i].checksum;
    const auto change = FeedChange::take(rest);
    if (!is_same || !change || change->kind != FeedChange::Kind::kSet) {
      return fail(ErrorCode::kCorrupt, "a log was changed while it was read");
    }
    resources.push_back({.name = change->name, .version = change->version, .value = change->value});
  }
  return resources;
}

}  // namespace meshdns::discovery
