#include "discovery/control/grpc_route_rules.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <string_view>

#include <fmt/format.h>
#include <google/protobuf/repeated_ptr_field.h>

#include "base/log.h"
#include "discovery/control/grpc_refusal.h"
#include "envoy/config/route/v3/route_components.pb.h"

namespace meshdns::discovery {
namespace {

namespace route_v3 = envoy::config::route::v3;

// How gRPC reads a domain: as it is, or with one asterisk at its end or its beginning.
bool is_domain(std::string_view domain) {
  const std::size_t asterisk = domain.find('*');
  if (domain.empty() || asterisk == std::string_view::npos) {
    return !domain.empty();
  }
  const bool is_alone = domain.find('*', asterisk + 1) == std::string_view::npos;
  return is_alone && (asterisk == 0 || asterisk == domain.size() - 1);
}

bool matches(std::string_view domain, std::string_view authority) {
  if (domain.ends_with('*')) {
    return authority.starts_with(domain.substr(0, domain.size() - 1));
  }
  if (domain.starts_with('*')) {
    return authority.ends_with(domain.substr(1));
  }
  return domain == authority;
}

void check_weights(const std::string& field, const route_v3::WeightedCluster& weighted) {
  std::uint64_t sum = 0;
  for (int i = 0; i < weighted.clusters_size(); ++i) {
    const auto& cluster = weighted.clusters(i);
    if (cluster.name().empty()) {
      refuse(fmt::format("{}.clusters[{}].name", field, i), "is empty");
    }
    sum += cluster.weight().value();
  }
  // Later schemas say that the sum is the total; C-core 1.51 goes by the default, a hundred.
  const std::uint64_t total = weighted.has_total_weight() ? weighted.total_weight().value() : 100;
  if (sum == 0 || sum != total) {
    refuse(field, fmt::format("the weights are {} together and not {}", sum, total));
  }
}

// "", "/", "/SERVICE/" or "/SERVICE/METHOD": gRPC skips routes that match no method.
bool is_method_prefix(std::string_view prefix) {
  return prefix.empty() || (prefix.front() == '/' && std::ranges::count(prefix, '/') <= 2 &&
                            !prefix.starts_with("//"));
}

// "/SERVICE/METHOD".
bool is_method_path(std::string_view path) {
  const std::size_t second = path.find('/', 1);
  return path.starts_with('/') && second != std::string_view::npos && second > 1 &&
         second + 1 < path.size() && path.find('/', second + 1) == std::string_view::npos;
}

// False for a route that gRPC skips.
bool check_match(const std::string& field, const route_v3::RouteMatch& match) {
  switch (match.path_specifier_case()) {
    case route_v3::RouteMatch::kPrefix:
      return is_method_prefix(match.prefix());
    case route_v3::RouteMatch::kPath:
      return is_method_path(match.path());
    case route_v3::RouteMatch::PATH_SPECIFIER_NOT_SET:
      break;
  }
  refuse(field, "has neither prefix nor path");
}

void check_action(const std::string& field, const route_v3::Route& route) {
  if (!route.has_route()) {
    refuse(field, "leads to no cluster");
  }
  const route_v3::RouteAction& action = route.route();
  switch (action.cluster_specifier_case()) {
    case route_v3::RouteAction::kCluster:
      if (action.cluster().empty()) {
        refuse(field + ".route.cluster", "is empty");
      }
      return;
    case route_v3::RouteAction::kWeightedClusters:
      check_weights(field + ".route.weighted_clusters", action.weighted_clusters());
      return;
    case route_v3::RouteAction::kClusterHeader:
    case route_v3::RouteAction::CLUSTER_SPECIFIER_NOT_SET:
      break;
  }
  refuse(field + ".route", "names no cluster");
}

void check_host(const std::string& field, const route_v3::VirtualHost& host) {
  if (host.domains().empty()) {
    refuse(field + ".domains", "is empty");
  }
  for (int i = 0; i < host.domains_size(); ++i) {
    if (!is_domain(host.domains(i))) {
      refuse(fmt::format("{}.domains[{}]", field, i),
             fmt::format("'{}' is no domain", escape_name(host.domains(i))));
    }
  }
  bool is_usable = false;
  for (int i = 0; i < host.routes_size(); ++i) {
    const std::string route = fmt::format("{}.routes[{}]", field, i);
    if (!host.routes(i).has_match()) {
      refuse(route + ".match", "is missing");
    }
    if (check_match(route + ".match", host.routes(i).match())) {
      check_action(route, host.routes(i));
      is_usable = true;
    }
  }
  if (!is_usable) {
    refuse(field + ".routes", "there is none that a method can match");
  }
}

}  // namespace

void check_virtual_hosts(const std::string& field,
                         const google::protobuf::RepeatedPtrField<route_v3::VirtualHost>& hosts,
                         std::span<const std::string> authorities) {
  std::set<std::string> domains;
  for (int i = 0; i < hosts.size(); ++i) {
    const std::string host = fmt::format("{}[{}]", field, i);
    check_host(host, hosts[i]);
    for (const std::string& domain : hosts[i].domains()) {
      if (!domains.insert(domain).second) {
        refuse(host + ".domains", fmt::format("'{}' stands there twice", escape_name(domain)));
      }
    }
  }
  for (const std::string& authority : authorities) {
    if (std::ranges::none_of(domains,
                             [&](const auto& domain) { return matches(domain, authority); })) {
      refuse(field, fmt::format("no domain is or matches '{}'", escape_name(authority)));
    }
  }
}

}  // namespace meshdns::discovery
