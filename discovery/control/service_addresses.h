// The virtual addresses that the control plane gives to services, and the promise that none is told
// before it is on disk.
//
// Its leases are those of vip/, under the keys that resolvers use, too: a service gets the address
// that a resolver would have given it, as long as no two of them want the same. Belongs to the
// control thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/file_system.h"
#include "base/ip_address.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/result.h"
#include "discovery/service.h"
#include "vip/lease_store.h"
#include "vip/metrics.h"

namespace meshdns::discovery {

class ServiceAddresses {
 public:
  struct Options {
    std::string directory;  // made when it is not there
    IpPrefix ipv4_pool;
    std::optional<IpPrefix> ipv6_pool{};  // nothing: services have no IPv6 address
  };
  // What the seams do; references outlive the addresses.
  struct Environment {
    FileSystem& files;
    Clock& clock;
    vip::LeaseStore::Post post;  // onto the control thread
    Logger& logger;
    MetricRegistry& registry;
  };
  // On the control thread: these services have their address now, or another reason to have none.
  using OnChange = std::function<void(const std::vector<ServiceId>&)>;

  // Fails when the folder cannot be used, is another program's, or a pool has no usable address.
  [[nodiscard]] static Result<std::unique_ptr<ServiceAddresses>> open(
      const Options& options, const Environment& environment, OnChange on_change);

  // The addresses that may be told; none as long as there is no such. `on_change` says when.
  [[nodiscard]] std::vector<IpAddress> acquire(const ServiceId& id);
  // It rests in quarantine, and a service that returns gets it back.
  void release(const ServiceId& id);
  // Lets go of what services hold that were not acquired: they went while this program did not run.
  void release_the_absent();
  // Hands the changes since the last call to the disk.
  void flush() { leases_->flush(); }
  // Tries again for services that got none since the pool was exhausted: a quarantine may be over.
  // Call it every few seconds.
  void retry();

  // Which families a service gets an address of.
  [[nodiscard]] const std::vector<IpFamily>& families() const { return families_; }
  // Services that wait for an address.
  [[nodiscard]] std::size_t waiting() const { return waiting_.size(); }
  // What is wrong, for /readyz; empty when nothing is.
  [[nodiscard]] std::string note() const;
  // The admin page /vips, as the resolver's:
  // {"vips":[{"key","mesh","service","addresses","status"},
  // ...]}, of each service that asked. "status" is "leased", or why there are no addresses.
  [[nodiscard]] std::string page() const;

 private:
  ServiceAddresses(MetricRegistry& registry, Logger& logger, OnChange on_change)
      : metrics_(registry), logger_(logger), on_change_(std::move(on_change)) {}
  void on_leases(const std::vector<std::string>& keys);

  vip::VipMetrics metrics_;
  Logger& logger_;
  OnChange on_change_;
  std::vector<IpFamily> families_;
  std::map<std::string, ServiceId> services_;  // by key
  std::set<std::string> waiting_;              // keys without an address that may be told
  std::set<std::string> exhausted_;            // of these, since no address is left
  std::unique_ptr<vip::LeaseStore> leases_;    // last: its thread ends first
};

}  // namespace meshdns::discovery
