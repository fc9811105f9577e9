// InstanceNames: the names of single workloads, INSTANCE.HOSTNAME for each hostname of the service
// they belong to, with the addresses of their endpoints. Joins what feeds tell of services with
// what they tell of endpoints, and tells the snapshot builder what really changed.
//
// Control thread only. A name says who somebody is, not how they are: health does not count. An
// instance that stands in the endpoints with several addresses has them all.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/ip_address.h"
#include "base/log.h"
#include "discovery/service.h"
#include "resolver/app/metrics.h"
#include "resolver/snapshot/snapshot_builder.h"

namespace meshdns::dns {

class InstanceNames {
 public:
  // Of one instance; those beyond, in the order of addresses, are not told: all must fit a message.
  static constexpr std::size_t kMaxAddresses = 1000;

  // What became of an upsert; `owner` is for people.
  using OnReport = std::function<void(const std::string& owner, const UpsertReport& report)>;

  // References outlive it.
  InstanceNames(SnapshotBuilder& builder, Logger& logger, AppMetrics& metrics, OnReport on_report);
  InstanceNames(const InstanceNames&) = delete;
  InstanceNames& operator=(const InstanceNames&) = delete;
  ~InstanceNames() = default;

  // A service is there, perhaps with other hostnames than before. Each returns whether a name may
  // have changed.
  bool set_service(const discovery::Service& service);
  // Its instances are remembered for when it returns, but answer no more.
  bool remove_service(const discovery::ServiceId& id);
  // `service` is null while it is not there.
  bool set_endpoints(const discovery::ServiceEndpoints& endpoints,
                     const discovery::Service* service);
  bool remove_endpoints(const discovery::ServiceId& id);

 private:
  // By folded instance name, ascending and without repetition.
  using Instances = std::map<std::string, std::vector<IpAddress>>;
  struct Entry {
    std::vector<std::string> hostnames;  // none: the service is not there
    Instances instances;
    std::set<std::string> unusable;  // instances that are no DNS names
  };

  void tell(const discovery::ServiceId& id, const Entry& entry, const std::string& instance);
  void withdraw(const discovery::ServiceId& id, const Entry& entry);
  // Of what the endpoints say, what can be a name. Logs what cannot and could before.
  [[nodiscard]] Instances instances_of(const discovery::ServiceEndpoints& endpoints, Entry& entry);

  SnapshotBuilder& builder_;
  Logger& logger_;
  AppMetrics& metrics_;
  OnReport on_report_;
  std::map<discovery::ServiceId, Entry> entries_;  // of services with endpoints
};

}  // namespace meshdns::dns
