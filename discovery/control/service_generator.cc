#include "discovery/control/service_generator.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/ip_address.h"
#include "base/log.h"
#include "discovery/dataplane.h"
#include "discovery/entity_id.h"
#include "discovery/service.h"

namespace meshdns::discovery {
namespace {

const std::string kServiceTag = "kuma.io/service";
const std::string kProtocolTag = "kuma.io/protocol";
const std::string kZoneTag = "kuma.io/zone";

std::string find_or_empty(const std::map<std::string, std::string>& map, const std::string& key) {
  const auto found = map.find(key);
  return found == map.end() ? std::string() : found->second;
}

std::string tag(const Inbound& inbound, const std::string& key) {
  return find_or_empty(inbound.tags, key);
}

// Gathers what the inbounds of one service say.
class Collector {
 public:
  Collector(GeneratedService& out, const std::string& default_zone)
      : out_(out), default_zone_(default_zone) {}

  void add(const Dataplane& dataplane, const Inbound& inbound) {
    add_port(dataplane, inbound);
    const std::string zone = zone_of(dataplane, inbound);
    const Health health = inbound.state == InboundState::kReady && inbound.health_ready
                              ? Health::kHealthy
                              : Health::kUnhealthy;
    zones_.insert(zone);
    const auto [place, is_new] = endpoints_.try_emplace(
        {inbound.address, inbound.port},
        Endpoint{inbound.address, inbound.port, zone, health, dataplane.name});
    if (!is_new) {
      out_.warnings.push_back(fmt::format("dataplane {} repeats the endpoint {}:{}",
                                          escape_name(dataplane.name), inbound.address.to_string(),
                                          inbound.port));
    }
    share_tags(inbound);
  }

  void finish() {
    for (auto& [number, port] : ports_) {
      out_.service.ports.push_back(std::move(port.value));
    }
    for (const auto& [key, endpoint] : endpoints_) {
      out_.endpoints.push_back(endpoint);
    }
    if (zones_.size() == 1) {
      out_.service.zone = *zones_.begin();
    }
  }

 private:
  struct Port {
    ServicePort value;
    std::string first_dataplane;
    bool disagrees = false;
  };

  [[nodiscard]] std::string zone_of(const Dataplane& dataplane, const Inbound& inbound) const {
    for (const auto* map : {&inbound.tags, &dataplane.labels}) {
      if (std::string zone = find_or_empty(*map, kZoneTag); !zone.empty()) {
        return zone;
      }
    }
    return default_zone_;
  }

  void add_port(const Dataplane& dataplane, const Inbound& inbound) {
    std::string written = tag(inbound, kProtocolTag);
    if (written.empty()) {
      written = inbound.protocol.empty() ? "tcp" : inbound.protocol;
    }
    const auto parsed = parse_protocol(written);
    if (!parsed) {
      out_.warnings.push_back(
          fmt::format("dataplane {}: the protocol '{}' is unknown, tcp is assumed",
                      escape_name(dataplane.name), escape_name(written)));
    }
    const Protocol protocol = parsed.value_or(Protocol::kTcp);
    const auto [place, is_new] = ports_.try_emplace(
        inbound.port, Port{{inbound.name, inbound.port, protocol}, dataplane.name, false});
    Port& port = place->second;
    if (is_new || port.disagrees || port.value.protocol == protocol) {
      return;
    }
    out_.warnings.push_back(fmt::format(
        "dataplanes {} and {} disagree on the protocol of port {} ({} and {}), tcp is assumed",
        escape_name(port.first_dataplane), escape_name(dataplane.name), inbound.port,
        to_string(port.value.protocol), to_string(protocol)));
    port.value.protocol = Protocol::kTcp;
    port.disagrees = true;
  }

  void share_tags(const Inbound& inbound) {
    if (std::exchange(is_first_, false)) {
      out_.service.tags = inbound.tags;
      return;
    }
    std::erase_if(out_.service.tags, [&](const auto& entry) {
      const auto found = inbound.tags.find(entry.first);
      return found == inbound.tags.end() || found->second != entry.second;
    });
  }

  GeneratedService& out_;
  const std::string& default_zone_;
  std::map<std::uint16_t, Port> ports_;
  std::map<std::pair<IpAddress, std::uint16_t>, Endpoint> endpoints_;
  std::set<std::string> zones_;
  bool is_first_ = true;
};

}  // namespace

GeneratedService generate_service(const ServiceId& id, std::span<const Dataplane* const> dataplanes,
                                  const std::string& default_zone) {
  GeneratedService result;
  result.service.id = id;
  result.service.hostnames = hostnames_of(id.name);
  Collector collector(result, default_zone);
  for (const Dataplane* dataplane : dataplanes) {
    for (const Inbound& inbound : dataplane->inbounds) {
      if (inbound.state != InboundState::kIgnored && tag(inbound, kServiceTag) == id.name) {
        collector.add(*dataplane, inbound);
      }
    }
  }
  collector.finish();
  result.is_external = std::ranges::all_of(dataplanes, [](const Dataplane* dataplane) {
    return dataplane->kind == EntityKind::kExternalService;
  });
  if (result.is_external) {
    for (const Endpoint& endpoint : result.endpoints) {  // sorted by address
      std::vector<IpAddress>& addresses = result.service.addresses;
      if (addresses.empty() || addresses.back() != endpoint.address) {
        addresses.push_back(endpoint.address);
      }
    }
  }
  return result;
}

std::vector<ServiceId> services_of(const Dataplane& dataplane) {
  std::set<ServiceId> ids;
  for (const Inbound& inbound : dataplane.inbounds) {
    if (inbound.state != InboundState::kIgnored) {
      ids.insert({dataplane.mesh, tag(inbound, kServiceTag)});
    }
  }
  return {ids.begin(), ids.end()};
}

std::vector<std::string> hostnames_of(const std::string& service_name) {
  std::vector<std::string> names{service_name + ".mesh"};
  std::string dotted = service_name;
  std::ranges::replace(dotted, '_', '.');
  const bool is_name =
      dotted.front() != '.' && dotted.back() != '.' && dotted.find("..") == std::string::npos;
  if (dotted != service_name && is_name) {
    names.push_back(dotted + ".mesh");
  }
  return names;
}

}  // namespace meshdns::discovery
