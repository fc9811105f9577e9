#include "resolver/app/configured_source.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/backoff.h"
#include "base/build_info.h"
#include "base/file_system.h"
#include "base/ip_address.h"
#include "base/log.h"
#include "discovery/feeds/cluster_feed.h"
#include "discovery/feeds/file_feed.h"
#include "discovery/feeds/istio_node.h"
#include "discovery/feeds/kuma_node.h"
#include "discovery/feeds/kuma_poller.h"
#include "discovery/feeds/name_table.h"
#include "discovery/feeds/service_yaml.h"
#include "discovery/service.h"
#include "discovery/xds/ads_client.h"
#include "discovery/xds/node.h"
#include "resolver/app/cluster_feeds.h"
#include "resolver/app/config.h"
#include "resolver/app/control_plane_feeds.h"
#include "resolver/app/control_plane_link.h"
#include "resolver/app/control_plane_settings.h"
#include "resolver/app/file_source.h"
#include "resolver/app/istio_feeds.h"
#include "resolver/app/istio_settings.h"
#include "resolver/app/kuma_feeds.h"
#include "resolver/app/kuma_polling.h"
#include "resolver/app/kuma_settings.h"
#include "resolver/app/meshdns_feeds.h"
#include "resolver/app/self_registration.h"
#include "resolver/app/table_source.h"
#include "resolver/app/xds_settings.h"
#include "resolver/server/access_list.h"

