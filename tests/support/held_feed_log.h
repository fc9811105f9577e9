// A feed's log that stands in memory, and all that it holds.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "discovery/feeds/feed_log_reader.h"
#include "discovery/feeds/feed_log_survey.h"

namespace meshdns::support {

// `log` outlives the source.
inline discovery::FeedLogSource feed_log_source(
    std::string_view log, std::size_t block_octets = discovery::kFeedLogBlockOctets) {
  return {.octets = log.size(),
          .block_octets = block_octets,
          .read = [log](std::uint64_t offset, std::span<char> into) -> Result<std::size_t> {
            const std::string_view rest = log.substr(std::min<std::uint64_t>(offset, log.size()));
            const std::size_t count = std::min(rest.size(), into.size());
            std::ranges::copy(rest.substr(0, count), into.begin());
            return count;
          }};
}

struct HeldFeedLog {
  struct Resource {
    std::string name;
    std::string version;
    std::string value;

    friend bool operator==(const Resource&, const Resource&) = default;
  };

  discovery::FeedLogSummary summary;
  std::vector<Resource> held;

  // Throws when the source does, or is another the second time.
  static HeldFeedLog read(discovery::FeedLogSource source, std::string_view fingerprint) {
    const auto survey = discovery::FeedLogSurvey::make(std::move(source), fingerprint).value();
    return of(survey);
  }
  static HeldFeedLog read(std::string_view log, std::string_view fingerprint) {
    return read(feed_log_source(log), fingerprint);
  }
  static HeldFeedLog of(const discovery::FeedLogSurvey& survey) {
    HeldFeedLog all{.summary = survey.summary(), .held = {}};
    const auto read = survey.for_each_part([&](auto part) {
      for (const discovery::HeldResource& held : part) {
        all.held.push_back({.name = std::string(held.name),
                            .version = std::string(held.version),
                            .value = std::string(held.value)});
      }
      return true;
    });
    if (!read) {
      throw std::runtime_error(read.error().message);
    }
    return all;
  }
};

}  // namespace meshdns::support
