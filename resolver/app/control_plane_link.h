// The resolver's end of a control plane: finds its address, keeps an AdsClient and the feeds on it,
// and says how it stands.
//
// Control thread. gRPC never resolves a name: a host name is looked up here, again whenever the
// connection is lost, and the client is given addresses.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/backoff.h"
#include "base/clock.h"
#include "base/ip_address.h"
#include "base/log.h"
#include "base/result.h"
#include "discovery/feeds/kuma_feed.h"
#include "discovery/xds/ads_client.h"
#include "discovery/xds/metrics.h"
#include "discovery/xds/node.h"
#include "resolver/app/control_loop.h"
#include "resolver/app/control_plane_feeds.h"
#include "resolver/app/host_lookup.h"
#include "resolver/app/self_registration.h"
#include "resolver/app/table_source.h"
#include "resolver/forward/upstream_server.h"

namespace meshdns::dns {

// An address of a control plane taken apart.
struct ControlPlaneAddress {
  std::string host;  // to be looked up; empty when `target` says it all
  std::uint16_t port = 0;
  std::string target;  // "ipv4:...", "ipv6:..." or "unix:..."
};
// `text` as Config::ControlPlane::address has it.
[[nodiscard]] ControlPlaneAddress parse_control_plane_address(const std::string& text);

// gRPC targets for looked-up addresses, in their order; `host` is whose they are, if anybody's.
[[nodiscard]] std::vector<std::string> targets_of(const std::vector<IpAddress>& addresses,
                                                  std::uint16_t port, const std::string& host = {});

class ControlPlaneLink final : public TableSource {
 public:
  struct Options {
    std::vector<std::string> addresses;  // as parse_control_plane_address() takes them
    std::unique_ptr<ControlPlaneFeeds> feeds;
    discovery::NodeInfo node;
    // As AdsClient::Options has them.
    Backoff::Options backoff = {};
    std::function<Result<discovery::AdsCredentials>()> credentials = nullptr;
    std::unique_ptr<SelfRegistration> registration = nullptr;  // null: it brings no Dataplane
  };
  struct Callbacks {
    ControlPlaneFeeds::OnDelta on_delta;  // of any feed
    // The servers to look the control plane's name up with, at that moment.
    std::function<std::vector<UpstreamServer>()> name_servers;
  };

  // References outlive the link.
  ControlPlaneLink(Options options, ControlLoop& loop, Clock& clock, Logger& logger,
                   discovery::XdsClientMetrics& metrics, Callbacks callbacks);
  ControlPlaneLink(const ControlPlaneLink&) = delete;
  ControlPlaneLink& operator=(const ControlPlaneLink&) = delete;
  ~ControlPlaneLink() override;  // no callback during or after

  // Never fails: what cannot be reached is tried again for ever. `held`: what whoever gets the
  // deltas has from before, by feed.
  void start(ControlPlaneFeeds::Held held = {}) override;

  // No callback during or after. A second call does nothing.
  void stop() override;

  [[nodiscard]] bool is_connected() const override { return client_ && client_->connected(); }
  void refresh() override;
  [[nodiscard]] std::string note() const override;
  // Whether each of the feeds has delivered once.
  [[nodiscard]] bool has_delivered() const { return options_.feeds->have_delivered(); }
  [[nodiscard]] const discovery::KumaFeed* kuma_feed() const override {
    return options_.feeds->kuma_feed();
  }
  [[nodiscard]] std::vector<std::string> feeds() const override { return options_.feeds->names(); }
  // "connected to ADDRESS", "not connected to ADDRESS", "cannot resolve ...".
  [[nodiscard]] std::string state() const override;
  [[nodiscard]] std::string what() const override { return "control plane"; }

 private:
  // Looks up the names, one after the other.
  void look_up();
  void look_up_from(std::size_t place);
  void on_addresses(std::size_t place, const Result<std::vector<IpAddress>>& addresses);
  void use(const std::vector<std::string>& targets);
  void make_client(const std::vector<std::string>& targets);
  [[nodiscard]] bool has_names() const;

  Options options_;  // the feeds in it outlive the client's callbacks
  ControlLoop& loop_;
  Clock& clock_;
  Logger& logger_;
  discovery::XdsClientMetrics& metrics_;
  Callbacks callbacks_;
  struct Place {
    ControlPlaneAddress address;
    std::vector<std::string> targets;  // found last
  };
  std::vector<Place> places_;
  ControlPlaneFeeds::Held held_;  // until there is a client
  std::string lookup_failure_;
  bool stopped_ = false;
  Backoff backoff_;
  std::unique_ptr<discovery::AdsClient> client_;
  WakeTimer lookup_timer_;
  HostLookup lookup_;
};

}  // namespace meshdns::dns
