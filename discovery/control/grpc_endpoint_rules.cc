#include "discovery/control/grpc_endpoint_rules.h"

#include <cstdint>
#include <limits>
#include <map>
#include <set>
#include <string>

#include <fmt/format.h>

#include "base/ip_address.h"
#include "base/log.h"
#include "discovery/control/grpc_refusal.h"
#include "envoy/config/core/v3/address.pb.h"
#include "envoy/config/core/v3/health_check.pb.h"
#include "envoy/config/endpoint/v3/endpoint.pb.h"
#include "envoy/config/endpoint/v3/endpoint_components.pb.h"

namespace meshdns::discovery {
namespace {

namespace core_v3 = envoy::config::core::v3;
namespace endpoint_v3 = envoy::config::endpoint::v3;

std::string check_address(const std::string& field, const core_v3::Address& address) {
  if (!address.has_socket_address()) {
    refuse(field + ".socket_address", "is missing");
  }
  const core_v3::SocketAddress& socket = address.socket_address();
  const auto ip = IpAddress::parse(socket.address());
  if (!ip) {
    refuse(field + ".socket_address.address",
           fmt::format("'{}' is no IP address", escape_name(socket.address())));
  }
  const std::uint32_t port = socket.port_value();
  if (port == 0 || port > std::numeric_limits<std::uint16_t>::max()) {
    refuse(field + ".socket_address.port_value", fmt::format("{} is no port", port));
  }
  return SocketAddress{.ip = *ip, .port = static_cast<std::uint16_t>(port)}.to_string();
}

// What the localities of one assignment have in common.
class Localities {
 public:
  void add(const std::string& field, const endpoint_v3::LocalityLbEndpoints& locality) {
    if (!locality.has_locality()) {
      refuse(field + ".locality", "is missing");
    }
    const std::uint32_t weight = locality.load_balancing_weight().value();
    if (weight == 0) {
      refuse(field + ".load_balancing_weight", "is missing or 0, which means no calls");
    }
    Priority& priority = priorities_[locality.priority()];
    const auto& name = locality.locality();
    if (!priority.names.insert(name.SerializeAsString()).second) {
      refuse(field + ".locality", fmt::format("zone '{}' stands twice in priority {}",
                                              escape_name(name.zone()), locality.priority()));
    }
    priority.weight += weight;
    if (priority.weight > std::numeric_limits<std::uint32_t>::max()) {
      refuse(field + ".load_balancing_weight",
             fmt::format("the sum in priority {} exceeds 32 bits", locality.priority()));
    }
    for (int i = 0; i < locality.lb_endpoints_size(); ++i) {
      add_endpoint(fmt::format("{}.lb_endpoints[{}]", field, i), locality.lb_endpoints(i));
    }
  }

  void finish() const {
    std::uint32_t expected = 0;
    for (const auto& [priority, content] : priorities_) {
      if (priority != expected) {
        refuse("endpoints", fmt::format("priority {} is empty", expected));
      }
      ++expected;
    }
  }

 private:
  struct Priority {
    std::set<std::string> names;
    std::uint64_t weight = 0;
  };

  void add_endpoint(const std::string& field, const endpoint_v3::LbEndpoint& endpoint) {
    if (endpoint.health_status() != core_v3::UNKNOWN &&
        endpoint.health_status() != core_v3::HEALTHY) {
      return;  // gRPC does not look at it
    }
    if (endpoint.has_load_balancing_weight() && endpoint.load_balancing_weight().value() == 0) {
      refuse(field + ".load_balancing_weight", "is 0");
    }
    if (!endpoint.has_endpoint()) {
      refuse(field + ".endpoint", "is missing");
    }
    const std::string address =
        check_address(field + ".endpoint.address", endpoint.endpoint().address());
    if (!addresses_.insert(address).second) {
      refuse(field + ".endpoint.address", address + " stands there twice");
    }
  }

  std::map<std::uint32_t, Priority> priorities_;
  std::set<std::string> addresses_;
};

}  // namespace

void check_localities(const endpoint_v3::ClusterLoadAssignment& assignment) {
  Localities localities;
  for (int i = 0; i < assignment.endpoints_size(); ++i) {
    localities.add(fmt::format("endpoints[{}]", i), assignment.endpoints(i));
  }
  localities.finish();
}

}  // namespace meshdns::discovery
