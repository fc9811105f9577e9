#include "resolver/app/control_plane_link.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/backoff.h"
#include "base/clock.h"
#include "base/ip_address.h"
#include "base/log.h"
#include "base/result.h"
#include "discovery/xds/ads_client.h"
#include "discovery/xds/metrics.h"
#include "resolver/app/control_loop.h"
#include "resolver/app/control_plane_feeds.h"
#include "resolver/app/setting_text.h"

namespace meshdns::dns {
namespace {

// While the connection is lost the control plane's name may lead elsewhere by now.
constexpr Backoff::Options kLookupBackoff{.initial = std::chrono::seconds(1),
                                          .maximum = std::chrono::seconds(15)};

// A connection that died without a word is noticed within the sum. Our control plane allows pings
// every 5 s; those made with go-control-plane may cut off who pings more often than every 30 s.
constexpr std::chrono::seconds kKeepaliveTime{20};
constexpr std::chrono::seconds kKeepaliveTimeout{8};

constexpr std::chrono::seconds kFailBackAfter{30};

// While changes come thick, what is told within this time comes together: a turn of the stream
// costs several times what one more change in it does.
constexpr std::chrono::milliseconds kAckPause{40};

}  // namespace

ControlPlaneAddress parse_control_plane_address(const std::string& text) {
  if (text.starts_with("unix:")) {
    return {.host = {}, .port = 0, .target = text};
  }
  if (const auto literal = SocketAddress::parse(text)) {
    return {.host = {},
            .port = literal->port,
            .target = targets_of({literal->ip}, literal->port).front()};
  }
  const std::size_t colon = text.rfind(':');
  const auto port = parse_number(text.substr(colon + 1), 1, UINT16_MAX);
  return {.host = text.substr(0, colon),
          .port = static_cast<std::uint16_t>(port.value_or(0)),
          .target = {}};
}

std::vector<std::string> targets_of(const std::vector<IpAddress>& addresses, std::uint16_t port,
                                    const std::string& host) {
  std::vector<std::string> targets;
  targets.reserve(addresses.size());
  for (const IpAddress& address : addresses) {
    targets.push_back(fmt::format("{}:{}{}{}", address.is_v4() ? "ipv4" : "ipv6",
                                  SocketAddress{address, port, 0}.to_string(),
                                  host.empty() ? "" : "#", host));
  }
  return targets;
}

ControlPlaneLink::ControlPlaneLink(Options options, ControlLoop& loop, Clock& clock, Logger& logger,
                                   discovery::XdsClientMetrics& metrics, Callbacks callbacks)
    : options_(std::move(options)),
      loop_(loop),
      clock_(clock),
      logger_(logger),
      metrics_(metrics),
      callbacks_(std::move(callbacks)),
      backoff_(kLookupBackoff, std::random_device{}()),
      lookup_timer_(loop, clock, [this] { look_up(); }),
      lookup_(loop) {
  for (const std::string& address : options_.addresses) {
    Place place{.address = parse_control_plane_address(address), .targets = {}};
    if (place.address.host.empty()) {
      place.targets = {place.address.target};
    }
    places_.push_back(std::move(place));
  }
}

// NOLINTNEXTLINE(clang-analyzer-optin.cplusplus.VirtualCall): the class is final.
ControlPlaneLink::~ControlPlaneLink() { stop(); }

void ControlPlaneLink::stop() {
  stopped_ = true;
  lookup_timer_.set(std::nullopt);
  if (client_) {
    client_->stop();
  }
}

void ControlPlaneLink::start(ControlPlaneFeeds::Held held) {
  held_ = std::move(held);
  look_up();
}

bool ControlPlaneLink::has_names() const {
  return std::ranges::any_of(places_,
                             [](const Place& place) { return !place.address.host.empty(); });
}

std::string ControlPlaneLink::state() const {
  const std::string all = fmt::format("{}", fmt::join(options_.addresses, ", "));
  if (is_connected()) {
    return "connected to " + all;
  }
  return lookup_failure_.empty() ? "not connected to " + all : lookup_failure_;
}

void ControlPlaneLink::refresh() {
  if (client_ && options_.registration && options_.registration->has_changed()) {
    logger_.info("the Dataplane is another, connecting anew");
    client_->reconnect();
  }
}

std::string ControlPlaneLink::note() const {
  return options_.registration == nullptr || options_.registration->refusal().empty()
             ? std::string()
             : "the control plane refuses the Dataplane of this resolver: " +
                   options_.registration->refusal();
}

void ControlPlaneLink::look_up() {
  if (!is_connected()) {
    look_up_from(0);
  }
}

void ControlPlaneLink::look_up_from(std::size_t place) {
  while (place < places_.size() && places_[place].address.host.empty()) {
    ++place;
  }
  if (place < places_.size()) {
    lookup_.start(places_[place].address.host, callbacks_.name_servers(),
                  [this, place](const Result<std::vector<IpAddress>>& result) {
                    on_addresses(place, result);
                  });
    return;
  }
  std::vector<std::string> targets;
  for (const Place& each : places_) {
    targets.insert(targets.end(), each.targets.begin(), each.targets.end());
  }
  if (!targets.empty()) {
    use(targets);
  }
  if (has_names() && !is_connected()) {
    lookup_timer_.set(clock_.now() + backoff_.next());
  }
}

void ControlPlaneLink::on_addresses(std::size_t place,
                                    const Result<std::vector<IpAddress>>& addresses) {
  if (stopped_) {
    return;
  }
  const ControlPlaneAddress& address = places_[place].address;
  if (addresses) {
    lookup_failure_.clear();
    places_[place].targets = targets_of(*addresses, address.port, address.host);
  } else {
    if (lookup_failure_.empty()) {
      logger_.warn("control plane not found address={} reason=\"{}\"",
                   escape_name(options_.addresses[place]), escape_text(addresses.error().message));
    }
    lookup_failure_ = addresses.error().message;
  }
  look_up_from(place + 1);
}

void ControlPlaneLink::use(const std::vector<std::string>& targets) {
  if (!client_) {
    make_client(targets);
    return;
  }
  if (const auto changed = client_->set_targets(targets); !changed) {
    logger_.error("{}", escape_text(changed.error().message));
  }
}

void ControlPlaneLink::make_client(const std::vector<std::string>& targets) {
  discovery::AdsClient::Options options;
  options.targets = targets;
  options.node = options_.node;
  options.credentials = options_.credentials;
  options.keepalive_time = kKeepaliveTime;
  options.keepalive_timeout = kKeepaliveTimeout;
  options.fail_back_after = kFailBackAfter;
  options.ack_pause = kAckPause;
  options.backoff = options_.backoff;
  if (SelfRegistration* const registration = options_.registration.get()) {
    options.complete_node = [registration](discovery::NodeInfo& node) {
      registration->complete(node);
    };
    options.on_loss = [registration](const std::string& reason) { registration->on_loss(reason); };
  }
  auto client = discovery::AdsClient::create(
      options,
      {.post = [this](std::function<void()> task) { loop_.post(std::move(task)); },
       .run_after =
           [this](std::chrono::milliseconds delay, std::function<void()> task) {
             auto timer = std::make_shared<WakeTimer>(loop_, clock_, std::move(task));
             timer->set(clock_.now() + delay);
             return timer;
           }},
      clock_, logger_, metrics_);
  if (!client) {
    lookup_failure_ = client.error().message;
    logger_.error("{}", escape_text(lookup_failure_));
    return;
  }
  client_ = std::move(*client);
  options_.feeds->subscribe(*client_, logger_, callbacks_.on_delta,
                            std::exchange(held_, ControlPlaneFeeds::Held()));
  client_->observe_connection([this](bool connected) {
    if (connected) {
      backoff_.reset();
      lookup_timer_.set(std::nullopt);
    } else if (has_names()) {
      lookup_timer_.set(clock_.now() + backoff_.next());
    }
  });
  client_->start();
}

}  // namespace meshdns::dns
