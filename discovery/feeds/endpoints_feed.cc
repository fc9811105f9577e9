#include "discovery/feeds/endpoints_feed.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/ip_address.h"
#include "base/log.h"
#include "base/result.h"
#include "discovery/dns_name.h"
#include "discovery/feeds/endpoint_health.h"
#include "discovery/service.h"
#include "discovery/xds/ads_client.h"
#include "discovery/xds/held_versions.h"
#include "discovery/xds/type_urls.h"
#include "envoy/config/core/v3/address.pb.h"
#include "envoy/config/endpoint/v3/endpoint.pb.h"
#include "envoy/config/endpoint/v3/endpoint_components.pb.h"

namespace meshdns::discovery {
namespace {

namespace core = envoy::config::core::v3;
namespace endpoint = envoy::config::endpoint::v3;

tl::unexpected<Error> invalid(std::string message) {
  return fail(ErrorCode::kInvalidArgument, std::move(message));
}

Result<Endpoint> decode_endpoint(const endpoint::LbEndpoint& message, const std::string& zone) {
  const core::SocketAddress& socket = message.endpoint().address().socket_address();
  const auto address = IpAddress::parse(socket.address());
  if (!address || address->unmapped().is_unspecified()) {
    return invalid(
        fmt::format("endpoint address: '{}' is no IP address", escape_name(socket.address())));
  }
  if (socket.port_value() == 0 || socket.port_value() > UINT16_MAX) {
    return invalid(fmt::format("endpoint port: {} is no port number", socket.port_value()));
  }
  const std::string& instance = message.endpoint().hostname();
  if (instance.size() > kMaxNameOctets) {
    return invalid(fmt::format("endpoint hostname: {} octets are more than {}", instance.size(),
                               kMaxNameOctets));
  }
  return Endpoint{address->unmapped(), static_cast<std::uint16_t>(socket.port_value()), zone,
                  health_of(message.health_status()), instance};
}

Result<ServiceId> decode_cluster_name(const std::string& name) {
  auto id = ServiceId::parse(name);
  if (!id || id->mesh.empty() || id->name.empty() || id->mesh.size() > kMaxNameOctets ||
      id->name.size() > kMaxNameOctets || id->name.find('/') != std::string::npos) {
    return invalid(fmt::format("cluster_name: '{}' is no MESH/NAME", escape_name(name)));
  }
  return *std::move(id);
}

}  // namespace

Result<ServiceEndpoints> decode_endpoints(std::string_view value) {
  endpoint::ClusterLoadAssignment message;
  if (!message.ParseFromArray(value.data(), static_cast<int>(value.size()))) {
    return invalid("the value is no ClusterLoadAssignment");
  }
  auto id = decode_cluster_name(message.cluster_name());
  if (!id) {
    return tl::unexpected(std::move(id.error()));
  }
  ServiceEndpoints result{*std::move(id), {}};
  for (const endpoint::LocalityLbEndpoints& locality : message.endpoints()) {
    const std::string& zone = locality.locality().zone();
    if (zone.size() > kMaxNameOctets) {
      return invalid(
          fmt::format("locality zone: {} octets are more than {}", zone.size(), kMaxNameOctets));
    }
    for (const endpoint::LbEndpoint& member : locality.lb_endpoints()) {
      auto decoded = decode_endpoint(member, zone);
      if (!decoded) {
        return tl::unexpected(std::move(decoded.error()));
      }
      if (result.endpoints.size() >= kMaxServiceEndpoints) {
        return invalid(fmt::format("endpoints: there are more than {}", kMaxServiceEndpoints));
      }
      result.endpoints.push_back(*std::move(decoded));
    }
  }
  std::ranges::sort(result.endpoints);
  const auto repeated = std::ranges::unique(result.endpoints);
  result.endpoints.erase(repeated.begin(), repeated.end());
  return result;
}

EndpointsFeed::EndpointsFeed(AdsClient& client, std::string mesh, OnDelta on_delta,
                             HeldVersions held)
    : mesh_(std::move(mesh)), on_delta_(std::move(on_delta)) {
  client.subscribe(
      kClusterLoadAssignmentTypeUrl, {.wildcard = true, .names = {}},
      [this](const ResponseView& response) { return on_response(response); }, std::move(held));
}

ServiceDelta EndpointsFeed::read(const ResponseView& response, const std::string& mesh,
                                 std::vector<Rejection>& rejections) {
  ServiceDelta delta{.feed = kName, .full_state = response.full_state};
  for (const ResponseItem& item : response.resources) {
    auto decoded = decode_endpoints(item.value);
    if (decoded && decoded->service.mesh != mesh) {
      decoded = invalid(fmt::format("cluster_name: '{}' is not of the mesh of this resolver, '{}'",
                                    escape_name(decoded->service.to_string()), mesh));
    }
    if (decoded && item.name != decoded->service.to_string()) {
      decoded = invalid(
          fmt::format("the resource says it is '{}'", escape_name(decoded->service.to_string())));
    }
    if (decoded) {
      delta.accepted.push_back(
          {decoded->service.to_string(), item.version, std::string(item.value)});
      delta.endpoints.push_back(*std::move(decoded));
      continue;
    }
    rejections.push_back({item.name, std::move(decoded.error().message)});
    // A full state with a resource that cannot be read does not say that what it held is gone.
    delta.full_state = false;
  }
  for (const std::string& name : response.removed) {
    if (auto id = ServiceId::parse(name)) {
      delta.removed_endpoints.push_back(*std::move(id));
    }
  }
  return delta;
}

std::vector<Rejection> EndpointsFeed::on_response(const ResponseView& response) {
  std::vector<Rejection> rejections;
  ServiceDelta delta = read(response, mesh_, rejections);
  has_delivered_ = true;
  on_delta_(std::move(delta));
  return rejections;
}

}  // namespace meshdns::discovery
