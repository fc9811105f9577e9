// What gRPC's xDS clients take of a listener, routes, cluster and endpoints that lead to a backend,
// as a table: each case spoils good ones in one way. The same table is held against our own checks
// and against libgrpc itself.
#pragma once

#include <cstdint>
#include <functional>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "discovery/xds/resource_set.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/endpoint/v3/endpoint.pb.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/config/route/v3/route.pb.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"

namespace meshdns::discovery {

inline constexpr std::string_view kRuleAuthority = "backend.mesh:8080";
inline constexpr std::string_view kRuleTarget = "default/backend:8080";

// What a client asks for on its way to kRuleAuthority.
struct GrpcMessages {
  envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager manager;
  envoy::config::listener::v3::Listener listener;  // its api_listener is packed from `manager`
  envoy::config::route::v3::RouteConfiguration routes;
  envoy::config::cluster::v3::Cluster cluster;
  envoy::config::endpoint::v3::ClusterLoadAssignment endpoints;

  // As they are to be served, under the names by which a client asks for them.
  [[nodiscard]] std::vector<ResourceUpdate> updates() const;
};

// Good ones, to one endpoint at 127.0.0.1 in the zone "east".
[[nodiscard]] GrpcMessages good_messages(std::uint32_t port);

enum class RuleVerdict : std::uint8_t {
  kTaken,    // calls arrive
  kRefused,  // the client sends a NACK
  kUseless,  // the client takes it, or never sees it, and calls fail
};

struct RuleCase {
  std::string name;
  std::string_view type_url;  // of what is spoiled
  RuleVerdict verdict;
  std::function<void(GrpcMessages&)> spoil;
};

inline void PrintTo(const RuleCase& rule, std::ostream* out) { *out << rule.name; }

[[nodiscard]] const std::vector<RuleCase>& rule_cases();

}  // namespace meshdns::discovery
