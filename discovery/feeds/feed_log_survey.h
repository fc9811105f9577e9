// FeedLogSurvey: what a log holds: found in one pass over it, and read when it is asked for, part
// by part. What it takes of memory follows the names, not what is held under them.
//
// One thread. So the log is read twice. Where it has changed in between, the second reading fails:
// it compares with what the first one saw.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "discovery/feeds/feed_log_reader.h"
#include "discovery/feeds/held_places.h"

namespace meshdns::discovery {

// Views live as long as the visit of the part that they come in.
struct HeldResource {
  std::string_view name;
  std::string_view version;
  std::string_view value;
};

class FeedLogSurvey {
 public:
  // Whether to go on.
  using PartVisitor = std::function<bool(std::span<const HeldResource> part)>;

  // Of a resource's place four octets are kept.
  static constexpr std::uint64_t kMaxLogOctets = std::numeric_limits<std::uint32_t>::max();
  // A part has no more resources than that, and no more octets, unless one alone has.
  static constexpr std::size_t kPartResources = 256;
  static constexpr std::size_t kPartOctets = kFeedLogBlockOctets;

  // Of no log.
  FeedLogSurvey() = default;
  // kExhausted when the log is longer than kMaxLogOctets; else an error is one of reading.
  [[nodiscard]] static Result<FeedLogSurvey> make(FeedLogSource source,
                                                  std::string_view fingerprint);

  [[nodiscard]] const FeedLogSummary& summary() const { return summary_; }

  // What the log holds, in the order in which the names came. kCorrupt when the log is not what it
  // was.
  [[nodiscard]] Result<void> for_each_part(const PartVisitor& visit) const;

 private:
  using Place = HeldPlaces::Place;

  // `octets` are what the resources' views are of.
  [[nodiscard]] Result<std::vector<HeldResource>> read(std::span<const Place> part,
                                                       std::string& octets) const;

  FeedLogSource source_;
  FeedLogSummary summary_;
  HeldPlaces::Places places_;
};

}  // namespace meshdns::discovery
