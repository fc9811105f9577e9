#include "resolver/app/instance_names.h"

#include <cstddef>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/ip_address.h"
#include "base/log.h"
#include "discovery/dns_name.h"
#include "discovery/service.h"
#include "resolver/app/metrics.h"
#include "resolver/snapshot/snapshot_builder.h"

namespace meshdns::dns {

InstanceNames::InstanceNames(SnapshotBuilder& builder, Logger& logger, AppMetrics& metrics,
                             OnReport on_report)
    : builder_(builder), logger_(logger), metrics_(metrics), on_report_(std::move(on_report)) {}

bool InstanceNames::set_service(const discovery::Service& service) {
  const auto place = entries_.find(service.id);
  if (place == entries_.end() || place->second.hostnames == service.hostnames) {
    return false;
  }
  Entry& entry = place->second;
  entry.hostnames = service.hostnames;
  for (const auto& [instance, addresses] : entry.instances) {
    tell(service.id, entry, instance);
  }
  return true;
}

bool InstanceNames::remove_service(const discovery::ServiceId& id) {
  const auto place = entries_.find(id);
  if (place == entries_.end() || place->second.hostnames.empty()) {
    return false;
  }
  withdraw(id, place->second);
  place->second.hostnames.clear();
  return true;
}

bool InstanceNames::set_endpoints(const discovery::ServiceEndpoints& endpoints,
                                  const discovery::Service* service) {
  Entry& entry = entries_[endpoints.service];
  if (service != nullptr) {
    entry.hostnames = service->hostnames;
  }
  const Instances before = std::exchange(entry.instances, instances_of(endpoints, entry));
  if (entry.hostnames.empty()) {
    return false;
  }
  bool any = false;
  // What goes first: what comes may be called as it was.
  for (const auto& [instance, addresses] : before) {
    if (!entry.instances.contains(instance)) {
      builder_.remove_instance(endpoints.service, instance);
      any = true;
    }
  }
  for (const auto& [instance, addresses] : entry.instances) {
    const auto known = before.find(instance);
    if (known == before.end() || known->second != addresses) {
      tell(endpoints.service, entry, instance);
      any = true;
    }
  }
  return any;
}

bool InstanceNames::remove_endpoints(const discovery::ServiceId& id) {
  const auto place = entries_.find(id);
  if (place == entries_.end()) {
    return false;
  }
  const bool any = !place->second.hostnames.empty() && !place->second.instances.empty();
  withdraw(id, place->second);
  entries_.erase(place);
  return any;
}

InstanceNames::Instances InstanceNames::instances_of(const discovery::ServiceEndpoints& endpoints,
                                                     Entry& entry) {
  Instances instances;
  std::set<std::string> unusable;
  std::size_t new_ones = 0;
  for (const discovery::Endpoint& endpoint : endpoints.endpoints) {
    if (endpoint.instance.empty()) {
      continue;
    }
    if (!discovery::is_dns_name(endpoint.instance)) {
      const bool is_new = unusable.insert(endpoint.instance).second;
      new_ones += is_new && !entry.unusable.contains(endpoint.instance) ? 1U : 0U;
      continue;
    }
    std::vector<IpAddress>& addresses = instances[discovery::fold_name(endpoint.instance)];
    // Endpoints are sorted by address.
    const bool is_new = addresses.empty() || addresses.back() != endpoint.address;
    if (is_new && addresses.size() < kMaxAddresses) {
      addresses.push_back(endpoint.address);
    }
  }
  entry.unusable = std::move(unusable);
  if (new_ones > 0) {
    metrics_.rejected_instances.add(new_ones);
    logger_.warn("instances whose names are no DNS names service={} instances={} first={}",
                 escape_name(endpoints.service.to_string()), new_ones,
                 escape_name(*entry.unusable.begin()));
  }
  return instances;
}

void InstanceNames::tell(const discovery::ServiceId& id, const Entry& entry,
                         const std::string& instance) {
  Instance told{.service = id, .name = instance, .addresses = entry.instances.at(instance)};
  told.hostnames.reserve(entry.hostnames.size());
  for (const std::string& hostname : entry.hostnames) {
    told.hostnames.push_back(fmt::format("{}.{}", instance, hostname));
  }
  const UpsertReport report = builder_.upsert_instance(told);
  metrics_.rejected_instances.add(report.rejected.size());
  on_report_("instance " + instance + " of " + escape_name(id.to_string()), report);
}

void InstanceNames::withdraw(const discovery::ServiceId& id, const Entry& entry) {
  for (const auto& [instance, addresses] : entry.instances) {
    builder_.remove_instance(id, instance);
  }
}

}  // namespace meshdns::dns
