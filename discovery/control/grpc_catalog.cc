#include "discovery/control/grpc_catalog.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/log.h"
#include "discovery/control/grpc_resources.h"
#include "discovery/control/grpc_rules.h"
#include "discovery/control/service_generator.h"
#include "discovery/service.h"
#include "discovery/xds/resource_set.h"
#include "discovery/xds/type_urls.h"

namespace meshdns::discovery {
namespace {

std::vector<Endpoint> endpoints_of(const GeneratedService& generated, std::uint16_t port) {
  std::vector<Endpoint> endpoints;
  std::ranges::copy_if(generated.endpoints, std::back_inserter(endpoints),
                       [port](const Endpoint& endpoint) { return endpoint.port == port; });
  return endpoints;
}

}  // namespace

GrpcCatalog::Claims GrpcCatalog::claims_of(const Service& service) {
  Claims claims;
  for (const ServicePort& port : service.ports) {
    bool is_dotted_form = false;  // all but the first
    for (const std::string& hostname : service.hostnames) {
      claims.emplace(Authority{service.id.mesh, grpc_authority(hostname, port.number)},
                     Claim{std::exchange(is_dotted_form, true), service.id, port.number});
    }
  }
  return claims;
}

std::vector<std::string> GrpcCatalog::put(const GeneratedService& generated) {
  std::vector<std::string> warnings;
  const Service& service = generated.service;
  replace_claims(service.id, claims_of(service));
  std::set<std::uint16_t> gone = std::exchange(ports_[service.id], {});
  for (const ServicePort& port : service.ports) {
    gone.erase(port.number);
    ports_[service.id].insert(port.number);
    const std::string target = grpc_target(service.id, port.number);
    std::vector<std::string> authorities;
    authorities.reserve(service.hostnames.size());
    for (const std::string& hostname : service.hostnames) {
      authorities.push_back(grpc_authority(hostname, port.number));
    }
    admit(service.id, grpc_routes(target, authorities), authorities);
    admit(service.id, grpc_cluster(target, port.protocol), {});
    GrpcEndpoints endpoints = grpc_endpoints(target, endpoints_of(generated, port.number));
    admit(service.id, std::move(endpoints.update), {});
    if (!endpoints.warning.empty()) {
      warnings.push_back(std::move(endpoints.warning));
    }
  }
  for (const std::uint16_t port : gone) {
    withdraw_port(service.id, port);
  }
  return warnings;
}

void GrpcCatalog::remove(const ServiceId& id) {
  replace_claims(id, {});
  const auto ports = ports_.find(id);
  if (ports == ports_.end()) {
    return;
  }
  for (const std::uint16_t port : ports->second) {
    withdraw_port(id, port);
  }
  ports_.erase(ports);
}

void GrpcCatalog::replace_claims(const ServiceId& id, Claims now) {
  for (const auto& [authority, claim] : claims_by_service_[id]) {
    claims_by_authority_[authority].erase(claim);
    touched_.insert(authority);
  }
  for (const auto& [authority, claim] : now) {
    claims_by_authority_[authority].insert(claim);
    touched_.insert(authority);
  }
  if (now.empty()) {
    claims_by_service_.erase(id);
  } else {
    claims_by_service_.insert_or_assign(id, std::move(now));
  }
}

GrpcCatalog::Changes GrpcCatalog::take_changes() {
  Changes changes;
  for (const Authority& authority : std::exchange(touched_, {})) {
    decide(authority, changes);
  }
  changes.meshes = std::exchange(pending_, {});
  return changes;
}

void GrpcCatalog::decide(const Authority& authority, Changes& changes) {
  const auto claims = claims_by_authority_.find(authority);
  if (claims->second.size() < 2) {
    contested_.erase(authority);
  } else if (contested_.insert(authority).second) {
    changes.contests.push_back(describe_contest(authority));
  }
  if (claims->second.empty()) {
    claims_by_authority_.erase(claims);
    withdraw(authority.mesh, kListenerTypeUrl, authority.name);
    return;
  }
  const Claim& first = *claims->second.begin();
  admit(first.service, grpc_listener(authority.name, grpc_target(first.service, first.port)), {});
}

void GrpcCatalog::admit(const ServiceId& id, ResourceUpdate update,
                        std::span<const std::string> authorities) {
  const auto checked = check_grpc_resource(update, authorities);
  if (!checked) {
    withdraw(id.mesh, update.type_url, update.name);
    refused_.insert_or_assign(ResourceKey{id.mesh, update.type_url, update.name},
                              Refused{id, checked.error().message});
    return;
  }
  refused_.erase({id.mesh, update.type_url, update.name});
  pending_[id.mesh].updates.push_back(std::move(update));
}

void GrpcCatalog::withdraw(const std::string& mesh, std::string_view type_url,
                           const std::string& name) {
  refused_.erase({mesh, std::string(type_url), name});
  pending_[mesh].removals.push_back({std::string(type_url), name});
}

void GrpcCatalog::withdraw_port(const ServiceId& id, std::uint16_t port) {
  const std::string target = grpc_target(id, port);
  for (const auto type_url : {kRouteTypeUrl, kClusterTypeUrl, kClusterLoadAssignmentTypeUrl}) {
    withdraw(id.mesh, type_url, target);
  }
}

std::vector<GrpcCatalog::Refused> GrpcCatalog::refused() const {
  std::vector<Refused> all;
  all.reserve(refused_.size());
  for (const auto& [key, refused] : refused_) {
    all.push_back(refused);
  }
  return all;
}

std::string GrpcCatalog::describe_contest(const Authority& authority) const {
  const std::set<Claim>& claims = claims_by_authority_.at(authority);
  return fmt::format("gRPC's clients find {} at {}, and not {}, which has that name too",
                     claims.begin()->service.to_string(), escape_name(authority.name),
                     std::next(claims.begin())->service.to_string());
}

std::vector<std::string> GrpcCatalog::contests() const {
  std::vector<std::string> all;
  all.reserve(contested_.size());
  for (const Authority& authority : contested_) {
    all.push_back(describe_contest(authority));
  }
  return all;
}

}  // namespace meshdns::discovery
