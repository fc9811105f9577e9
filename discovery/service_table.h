// ServiceTable: every service, its endpoints and every name record of every feed, and which of them
// count.
//
// Belongs to the control thread. Where two feeds tell of the same service, endpoints or record, the
// feed that comes first in the configured order wins; the other's stands in when it goes. Services
// and endpoints come and go on their own: either may be there without the other. A delta that takes
// away more than half of a feed's entries, and at least ten, is believed only after a hold-down:
// until then the entries keep answering. Endpoints stay at least as long as their service is held.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
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
  [[nodiscard]] std::optional<TimePoint> next_expiry() const;

  [[nodiscard]] std::size_t services() const { return services_.effective(); }
  [[nodiscard]] std::size_t records() const { return records_.effective(); }
  // Services and records that are held down; endpoints are part of their service.
  [[nodiscard]] std::size_t held_down() const;
  // The effective service, or nothing.
  [[nodiscard]] std::optional<Service> find(const ServiceId& id) const;
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
  // Held-down entries, by feed rank, with the time at which they go.
  template <typename Key>
  using Held = std::map<std::pair<std::size_t, Key>, TimePoint>;

  [[nodiscard]] Removals removals_of(std::size_t rank, const ServiceDelta& delta) const;
  void remove(std::size_t rank, const Removals& removals, TableChange& change);
  void hold(std::size_t rank, const Removals& removals);
  // Holds, and takes out of `removals`, the endpoints of services that are held down.
  void hold_with_services(std::size_t rank, Removals& removals);
  // What the effective view now says of these keys, into `change`.
  void report(const ServiceId& id, TableChange& change) const;
  void report(const std::string& record, TableChange& change) const;
  void report_endpoints(const ServiceId& id, TableChange& change) const;

  std::vector<std::string> feeds_;
  Clock& clock_;
  Logger& logger_;
  Counter& held_total_;
  RankedEntries<PackedService> services_;
  RankedEntries<NameRecord> records_;
  RankedEntries<ServiceEndpoints> endpoints_;
  Held<ServiceId> held_services_;
  Held<std::string> held_records_;
  Held<ServiceId> held_endpoints_;
};

}  // namespace meshdns::discovery
