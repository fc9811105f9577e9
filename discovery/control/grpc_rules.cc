#include "discovery/control/grpc_rules.h"

#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <google/protobuf/any.pb.h>

#include "base/log.h"
#include "base/result.h"
#include "discovery/control/grpc_endpoint_rules.h"
#include "discovery/control/grpc_refusal.h"
#include "discovery/control/grpc_route_rules.h"
#include "discovery/xds/resource_set.h"
#include "discovery/xds/type_urls.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/core/v3/config_source.pb.h"
#include "envoy/config/endpoint/v3/endpoint.pb.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/config/route/v3/route.pb.h"
#include "envoy/extensions/filters/http/router/v3/router.pb.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"

namespace meshdns::discovery {
namespace {

namespace cluster_v3 = envoy::config::cluster::v3;
namespace core_v3 = envoy::config::core::v3;
namespace endpoint_v3 = envoy::config::endpoint::v3;
namespace http_v3 = envoy::extensions::filters::network::http_connection_manager::v3;
namespace listener_v3 = envoy::config::listener::v3;
namespace route_v3 = envoy::config::route::v3;
using Router = envoy::extensions::filters::http::router::v3::Router;

template <typename Message>
Message unpack(const std::string& field, const google::protobuf::Any& any) {
  if (!any.Is<Message>()) {
    refuse(field, fmt::format("is '{}', and must be {}", escape_name(any.type_url()),
                              Message::descriptor()->full_name()));
  }
  return read_known<Message>(field, any.value());
}

void require_name(const std::string& field, const std::string& is, std::string_view wanted) {
  if (is != wanted) {
    refuse(field,
           fmt::format("is '{}', and the resource is '{}'", escape_name(is), escape_name(wanted)));
  }
}

void require_this_stream(const std::string& field, const core_v3::ConfigSource& source) {
  if (!source.has_ads() && !source.has_self()) {
    refuse(field, "must be ads or self");
  }
}

void check_filters(const http_v3::HttpConnectionManager& manager) {
  std::set<std::string> names;
  bool has_router = false;
  for (int i = 0; i < manager.http_filters_size(); ++i) {
    const http_v3::HttpFilter& filter = manager.http_filters(i);
    const std::string field = fmt::format("http_filters[{}]", i);
    if (filter.name().empty()) {
      refuse(field + ".name", "is empty");
    }
    if (!names.insert(filter.name()).second) {
      refuse(field + ".name", fmt::format("'{}' stands there twice", escape_name(filter.name())));
    }
    if (filter.is_optional() && !filter.typed_config().Is<Router>()) {
      continue;  // gRPC skips it, or knows it
    }
    if (has_router) {
      refuse(field, "stands behind a router, which must be the last filter");
    }
    if (!filter.has_typed_config()) {
      refuse(field + ".typed_config", "is missing");
    }
    (void)unpack<Router>(field + ".typed_config", filter.typed_config());
    has_router = true;
  }
  if (!has_router) {
    refuse("http_filters", "there is no router");
  }
}

void check_manager(const http_v3::HttpConnectionManager& manager, std::string_view listener) {
  switch (manager.route_specifier_case()) {
    case http_v3::HttpConnectionManager::kRds:
      require_this_stream("rds.config_source", manager.rds().config_source());
      if (manager.rds().route_config_name().empty()) {
        refuse("rds.route_config_name", "is empty");
      }
      break;
    case http_v3::HttpConnectionManager::kRouteConfig: {
      const std::vector<std::string> authorities{std::string(listener)};
      check_virtual_hosts("route_config.virtual_hosts", manager.route_config().virtual_hosts(),
                          authorities);
      break;
    }
    case http_v3::HttpConnectionManager::ROUTE_SPECIFIER_NOT_SET:
      refuse("rds", "neither rds nor route_config is there");
  }
  check_filters(manager);
}

template <typename Check>
Result<void> run(std::string_view what, std::string_view name, Check check) {
  try {
    check();
    return {};
  } catch (const GrpcRefusal& refusal) {
    return fail(
        ErrorCode::kInvalidArgument,
        fmt::format("the {} '{}': {}: {}", what, escape_name(name), refusal.field, refusal.reason));
  }
}

}  // namespace

Result<void> check_grpc_listener(std::string_view name, std::string_view value) {
  return run("listener", name, [&] {
    const auto listener = read_known<listener_v3::Listener>("listener", value);
    require_name("name", listener.name(), name);
    if (!listener.has_api_listener()) {
      refuse("api_listener", "is missing: it would be a server's listener");
    }
    const auto manager = unpack<http_v3::HttpConnectionManager>(
        "api_listener.api_listener", listener.api_listener().api_listener());
    check_manager(manager, name);
  });
}

Result<void> check_grpc_routes(std::string_view name, std::string_view value,
                               std::span<const std::string> authorities) {
  return run("routes", name, [&] {
    const auto routes = read_known<route_v3::RouteConfiguration>("routes", value);
    require_name("name", routes.name(), name);
    check_virtual_hosts("virtual_hosts", routes.virtual_hosts(), authorities);
  });
}

Result<void> check_grpc_cluster(std::string_view name, std::string_view value) {
  return run("cluster", name, [&] {
    const auto cluster = read_known<cluster_v3::Cluster>("cluster", value);
    require_name("name", cluster.name(), name);
    if (!cluster.has_type() || cluster.type() != cluster_v3::Cluster::EDS) {
      refuse("type", "must be EDS");
    }
    require_this_stream("eds_cluster_config.eds_config", cluster.eds_cluster_config().eds_config());
    if (cluster.lb_policy() != cluster_v3::Cluster::ROUND_ROBIN &&
        cluster.lb_policy() != cluster_v3::Cluster::RING_HASH) {
      refuse("lb_policy", "must be ROUND_ROBIN or RING_HASH");
    }
  });
}

Result<void> check_grpc_endpoints(std::string_view name, std::string_view value) {
  return run("endpoints", name, [&] {
    const auto assignment = read_message<endpoint_v3::ClusterLoadAssignment>("endpoints", value);
    require_name("cluster_name", assignment.cluster_name(), name);
    if (assignment.has_policy() || !assignment.named_endpoints().empty()) {
      refuse("policy", "neither policy nor named_endpoints is known here");
    }
    check_localities(assignment);
  });
}

Result<void> check_grpc_resource(const ResourceUpdate& update,
                                 std::span<const std::string> authorities) {
  if (update.type_url == kListenerTypeUrl) {
    return check_grpc_listener(update.name, update.value);
  }
  if (update.type_url == kRouteTypeUrl) {
    return check_grpc_routes(update.name, update.value, authorities);
  }
  if (update.type_url == kClusterTypeUrl) {
    return check_grpc_cluster(update.name, update.value);
  }
  Result<void> checked = check_grpc_endpoints(update.name, update.value);
  for (const auto& [zone, value] : update.zone_values) {
    checked = checked.and_then([&] { return check_grpc_endpoints(update.name, value); });
  }
  return checked;
}

}  // namespace meshdns::discovery
