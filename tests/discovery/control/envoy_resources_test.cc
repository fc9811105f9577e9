#include "discovery/control/envoy_resources.h"

#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <google/protobuf/message.h>
#include <gtest/gtest.h>

#include "base/ip_address.h"
#include "discovery/service.h"
#include "discovery/xds/resource_set.h"
#include "discovery/xds/type_table.h"
#include "discovery/xds/type_urls.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/core/v3/base.pb.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/config/listener/v3/listener_components.pb.h"
#include "envoy/extensions/filters/http/router/v3/router.pb.h"
#include "envoy/extensions/filters/listener/original_dst/v3/original_dst.pb.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"
#include "envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.pb.h"

namespace meshdns::discovery {
namespace {

using envoy::config::cluster::v3::Cluster;
using envoy::config::listener::v3::Listener;
using envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager;
using envoy::extensions::filters::network::tcp_proxy::v3::TcpProxy;
using testing::ElementsAre;

const ServiceId kBackend{"default", "backend"};

template <typename Message>
Message read(const ResourceUpdate& update) {
  Message message;
  EXPECT_TRUE(message.ParseFromString(update.value));
  EXPECT_EQ(message.name(), update.name);
  EXPECT_EQ(update.listing, Listing::kListed);
  return message;
}

Listener listener_of(Protocol protocol, const std::string& address = "244.1.2.3",
                     ListenerBinding binding = ListenerBinding::kBound) {
  const ResourceUpdate update =
      envoy_listener(kBackend, {"", 8080, protocol}, *IpAddress::parse(address), binding);
  EXPECT_EQ(update.type_url, kListenerTypeUrl);
  return read<Listener>(update);
}

std::string address_of(const Listener& listener) {
  const auto& socket = listener.address().socket_address();
  return fmt::format("{} {}", socket.address(), socket.port_value());
}

// The only filter of the only chain.
template <typename Config>
Config filter_of(const Listener& listener, const std::string& name) {
  Config config;
  EXPECT_EQ(listener.filter_chains_size(), 1);
  const auto& chain = listener.filter_chains(0);
  EXPECT_EQ(chain.filters_size(), 1);
  EXPECT_EQ(chain.filters(0).name(), name);
  EXPECT_TRUE(chain.filters(0).typed_config().UnpackTo(&config));
  return config;
}

TEST(EnvoyResources, AListenerStandsOnTheAddressAndPort) {
  const Listener listener = listener_of(Protocol::kTcp);
  EXPECT_EQ(listener.name(), "default/backend:8080");
  EXPECT_EQ(address_of(listener), "244.1.2.3 8080");
  EXPECT_EQ(listener.traffic_direction(), envoy::config::core::v3::OUTBOUND);
  const Listener ipv6 = listener_of(Protocol::kTcp, "fd6d::3");
  EXPECT_EQ(ipv6.name(), "default/backend:8080/ipv6");
  EXPECT_EQ(address_of(ipv6), "fd6d::3 8080");
}

TEST(EnvoyResources, ABoundListenerNeedNotWaitForItsAddress) {
  const Listener listener = listener_of(Protocol::kTcp);
  EXPECT_TRUE(listener.freebind().value());
  EXPECT_FALSE(listener.has_bind_to_port()) << "it binds";
}

TEST(EnvoyResources, ARedirectedListenerBindsToNothing) {
  const Listener listener = listener_of(Protocol::kHttp, "244.1.2.3", ListenerBinding::kRedirected);
  ASSERT_TRUE(listener.has_bind_to_port());
  EXPECT_FALSE(listener.bind_to_port().value());
  EXPECT_FALSE(listener.has_freebind());
}

TEST(EnvoyResources, TcpAndKafkaPassAsOctets) {
  for (const Protocol protocol : {Protocol::kTcp, Protocol::kKafka}) {
    const auto proxy =
        filter_of<TcpProxy>(listener_of(protocol), "envoy.filters.network.tcp_proxy");
    EXPECT_EQ(proxy.cluster(), "default/backend:8080");
    EXPECT_NE(proxy.stat_prefix(), "") << "Envoy requires it";
  }
}

TEST(EnvoyResources, HttpIsRoutedToTheClusterWhateverTheHostAndHoweverLong) {
  for (const Protocol protocol : {Protocol::kHttp, Protocol::kHttp2, Protocol::kGrpc}) {
    const auto manager = filter_of<HttpConnectionManager>(
        listener_of(protocol), "envoy.filters.network.http_connection_manager");
    EXPECT_NE(manager.stat_prefix(), "") << "Envoy requires it";
    ASSERT_EQ(manager.route_config().virtual_hosts_size(), 1);
    const auto& host = manager.route_config().virtual_hosts(0);
    EXPECT_THAT(host.domains(), ElementsAre("*"));
    ASSERT_EQ(host.routes_size(), 1);
    EXPECT_EQ(host.routes(0).match().prefix(), "/");
    EXPECT_EQ(host.routes(0).route().cluster(), "default/backend:8080");
    ASSERT_TRUE(host.routes(0).route().has_timeout());
    EXPECT_EQ(host.routes(0).route().timeout().seconds(), 0);
    ASSERT_TRUE(manager.has_stream_idle_timeout());
    EXPECT_EQ(manager.stream_idle_timeout().seconds(), 0);
    ASSERT_EQ(manager.http_filters_size(), 1);
    EXPECT_TRUE(manager.http_filters(0)
                    .typed_config()
                    .Is<envoy::extensions::filters::http::router::v3::Router>());
    EXPECT_EQ(manager.upgrade_configs_size(), protocol == Protocol::kHttp ? 1 : 0);
  }
}

TEST(EnvoyResources, WhatIsRedirectedGoesToItsListenerOrOnItsWay) {
  const auto updates = envoy_redirect(15001, {IpFamily::kV4, IpFamily::kV6});
  ASSERT_EQ(updates.size(), 3U);
  const auto cluster = read<Cluster>(updates.front());
  EXPECT_EQ(cluster.type(), Cluster::ORIGINAL_DST);
  EXPECT_EQ(cluster.lb_policy(), Cluster::CLUSTER_PROVIDED) << "what Envoy takes for that type";
  std::vector<std::string> addresses;
  for (const ResourceUpdate& update : {updates.at(1), updates.at(2)}) {
    const auto listener = read<Listener>(update);
    addresses.push_back(address_of(listener));
    EXPECT_TRUE(listener.use_original_dst().value());
    ASSERT_EQ(listener.listener_filters_size(), 1);
    EXPECT_TRUE(listener.listener_filters(0)
                    .typed_config()
                    .Is<envoy::extensions::filters::listener::original_dst::v3::OriginalDst>());
    EXPECT_EQ(filter_of<TcpProxy>(listener, "envoy.filters.network.tcp_proxy").cluster(),
              cluster.name());
  }
  EXPECT_THAT(addresses, ElementsAre("127.0.0.1 15001", "::1 15001"));
  EXPECT_EQ(envoy_redirect(15001, {IpFamily::kV4}).size(), 2U);
}

}  // namespace
}  // namespace meshdns::discovery
