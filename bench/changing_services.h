// The services of a mesh as a control plane serves them over xDS, each of which can change at any
// time: its only port becomes another, which a client sees in its SRV record. Its resolver leases
// it an address, which stays.
//
// One thread, beside those of the server.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/metrics.h"
#include "base/result.h"
#include "discovery/service.h"
#include "discovery/xds/ads_server.h"
#include "discovery/xds/metrics.h"
#include "discovery/xds/resource_set.h"

namespace meshdns::bench {

class ChangingServices {
 public:
  // Serves a service of each name (its hostname is NAME.mesh) on `listen`, ADDRESS:PORT. Fails
  // where it cannot listen.
  [[nodiscard]] static Result<std::unique_ptr<ChangingServices>> serve(
      const std::string& listen, const std::vector<std::string>& names);
  ChangingServices(const ChangingServices&) = delete;
  ChangingServices& operator=(const ChangingServices&) = delete;
  ~ChangingServices() = default;

  // Returns once the streams know that there is something to send.
  void change(std::size_t service);

  [[nodiscard]] std::size_t size() const { return services_.size(); }
  [[nodiscard]] const std::string& hostname(std::size_t service) const {
    return services_[service].hostnames.front();
  }
  [[nodiscard]] std::uint16_t port(std::size_t service) const {
    return services_[service].ports.front().number;
  }

 private:
  ChangingServices(std::unique_ptr<Logs> logs, const std::vector<std::string>& names);
  [[nodiscard]] static discovery::ResourceUpdate resource_of(const discovery::Service& service);

  std::unique_ptr<Logs> logs_;
  MetricRegistry registry_;
  discovery::XdsServerMetrics metrics_{registry_};
  std::vector<discovery::Service> services_;
  std::shared_ptr<discovery::ResourceSet> resources_ = std::make_shared<discovery::ResourceSet>();
  std::unique_ptr<discovery::AdsServer> server_;  // last: its threads end first
};

}  // namespace meshdns::bench
