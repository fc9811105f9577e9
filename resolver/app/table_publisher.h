// TablePublisher: joins what exists (the service table's changes) with what address it gets (the
// feed's, a lease, or those of its endpoints), and publishes the result as snapshots.
//
// Control thread only. A service's names answer only addresses that may be told: a lease that is
// not on disk, a pool without addresses or an address that belongs to somebody else make it
// withheld (SERVFAIL). The first change after quiet is published at once, later ones every 10 ms.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/ip_address.h"
#include "base/log.h"
#include "discovery/packed_service.h"
#include "discovery/service.h"
#include "discovery/service_table.h"
#include "resolver/app/instance_names.h"
#include "resolver/app/metrics.h"
#include "resolver/app/publish_schedule.h"
#include "resolver/app/service_entries.h"
#include "resolver/snapshot/snapshot.h"
#include "resolver/snapshot/snapshot_builder.h"
#include "resolver/snapshot/standing.h"
#include "vip/lease_store.h"

namespace meshdns::dns {

class TablePublisher {
 public:
  using Publish = std::function<void(std::unique_ptr<const Snapshot>)>;

  struct Options {
    discovery::Answers answers = discovery::Answers::kVip;  // of services that do not say
    bool instance_names = true;
  };
  // More addresses of one service's endpoints are not told: all must fit a message.
  static constexpr std::size_t kMaxEndpointAddresses = 1000;

  // References outlive the publisher. `pools` are those that `leases` allocates from.
  TablePublisher(SnapshotBuilder& builder, vip::LeaseStore& leases, std::vector<IpPrefix> pools,
                 const Clock& clock, Logger& logger, AppMetrics& metrics, Publish publish)
      : TablePublisher(builder, leases, std::move(pools), clock, logger, metrics,
                       std::move(publish), Options{}) {}
  TablePublisher(SnapshotBuilder& builder, vip::LeaseStore& leases, std::vector<IpPrefix> pools,
                 const Clock& clock, Logger& logger, AppMetrics& metrics, Publish publish,
                 Options options);
  TablePublisher(const TablePublisher&) = delete;
  TablePublisher& operator=(const TablePublisher&) = delete;
  ~TablePublisher() = default;

  void apply(const discovery::TableChange& change);
  // The status of these leases changed.
  void on_lease_change(const std::vector<std::string>& keys);
  // Tries again for services without an address of the pool, and for addresses of a feed that
  // were leased to others: a quarantine may be over. Call it now and then.
  void retry();
  // There is a whole table of services, live or from disk. `denies`: a name that is not in it does
  // not exist.
  void set_table_known(bool denies);
  // Every feed of services has delivered: the same, and a lease without a service is released.
  void set_feeds_ready();
  // Whether names of single endpoints are wanted and not known yet: those below a service's names
  // are then neither there nor denied.
  void set_awaits_instances(bool awaits);
  // How old the table is.
  void set_age(Standing::Age age);

  // Publishes what is due; true when it did. Call it after each of the above, and at wake_at().
  // While the builder serves an image that waits for a whole table whose leases are settled.
  bool run();
  [[nodiscard]] std::optional<TimePoint> wake_at() const;
  // Whether the published snapshot shows everything that was told.
  [[nodiscard]] bool is_settled() const { return !schedule_.due_at() && !builder_.serves_image(); }

  // Whether the first whole table is published and each of its leases is settled.
  [[nodiscard]] bool is_ready() const { return ready_; }
  [[nodiscard]] const ServiceEntries& entries() const { return entries_; }
  [[nodiscard]] std::size_t withheld() const { return withheld_; }

 private:
  void upsert(const discovery::PackedService& packed);
  // False when it was not there.
  bool remove(const discovery::ServiceId& id);
  // Finds the entry's addresses anew, keeps them and tells the builder. `entry` is what stands at
  // `place`, which is good afterwards, too.
  void refresh(ServiceEntries::Place place, ServiceEntry& entry);
  void refresh(const discovery::ServiceId& id);
  void take_given_addresses(ServiceEntry& entry);
  [[nodiscard]] bool answers_endpoints(const discovery::Service& service) const;
  void take_endpoints(ServiceEntry& entry);
  // The control plane will give it one: a lease of our own would be a second allocator's.
  void await_address(ServiceEntry& entry);
  void take_lease(ServiceEntry& entry);
  void set_status(ServiceEntry& entry, AddressStatus status);
  // A service that went while this program did not run still holds its lease. Its quarantine begins
  // now, so that one that is only late gets its address back.
  void release_leases_of_nobody();
  void retry_exhausted();
  void retry_refused();
  void forget_given(const discovery::Service& service);
  // Another service leases `address`, which the feed gave to this one before.
  void settle_conflict(const IpAddress& address, const discovery::ServiceId& winner);
  void apply_endpoints(const discovery::TableChange& change);
  void apply_instances(const discovery::TableChange& change);
  // `owner` is escaped: "MESH/NAME", "record NAME" or "instance NAME of MESH/NAME".
  void report(const std::string& owner, const UpsertReport& report);
  [[nodiscard]] bool is_pooled(const IpAddress& address) const;
  void update_metrics();

  SnapshotBuilder& builder_;
  vip::LeaseStore& leases_;
  std::vector<IpPrefix> pools_;
  const Clock& clock_;
  Logger& logger_;
  AppMetrics& metrics_;
  Publish publish_;

  Options options_;
  InstanceNames instances_;
  // What the endpoints of services say, where a service may answer them.
  std::map<discovery::ServiceId, std::vector<IpAddress>> endpoint_addresses_;
  ServiceEntries entries_;
  // Addresses inside our pools that a feed gave, and to whom.
  std::map<IpAddress, discovery::ServiceId> given_;
  std::set<discovery::ServiceId> exhausted_;
  std::set<discovery::ServiceId> refused_;  // lack an address of theirs: leased to another
  PublishSchedule schedule_;
  std::size_t withheld_ = 0;
  std::size_t pending_ = 0;
  bool feeds_ready_ = false;
  bool awaits_instances_ = false;
  std::optional<TimePoint> known_at_;  // when a whole table was known first
  bool ready_ = false;
};

}  // namespace meshdns::dns
