#include "discovery/feeds/load_assignment.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
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
#include "envoy/config/core/v3/address.pb.h"
#include "envoy/config/endpoint/v3/endpoint.pb.h"
#include "envoy/config/endpoint/v3/endpoint_components.pb.h"

namespace meshdns::discovery {
namespace {

namespace core = envoy::config::core::v3;
namespace endpoint = envoy::config::endpoint::v3;

constexpr std::size_t kMaxEndpoints = 100'000;

tl::unexpected<Error> invalid(std::string message) {
  return fail(ErrorCode::kInvalidArgument, std::move(message));
}

class AssignmentReader {
 public:
  AssignmentReader(const endpoint::ClusterLoadAssignment& message, HostNames host_names)
      : message_(message), host_names_(host_names) {}

  Result<LoadAssignment> read() {
    for (const endpoint::LocalityLbEndpoints& locality : message_.endpoints()) {
      if (locality.locality().zone().size() > kMaxNameOctets) {
        return invalid(fmt::format("locality zone: {} octets are more than {}",
                                   locality.locality().zone().size(), kMaxNameOctets));
      }
      for (const endpoint::LbEndpoint& member : locality.lb_endpoints()) {
        if (auto added = add(member, locality); !added) {
          return tl::unexpected(std::move(added.error()));
        }
      }
    }
    LoadAssignment result{.name = message_.cluster_name(),
                          .endpoints = take_first_serving(),
                          .is_elsewhere = found_.empty() && any_left_out_};
    std::ranges::sort(result.endpoints);
    const auto repeated = std::ranges::unique(result.endpoints);
    result.endpoints.erase(repeated.begin(), repeated.end());
    return result;
  }

 private:
  struct Found {
    std::uint32_t priority;
    Endpoint endpoint;
  };

  Result<void> add(const endpoint::LbEndpoint& member,
                   const endpoint::LocalityLbEndpoints& locality) {
    const endpoint::Endpoint* host = &member.endpoint();
    if (member.has_endpoint_name()) {
      const auto named = message_.named_endpoints().find(member.endpoint_name());
      if (named == message_.named_endpoints().end()) {
        return invalid(fmt::format("endpoint_name: '{}' is not among named_endpoints",
                                   escape_name(member.endpoint_name())));
      }
      host = &named->second;
    }
    if (host->hostname().size() > kMaxNameOctets) {
      return invalid(fmt::format("endpoint hostname: {} octets are more than {}",
                                 host->hostname().size(), kMaxNameOctets));
    }
    const Found found{.priority = locality.priority(),
                      .endpoint = {.address = {},
                                   .port = 0,
                                   .zone = locality.locality().zone(),
                                   .health = health_of(member.health_status()),
                                   .instance = host->hostname()}};
    auto added = add_address(host->address(), found);
    for (const auto& additional : host->additional_addresses()) {
      added = added ? add_address(additional.address(), found) : std::move(added);
    }
    return added;
  }

  Result<void> add_address(const core::Address& message, Found found) {
    const core::SocketAddress& socket = message.socket_address();
    const auto address = IpAddress::parse(socket.address());
    const bool may_be_name = host_names_ == HostNames::kLeftOut || !socket.resolver_name().empty();
    if (!message.has_socket_address() || (!address && may_be_name)) {
      any_left_out_ = true;
      return {};
    }
    if (!address || address->unmapped().is_unspecified()) {
      return invalid(
          fmt::format("endpoint address: '{}' is no IP address", escape_name(socket.address())));
    }
    if (socket.port_value() > UINT16_MAX) {
      return invalid(fmt::format("endpoint port: {} is no port number", socket.port_value()));
    }
    if (found_.size() >= kMaxEndpoints) {
      return invalid(fmt::format("endpoints: there are more than {}", kMaxEndpoints));
    }
    found.endpoint.address = address->unmapped();
    found.endpoint.port = static_cast<std::uint16_t>(socket.port_value());
    found_.push_back(std::move(found));
    return {};
  }

  // Endpoints of later priorities stand by for those before them.
  [[nodiscard]] std::vector<Endpoint> take_first_serving() const {
    constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();
    std::uint32_t first = kNone;
    for (const Found& found : found_) {
      if (found.endpoint.health != Health::kUnhealthy) {
        first = std::min(first, found.priority);
      }
    }
    std::vector<Endpoint> endpoints;
    for (const Found& found : found_) {
      if (first == kNone || found.priority == first) {
        endpoints.push_back(found.endpoint);
      }
    }
    return endpoints;
  }

  const endpoint::ClusterLoadAssignment& message_;
  HostNames host_names_;
  std::vector<Found> found_;
  bool any_left_out_ = false;
};

}  // namespace

Result<LoadAssignment> decode_load_assignment(std::string_view value, HostNames host_names) {
  endpoint::ClusterLoadAssignment message;
  if (!message.ParseFromArray(value.data(), static_cast<int>(value.size()))) {
    return invalid("the value is no ClusterLoadAssignment");
  }
  return read_load_assignment(message, host_names);
}

Result<LoadAssignment> read_load_assignment(const endpoint::ClusterLoadAssignment& message,
                                            HostNames host_names) {
  return AssignmentReader(message, host_names).read();
}

}  // namespace meshdns::discovery
