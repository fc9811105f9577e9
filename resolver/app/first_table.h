// When a first table counts as known. Delta xDS does not mark the last response of a table that
// comes in several: a large one is taken for one of them until a small one comes, or nothing for a
// while. What is asked for by name is waited for, but not for ever: nobody has to say that it does
// not exist. What a client asks for meanwhile is not denied; it is not known yet.
//
// Values of the control thread.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "discovery/service.h"

namespace meshdns::dns {

class FirstTable {
 public:
  static constexpr std::size_t kPartResources = 256;  // a response with so many may be a part
  static constexpr std::chrono::milliseconds kSettle{250};
  // The xDS protocol's own bound for a resource that does not come.
  static constexpr std::chrono::seconds kMissing{15};

  // Whether the table is whole with this response.
  [[nodiscard]] bool ends_with(const discovery::ServiceDelta& delta, TimePoint now) {
    const bool is_small = delta.services.size() + delta.endpoints.size() < kPartResources;
    const bool whole = !delta.awaits_more && (delta.full_state || is_small);
    const std::chrono::milliseconds patience = delta.awaits_more ? kMissing : kSettle;
    whole_at_ = whole ? std::nullopt : std::optional(now + patience);
    return whole;
  }
  // When it is whole if nothing more comes; nothing when it is, or has not begun.
  [[nodiscard]] std::optional<TimePoint> whole_at() const { return whole_at_; }

 private:
  std::optional<TimePoint> whole_at_;
};

// The first tables of several feeds.
class FirstTables {
 public:
  explicit FirstTables(const std::vector<std::string>& feeds) {
    for (const std::string& feed : feeds) {
      feeds_.try_emplace(feed);
    }
  }

  // A response of one of the feeds.
  void take(const discovery::ServiceDelta& delta, TimePoint now) {
    Feed& feed = feeds_.at(delta.feed);
    feed.whole = feed.table.ends_with(delta, now) || feed.whole;
  }
  // What is whole because nothing more came.
  void settle(TimePoint now) {
    for (auto& [name, feed] : feeds_) {
      const auto at = feed.table.whole_at();
      feed.whole = feed.whole || (at && *at <= now);
    }
  }
  // True of a feed that there is not.
  [[nodiscard]] bool is_whole(const std::string& feed) const {
    const auto place = feeds_.find(feed);
    return place == feeds_.end() || place->second.whole;
  }
  // The feeds that are not whole, by name.
  [[nodiscard]] std::vector<std::string> missing() const {
    std::vector<std::string> names;
    for (const auto& [name, feed] : feeds_) {
      if (!feed.whole) {
        names.push_back(name);
      }
    }
    return names;
  }
  // When to settle next.
  [[nodiscard]] std::optional<TimePoint> settles_at() const {
    std::optional<TimePoint> next;
    for (const auto& [name, feed] : feeds_) {
      const auto at = feed.whole ? std::nullopt : feed.table.whole_at();
      next = at && next ? std::min(*at, *next) : (at ? at : next);
    }
    return next;
  }

 private:
  struct Feed {
    FirstTable table;
    bool whole = false;
  };
  std::map<std::string, Feed> feeds_;
};

}  // namespace meshdns::dns