namespace meshdns::dns {
namespace {

std::string user_agent() { return fmt::format("meshdns/{}", kVersion); }

discovery::NodeInfo meshdns_node(const Config& config) {
  discovery::NodeInfo node;
  node.id = fmt::format("{}.{}", config.mesh, config.control_plane.node);
  node.cluster = config.mesh;
  node.zone = config.zone;
  node.metadata = {{"mesh", config.mesh}};
  node.user_agent = user_agent();
  return node;
}

discovery::NodeInfo kuma_proxy_node(const Config& config) {
  discovery::KumaProxy proxy{.mesh = config.mesh,
                             .name = config.kuma.name,
                             .dataplane = config.kuma.dataplane,
                             .work_directory = config.state.directory};
  if (const std::uint16_t port = config.listen.front().port; port != 0) {
    proxy.dns_port = port;
  }
  return discovery::kuma_node(proxy, user_agent());
}

discovery::NodeInfo xds_node(const Config& config) {
  discovery::NodeInfo node;
  node.id = config.xds.node_id.empty() ? config.control_plane.node : config.xds.node_id;
  node.cluster = config.xds.node_cluster;
  node.zone = config.zone;
  node.user_agent = user_agent();
  return node;
}

// Whether others may know it.
bool is_of_a_network(const IpAddress& address) {
  static const std::array<IpPrefix, 2> kLinkLocal{IpPrefix::parse("169.254.0.0/16").value(),
                                                  IpPrefix::parse("fe80::/10").value()};
  return !address.is_loopback() && std::ranges::none_of(kLinkLocal, [&](const IpPrefix& prefix) {
    return prefix.contains(address);
  });
}

// An address of this host, which istiod wants to hear of: the first that others may know.
IpAddress host_address() {
  constexpr std::array<std::uint8_t, 4> kLoopback{127, 0, 0, 1};
  auto addresses = read_host_addresses().value_or(std::vector<IpAddress>());
  std::ranges::sort(addresses);
  const auto found = std::ranges::find_if(addresses, is_of_a_network);
  return found == addresses.end() ? IpAddress(kLoopback) : *found;
}

discovery::NodeInfo istio_proxy_node(const Config& config) {
  const Config::Istio& istio = config.istio;
  return discovery::istio_node({.workload = istio.workload,
                                .name_space = istio.name_space,
                                .domain = istio.domain,
                                .address = istio.instance_ip ? *istio.instance_ip : host_address(),
                                .metadata = istio_metadata(istio)},
                               user_agent());
}

bool needs_endpoints(const Config& config) {
  return config.instance_names || config.answers == discovery::Answers::kEndpoints;
}

// Of a control plane that is asked over xDS.
std::unique_ptr<ControlPlaneFeeds> make_feeds(const Config& config) {
  if (config.uses_kuma()) {
    return std::make_unique<KumaFeeds>();
  }
  if (config.uses_xds()) {
    return std::make_unique<ClusterFeeds>(
        discovery::ClusterFeed::Options{.naming = {.mesh = config.mesh, .zones = config.zones},
                                        .endpoints = needs_endpoints(config)});
  }
  if (config.uses_istio()) {
    return std::make_unique<IstioFeeds>(discovery::NameTableScope{
        .name_space = config.istio.name_space, .domain = config.istio.domain});
  }
  return std::make_unique<MeshdnsFeeds>(
      MeshdnsFeeds::Options{.mesh = config.mesh, .endpoints = needs_endpoints(config)});
}

ControlPlaneLink::Options link_options(const Config& config, FileSystem& files, Logger& logger) {
  ControlPlaneLink::Options options{.addresses = {}, .feeds = make_feeds(config), .node = {}};
  if (config.uses_kuma()) {
    std::ranges::transform(config.kuma.cp_addresses, std::back_inserter(options.addresses),
                           kuma_host_and_port);
    options.node = kuma_proxy_node(config);
    options.backoff = kKumaBackoff;
    options.credentials = [&files, kuma = config.kuma] {
      return read_kuma_credentials(files, kuma);
    };
    return options;
  }
  if (config.uses_xds()) {
    options.addresses = config.xds.servers;
    options.node = xds_node(config);
    options.credentials = [&files, xds = config.xds] { return read_xds_credentials(files, xds); };
    return options;
  }
  if (config.uses_istio()) {
    std::ranges::transform(config.istio.addresses, std::back_inserter(options.addresses),
                           istio_host_and_port);
    options.node = istio_proxy_node(config);
    if (istio_uses_tls(config.istio).value_or(true)) {
      options.credentials = [&files, istio = config.istio] {
        return read_istio_credentials(files, istio);
      };
    }
    return options;
  }
  options.addresses = {config.control_plane.address};
  options.node = meshdns_node(config);
  options.credentials = [&files, control_plane = config.control_plane] {
    return read_control_plane_credentials(files, control_plane);
  };
  if (!config.kuma.dataplane_file.empty()) {
    options.registration = std::make_unique<SelfRegistration>(config.kuma.dataplane_file,
                                                              config.kuma.dataplane, files, logger);
  }
  return options;
}

}  // namespace

std::unique_ptr<TableSource> make_source(const Config& config, SourceEnvironment environment) {
  if (config.uses_file()) {
    return std::make_unique<FileSource>(
        FileSource::Options{.path = config.services.file, .defaults = file_defaults(config)},
        environment.loop, environment.files, environment.clock, environment.logs.logger("table"),
        environment.metrics.app, std::move(environment.on_delta));
  }
  Logger& logger = environment.logs.logger("xds");
  if (config.uses_kuma_socket()) {
    return std::make_unique<KumaPolling>(
        discovery::KumaPoller::Options{.path = config.kuma.dynamicconfig_socket,
                                       .interval = config.kuma.dynamicconfig_interval},
        environment.loop, environment.clock, logger, environment.metrics.socket,
        std::move(environment.on_delta));
  }
  return std::make_unique<ControlPlaneLink>(
      link_options(config, environment.files, logger), environment.loop, environment.clock, logger,
      environment.metrics.xds,
      ControlPlaneLink::Callbacks{.on_delta = std::move(environment.on_delta),
                                  .name_servers = std::move(environment.name_servers)});
}

std::vector<std::string> feeds_of(const Config& config) {
  if (config.uses_file()) {
    return {discovery::FileFeed::kName, discovery::FileFeed::kEndpointsName};
  }
  return make_feeds(config)->names();
}

FeedReader feed_reader(const Config& config) {
  if (config.uses_file()) {
    return [mesh = config.mesh](const std::string& feed, const discovery::ResponseView& response) {
      std::vector<discovery::Rejection> rejections;
      return discovery::FileFeed::read(feed, response, mesh, rejections);
    };
  }
  return [feeds = std::shared_ptr<const ControlPlaneFeeds>(make_feeds(config))](
             const std::string& feed, const discovery::ResponseView& response) {
    return feeds->read(feed, response);
  };
}

std::string feed_fingerprint(const Config& config) {
  if (config.uses_file()) {
    return fmt::format("file={} mesh={}", config.services.file, config.mesh);
  }
  if (config.uses_kuma_socket()) {
    return "kuma socket=" + config.kuma.dynamicconfig_socket;
  }
  if (config.uses_kuma()) {
    return fmt::format("kuma mesh={} name={}", config.mesh, config.kuma.name);
  }
  if (config.uses_xds()) {
    const discovery::NodeInfo node = xds_node(config);
    return fmt::format("xds servers={} node={} cluster={} zone={} mesh={}",
                       fmt::join(config.xds.servers, ","), node.id, node.cluster, node.zone,
                       config.mesh);
  }
  if (config.uses_istio()) {
    return fmt::format("istio namespace={} domain={} workload={}", config.istio.name_space,
                       config.istio.domain, config.istio.workload);
  }
  return fmt::format("mesh={} zone={} node={} control_plane={}", config.mesh, config.zone,
                     config.control_plane.node, config.control_plane.address);
}

discovery::ServiceFileDefaults file_defaults(const Config& config) {
  return {.mesh = config.mesh, .zone = config.zones.front()};
}

}  // namespace meshdns::dns
