// EndpointsFeed: where the services of a mesh are served. Turns each ClusterLoadAssignment into the
// endpoints of a service or a rejection.
//
// Belongs to the control thread. What a bad resource held before stays in use. In state of the
// world nobody is told that an assignment is gone (xDS sends endpoints in parts): it stays until
// the service comes back with others, and names nothing meanwhile, for want of the service.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "discovery/service.h"
#include "discovery/xds/ads_client.h"
#include "discovery/xds/held_versions.h"

namespace meshdns::discovery {

// More endpoints of one service are refused, with all of them.
inline constexpr std::size_t kMaxServiceEndpoints = 100'000;

// The endpoints of "MESH/NAME" (the assignment's cluster_name) as the wire has them, checked: IP
// literals that are not unspecified, ports within 1 to 65535, not too many endpoints, zones and
// instances (an endpoint's hostname, which need not be a DNS name) of at most 253 octets. Sorted,
// without repetition; IPv4-mapped addresses as IPv4. The error names the field.
[[nodiscard]] Result<ServiceEndpoints> decode_endpoints(std::string_view value);

class EndpointsFeed {
 public:
  static constexpr const char* kName = "endpoints";
  using OnDelta = std::function<void(ServiceDelta)>;

  // Subscribes to the endpoints of every service of the mesh; `mesh` is the one they must belong
  // to. `held`: what an earlier feed took, and whoever gets the deltas still has. The feed outlives
  // the client's callbacks.
  EndpointsFeed(AdsClient& client, std::string mesh, OnDelta on_delta, HeldVersions held = {});
  EndpointsFeed(const EndpointsFeed&) = delete;
  EndpointsFeed& operator=(const EndpointsFeed&) = delete;
  ~EndpointsFeed() = default;

  // What a response says of the services of `mesh`; what it cannot take is added to `rejections`.
  [[nodiscard]] static ServiceDelta read(const ResponseView& response, const std::string& mesh,
                                         std::vector<Rejection>& rejections);

  // Whether a first response has come.
  [[nodiscard]] bool has_delivered() const { return has_delivered_; }

 private:
  std::vector<Rejection> on_response(const ResponseView& response);

  std::string mesh_;
  OnDelta on_delta_;
  bool has_delivered_ = false;
};

}  // namespace meshdns::discovery
