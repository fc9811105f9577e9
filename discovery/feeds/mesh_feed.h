// MeshFeed: the services of our own control plane. Turns each meshdns.mesh.v1.Service into a
// Service or a rejection.
//
// Belongs to the control thread. What a bad resource held before stays in use.
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

// What a service may have of each. One with more is refused whole, so whoever makes services leaves
// out what is beyond.
inline constexpr std::size_t kMaxServiceHostnames = 64;
inline constexpr std::size_t kMaxServiceAddresses = 1000;
inline constexpr std::size_t kMaxServicePorts = 1000;

// A service as the wire has it, checked: mesh and name present and fit for a resource name,
// hostnames that are DNS names (RFC 1035 section 2.3.4), ports within 1 to 65535 and not twice, no
// more of anything than there may be. The error names the field.
[[nodiscard]] Result<Service> decode_service(std::string_view value);

class MeshFeed {
 public:
  static constexpr const char* kName = "mesh";
  using OnDelta = std::function<void(ServiceDelta)>;

  // Subscribes to every service of the mesh; `mesh` is the one they must belong to. `held`: what an
  // earlier feed took, and whoever gets the deltas still has. The feed outlives the client's
  // callbacks.
  MeshFeed(AdsClient& client, std::string mesh, OnDelta on_delta, HeldVersions held = {});
  MeshFeed(const MeshFeed&) = delete;
  MeshFeed& operator=(const MeshFeed&) = delete;
  ~MeshFeed() = default;

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
