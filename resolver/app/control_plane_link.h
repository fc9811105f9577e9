// The resolver's end of the control plane: finds its address, keeps an AdsClient and the feeds on
// it, and says how it stands.
//
// Control thread. gRPC never resolves a name: a host name is looked up here, again whenever the
// connection is lost, and the client is given addresses.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/backoff.h"
#include "base/clock.h"
#include "base/ip_address.h"
#include "base/log.h"
#include "base/result.h"
#include "discovery/feeds/endpoints_feed.h"
#include "discovery/feeds/mesh_feed.h"
#include "discovery/service.h"
#include "discovery/xds/ads_client.h"
#include "discovery/xds/metrics.h"
#include "resolver/app/control_loop.h"
#include "resolver/app/host_lookup.h"

namespace meshdns::dns {

// control_plane.address taken apart.
struct ControlPlaneAddress {
  std::string host;  // to be looked up; empty when `target` says it all
  std::uint16_t port = 0;
  std::string target;  // "ipv4:...", "ipv6:..." or "unix:..."
};
// `text` as Config::ControlPlane::address has it.
[[nodiscard]] ControlPlaneAddress parse_control_plane_address(const std::string& text);

// gRPC targets for looked-up addresses, in their order.
[[nodiscard]] std::vector<std::string> targets_of(const std::vector<IpAddress>& addresses,
                                                  std::uint16_t port);

class ControlPlaneLink {
 public:
  struct Options {
    std::string address;
    std::string mesh;
    bool endpoints = false;  // whether they are asked for
    discovery::NodeInfo node;
  };
  struct Callbacks {
    std::function<void(const discovery::ServiceDelta&)> on_delta;  // of any feed
    // The servers to look the control plane's name up with, at that moment.
    std::function<std::vector<SocketAddress>()> name_servers;
  };

  // References outlive the link.
  ControlPlaneLink(Options options, ControlLoop& loop, Clock& clock, Logger& logger,
                   discovery::XdsClientMetrics& metrics, Callbacks callbacks);
  ControlPlaneLink(const ControlPlaneLink&) = delete;
  ControlPlaneLink& operator=(const ControlPlaneLink&) = delete;
  ~ControlPlaneLink();  // no callback during or after

  // Never fails: what cannot be reached is tried again for ever. `held`: what whoever gets the
  // deltas has from before, by feed.
  void start(std::map<std::string, discovery::HeldVersions> held = {});

  // No callback during or after. A second call does nothing.
  void stop();

  [[nodiscard]] bool is_connected() const { return client_ && client_->connected(); }
  // Whether each of the feeds has delivered once.
  [[nodiscard]] bool has_delivered() const {
    return mesh_feed_ && mesh_feed_->has_delivered() &&
           (!endpoints_feed_ || endpoints_feed_->has_delivered());
  }
  // The feeds that deliver here.
  [[nodiscard]] std::vector<std::string> feeds() const;
  // For people: "connected", "not connected to ADDRESS", "cannot resolve ...".
  [[nodiscard]] std::string state() const;

 private:
  void look_up();
  void on_addresses(const Result<std::vector<IpAddress>>& addresses);
  void use(const std::vector<std::string>& targets);

  Options options_;
  ControlLoop& loop_;
  Clock& clock_;
  Logger& logger_;
  discovery::XdsClientMetrics& metrics_;
  Callbacks callbacks_;
  ControlPlaneAddress address_;
  std::map<std::string, discovery::HeldVersions> held_;  // until there is a client
  std::string lookup_failure_;
  Backoff backoff_;
  // These outlive the client's callbacks.
  std::unique_ptr<discovery::MeshFeed> mesh_feed_;
  std::unique_ptr<discovery::EndpointsFeed> endpoints_feed_;
  std::unique_ptr<discovery::AdsClient> client_;
  WakeTimer lookup_timer_;
  HostLookup lookup_;
};

}  // namespace meshdns::dns
