// The addresses in a ClusterLoadAssignment of anybody's control plane. Kinder than what our own has
// to keep to (decode_endpoints): what is of use to a proxy and none to DNS is left out.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "discovery/service.h"

namespace envoy::config::endpoint::v3 {
class ClusterLoadAssignment;
}  // namespace envoy::config::endpoint::v3

namespace meshdns::discovery {

struct LoadAssignment {
  std::string name;  // its cluster_name
  // Sorted and without repetition, IPv4-mapped addresses as IPv4; port 0 where none is told. Of the
  // first priority with an endpoint that is not unhealthy; of all when there is none.
  std::vector<Endpoint> endpoints;
  // There are endpoints, and none of them has an IP address.
  bool is_elsewhere = false;

  friend bool operator==(const LoadAssignment&, const LoadAssignment&) = default;
};

// What an address may be beside an IP literal.
enum class HostNames : std::uint8_t {
  kRefused,
  kLeftOut,  // it is somebody else's to look up
};

// Left out are pipes, Envoy's internal addresses, and what `host_names` or a custom resolver allow.
// Additional addresses of an endpoint are endpoints of their own. An endpoint may stand in
// named_endpoints. The error names the field: no IP address or the unspecified one, a port beyond
// 65535, more than 100,000 endpoints, a zone or a hostname of more than 253 octets.
[[nodiscard]] Result<LoadAssignment> decode_load_assignment(std::string_view value,
                                                            HostNames host_names);
[[nodiscard]] Result<LoadAssignment> read_load_assignment(
    const envoy::config::endpoint::v3::ClusterLoadAssignment& message, HostNames host_names);

}  // namespace meshdns::discovery
