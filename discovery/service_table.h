// ServiceTable: every service, its endpoints and every name record of every feed, and which of them
// count.
//
// Belongs to the control thread. Where two feeds tell of the same service, endpoints or record, the
// feed that comes first in the configured order wins; the other's stands in when it goes. Services
// and endpoints come and go on their own: either may be there without the other. A delta that takes
// away ten of a feed's entries or more, and leaves less than half of what there was within the last
// minute, is believed only after a hold-down: until then the entries keep answering. So it is one
// removal, though a server tells it in parts. Endpoints stay at least as long as their service is
// held.
#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "discovery/packed_service.h"
#include "discovery/ranked_entries.h"
#include "discovery/service.h"

namespace meshdns::discovery {

// What really changed in the effective view: equal values are no change.
struct TableChange {
  // A resource that a feed does not hold any more.
  struct Dropped {
    std::string feed;
    std::string resource;
  };

  std::vector<PackedService> services;
  std::vector<ServiceId> removed_services;
  std::vector<NameRecord> records;
  std::vector<std::string> removed_records;
  std::vector<ServiceEndpoints> endpoints;
  std::vector<ServiceId> removed_endpoints;
  // What went, of whatever feed; not what is held down. No part of the view.
  std::vector<Dropped> dropped;

  [[nodiscard]] bool empty() const {
    return services.empty() && removed_services.empty() && records.empty() &&
           removed_records.empty() && endpoints.empty() && removed_endpoints.empty();
  }
};

class ServiceTable {
 public:
  static constexpr std::chrono::seconds kHoldDown{60};
  static constexpr std::size_t kHoldDownMinimum = 10;

  // `feeds` in order of precedence. References outlive the table.
  ServiceTable(std::vector<std::string> feeds, Clock& clock, Logger& logger,
               MetricRegistry& metrics);

  // Takes a delta of a feed named at construction. The cost follows the delta (a full state costs
  // the feed's size).
  TableChange apply(const ServiceDelta& delta);
  // Removes what has been held down long enough.
  TableChange expire();
  // When expire() has something to do.
  [[nodiscard]] std::optional<TimePoint> next_expiry() const { return next_expiry_; }

  [[nodiscard]] std::size_t services() const { return services_.effective(); }
  [[nodiscard]] std::size_t records() const { return records_.effective(); }
  // Services and records that are held down; endpoints are part of their service.
  [[nodiscard]] std::size_t held_down() const;
  // The effective service, or nothing.
  [[nodiscard]] std::optional<Service> find(const ServiceId& id) const;
  // In no order.
  void for_each_service(const std::function<void(const Service&)>& visit) const;

 private:
  struct Removals {
    std::vector<ServiceId> services;
    std::vector<std::string> records;
    std::vector<ServiceId> endpoints;

    [[nodiscard]] std::size_t size() const {
      return services.size() + records.size() + endpoints.size();
    }
  };
  // Held-down entries, with the time at which they go.
  struct Held {
    std::map<ServiceId, TimePoint> services;
    std::map<std::string, TimePoint> records;
    std::map<ServiceId, TimePoint> endpoints;

    [[nodiscard]] std::size_t size() const {
      return services.size() + records.size() + endpoints.size();
    }
  };
  struct Found {
    TimePoint at;
    std::size_t entries = 0;
  };
  struct Feed {
    std::string name;
    Held held{};
    // What removals of the last minute found, without what a later one found more of: the first
    // is the most.
    std::deque<Found> found{};
    TimePoint silent_until{};  // a hold was told of
  };

  [[nodiscard]] Removals removals_of(std::size_t rank, const ServiceDelta& delta) const;
  // Whether it is to be held down that so many of the feed's entries leave.
  [[nodiscard]] bool is_of_most(std::size_t rank, std::size_t leaving);
  void remove(std::size_t rank, const Removals& removals, TableChange& change);
  void hold(Feed& feed, const Removals& removals);
  // Holds, and takes out of `removals`, the endpoints of services that are held down.
  void hold_with_services(std::size_t rank, Removals& removals);
  // What the effective view now says of these keys, into `change`.
  void report(const ServiceId& id, TableChange& change) const;
  void report(const std::string& record, TableChange& change) const;
  void report_endpoints(const ServiceId& id, TableChange& change) const;

  std::vector<Feed> feeds_;  // by rank
  Clock& clock_;
  Logger& logger_;
  Counter& held_total_;
  RankedEntries<PackedService> services_;
  RankedEntries<NameRecord> records_;
  RankedEntries<ServiceEndpoints> endpoints_;
  TimePoint latest_expiry_{};
  std::optional<TimePoint> next_expiry_;  // or earlier
};

}  // namespace meshdns::discovery
