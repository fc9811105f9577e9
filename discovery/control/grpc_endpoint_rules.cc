#include "discovery/control/grpc_endpoint_rules.h"

#include <cstdint>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <google/protobuf/message.h>
#include <google/protobuf/unknown_field_set.h>

#include "base/ip_address.h"
#include "base/log.h"
#include "discovery/control/grpc_refusal.h"
#include "envoy/config/core/v3/address.pb.h"
#include "envoy/config/endpoint/v3/endpoint.pb.h"
#include "envoy/config/endpoint/v3/endpoint_components.pb.h"

namespace meshdns::discovery {
namespace {

namespace core_v3 = envoy::config::core::v3;
namespace endpoint_v3 = envoy::config::endpoint::v3;

// True when none of the messages itself has what our schema lacks.
template <typename... Messages>
bool is_known(const Messages&... messages) {
  return (messages.GetReflection()->GetUnknownFields(messages).empty() && ...);
}

// What the localities of one assignment have in common. There may be a hundred thousand endpoints:
// the name of a field is written when it is needed, and no message is copied or walked through.
class Localities {
 public:
  void add(const endpoint_v3::LocalityLbEndpoints& locality) {
    if (!locality.has_locality()) {
      refuse_here("locality", "is missing");
    }
    if (!is_known(locality, locality.locality(), locality.load_balancing_weight())) {
      refuse_here("locality", "has a field beside it or in it that is not known here");
    }
    const std::uint32_t weight = locality.load_balancing_weight().value();
    if (weight == 0) {
      refuse_here("load_balancing_weight", "is missing or 0, which means no calls");
    }
    Priority& priority = priorities_[locality.priority()];
    const auto& name = locality.locality();
    if (!priority.names.insert(name.SerializeAsString()).second) {
      refuse_here("locality", fmt::format("zone '{}' stands twice in priority {}",
                                          escape_name(name.zone()), locality.priority()));
    }
    priority.weight += weight;
    if (priority.weight > std::numeric_limits<std::uint32_t>::max()) {
      refuse_here("load_balancing_weight",
                  fmt::format("the sum in priority {} exceeds 32 bits", locality.priority()));
    }
    for (endpoint_ = 0; endpoint_ < locality.lb_endpoints_size(); ++endpoint_) {
      add_endpoint(locality.lb_endpoints(endpoint_));
    }
    ++locality_;
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

  [[noreturn]] void refuse_here(std::string_view field, std::string reason) const {
    refuse(fmt::format("endpoints[{}].{}", locality_, field), std::move(reason));
  }
  [[noreturn]] void refuse_endpoint(std::string_view field, std::string reason) const {
    refuse_here(fmt::format("lb_endpoints[{}].{}", endpoint_, field), std::move(reason));
  }

  void add_endpoint(const endpoint_v3::LbEndpoint& endpoint) {
    if (endpoint.health_status() != core_v3::UNKNOWN &&
        endpoint.health_status() != core_v3::HEALTHY) {
      return;  // gRPC does not look at it
    }
    if (endpoint.has_load_balancing_weight() && endpoint.load_balancing_weight().value() == 0) {
      refuse_endpoint("load_balancing_weight", "is 0");
    }
    if (!endpoint.has_endpoint()) {
      refuse_endpoint("endpoint", "is missing");
    }
    const core_v3::Address& written = endpoint.endpoint().address();
    if (!is_known(endpoint, endpoint.endpoint(), written, written.socket_address(),
                  endpoint.load_balancing_weight())) {
      refuse_endpoint("endpoint", "has a field that is not known here");
    }
    const SocketAddress address = address_of(written);
    if (!addresses_.insert(address).second) {
      refuse_endpoint("endpoint.address", address.to_string() + " stands there twice");
    }
  }

  [[nodiscard]] SocketAddress address_of(const core_v3::Address& address) const {
    if (!address.has_socket_address()) {
      refuse_endpoint("endpoint.address.socket_address", "is missing");
    }
    const core_v3::SocketAddress& socket = address.socket_address();
    const auto ip = IpAddress::parse(socket.address());
    if (!ip) {
      refuse_endpoint("endpoint.address.socket_address.address",
                      fmt::format("'{}' is no IP address", escape_name(socket.address())));
    }
    const std::uint32_t port = socket.port_value();
    if (port == 0 || port > std::numeric_limits<std::uint16_t>::max()) {
      refuse_endpoint("endpoint.address.socket_address.port_value",
                      fmt::format("{} is no port", port));
    }
    return {.ip = *ip, .port = static_cast<std::uint16_t>(port)};
  }

  int locality_ = 0;  // that is looked at
  int endpoint_ = 0;
  std::map<std::uint32_t, Priority> priorities_;
  std::set<SocketAddress> addresses_;
};

}  // namespace

void check_localities(const endpoint_v3::ClusterLoadAssignment& assignment) {
  if (!is_known(assignment)) {
    refuse("endpoints", "there is a field beside them that is not known here");
  }
  Localities localities;
  for (const endpoint_v3::LocalityLbEndpoints& locality : assignment.endpoints()) {
    localities.add(locality);
  }
  localities.finish();
}

}  // namespace meshdns::discovery
