// Pins the schema's wire identity: a message's full name, its fields' numbers, names and types.
//
// The rows of envoy and google messages come from the published API, not from our files: a row that
// fails means that our peers no longer understand us. The rows of meshdns messages may grow and
// never change.
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <gtest/gtest.h>

#include "envoy/admin/v3/config_dump_shared.pb.h"
#include "envoy/config/cluster/v3/cluster.pb.h"
#include "envoy/config/core/v3/base.pb.h"
#include "envoy/config/core/v3/protocol.pb.h"
#include "envoy/config/endpoint/v3/endpoint.pb.h"
#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/config/route/v3/route.pb.h"
#include "envoy/extensions/filters/http/router/v3/router.pb.h"
#include "envoy/extensions/filters/listener/original_dst/v3/original_dst.pb.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"
#include "envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.pb.h"
#include "envoy/extensions/upstreams/http/v3/http_protocol_options.pb.h"
#include "envoy/service/discovery/v3/ads.pb.h"
#include "envoy/service/discovery/v3/discovery.pb.h"
#include "envoy/service/status/v3/csds.pb.h"
#include "google/rpc/status.pb.h"
#include "istio/networking/nds/v1/nds.pb.h"
#include "meshdns/mesh/v1/dataplane.pb.h"
#include "meshdns/mesh/v1/name_record.pb.h"
#include "meshdns/mesh/v1/service.pb.h"

namespace {

using google::protobuf::Descriptor;
using google::protobuf::DescriptorPool;
using google::protobuf::EnumDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::FileDescriptor;
using google::protobuf::MethodDescriptor;

std::string type_of(const FieldDescriptor& field) {
  if (field.message_type() != nullptr) {
    return std::string(field.message_type()->full_name());
  }
  if (field.enum_type() != nullptr) {
    return std::string(field.enum_type()->full_name());
  }
  return field.type_name();
}

std::string describe(const FieldDescriptor& field) {
  const std::string label = std::string(field.name()) + "=" + std::to_string(field.number()) + " ";
  if (field.is_map()) {
    return label + "map<" + type_of(*field.message_type()->map_key()) + "," +
           type_of(*field.message_type()->map_value()) + ">";
  }
  const std::string oneof = field.real_containing_oneof() == nullptr ? "" : "oneof ";
  return label + (field.is_repeated() ? "repeated " : oneof) + type_of(field);
}

std::vector<std::string> fields_of(const Descriptor& message) {
  std::vector<std::string> fields;
  for (int i = 0; i < message.field_count(); ++i) {
    fields.push_back(describe(*message.field(i)));
  }
  return fields;
}

// Makes sure that the linker keeps every generated file, so that the pool knows them all.
void touch_every_file() {
  (void)envoy::config::cluster::v3::Cluster::descriptor();
  (void)envoy::config::listener::v3::Listener::descriptor();
  (void)envoy::config::route::v3::RouteConfiguration::descriptor();
  (void)envoy::extensions::filters::http::router::v3::Router::descriptor();
  (void)envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager::
      descriptor();
  (void)envoy::extensions::filters::listener::original_dst::v3::OriginalDst::descriptor();
  (void)envoy::extensions::filters::network::tcp_proxy::v3::TcpProxy::descriptor();
  (void)envoy::extensions::upstreams::http::v3::HttpProtocolOptions::descriptor();
  (void)envoy::service::discovery::v3::DiscoveryRequest::descriptor();
  (void)envoy::service::status::v3::ClientStatusRequest::descriptor();
  (void)google::rpc::Status::descriptor();
  (void)istio::networking::nds::v1::NameTable::descriptor();
  (void)meshdns::mesh::v1::Dataplane::descriptor();
  (void)meshdns::mesh::v1::NameRecord::descriptor();
  (void)meshdns::mesh::v1::Service::descriptor();
}

struct MessageCase {
  std::string name;
  std::vector<std::string> fields;
};

const std::vector<MessageCase>& message_cases() {
  static const std::string kCore = "envoy.config.core.v3.";
  static const std::string kHttp = "envoy.extensions.filters.network.http_connection_manager.v3.";
  static const std::string kStatus = "envoy.service.status.v3.";
  static const std::string kWellKnown = "google.protobuf.";
  static const std::vector<MessageCase> kCases = {
      {"google.rpc.Status",
       {"code=1 int32", "message=2 string", "details=3 repeated google.protobuf.Any"}},

      {"envoy.service.discovery.v3.DiscoveryRequest",
       {"version_info=1 string", "node=2 " + kCore + "Node", "resource_names=3 repeated string",
        "type_url=4 string", "response_nonce=5 string", "error_detail=6 google.rpc.Status"}},
      {"envoy.service.discovery.v3.DiscoveryResponse",
       {"version_info=1 string", "resources=2 repeated " + kWellKnown + "Any", "canary=3 bool",
        "type_url=4 string", "nonce=5 string", "control_plane=6 " + kCore + "ControlPlane"}},
      {"envoy.service.discovery.v3.DeltaDiscoveryRequest",
       {"node=1 " + kCore + "Node", "type_url=2 string",
        "resource_names_subscribe=3 repeated string",
        "resource_names_unsubscribe=4 repeated string",
        "initial_resource_versions=5 map<string,string>", "response_nonce=6 string",
        "error_detail=7 google.rpc.Status"}},
      {"envoy.service.discovery.v3.DeltaDiscoveryResponse",
       {"system_version_info=1 string", "resources=2 repeated envoy.service.discovery.v3.Resource",
        "type_url=4 string", "nonce=5 string", "removed_resources=6 repeated string",
        "control_plane=7 " + kCore + "ControlPlane"}},
      {"envoy.service.discovery.v3.Resource",
       {"version=1 string", "resource=2 " + kWellKnown + "Any", "name=3 string",
        "aliases=4 repeated string", "ttl=6 " + kWellKnown + "Duration",
        "cache_control=7 envoy.service.discovery.v3.Resource.CacheControl",
        "metadata=9 " + kCore + "Metadata"}},
      {"envoy.service.discovery.v3.Resource.CacheControl", {"do_not_cache=1 bool"}},

      {kCore + "Locality", {"region=1 string", "zone=2 string", "sub_zone=3 string"}},
      {kCore + "Node",
       {"id=1 string", "cluster=2 string", "metadata=3 " + kWellKnown + "Struct",
        "locality=4 " + kCore + "Locality", "user_agent_name=6 string",
        "user_agent_version=7 oneof string", "client_features=10 repeated string"}},
      {kCore + "Metadata",
       {"filter_metadata=1 map<string," + kWellKnown + "Struct>",
        "typed_filter_metadata=2 map<string," + kWellKnown + "Any>"}},
      {kCore + "ControlPlane", {"identifier=1 string"}},
      {kCore + "HeaderValue", {"key=1 string", "value=2 string"}},
      {kCore + "HeaderValueOption", {"header=1 " + kCore + "HeaderValue"}},
      {kCore + "DataSource",
       {"filename=1 oneof string", "inline_bytes=2 oneof bytes", "inline_string=3 oneof string"}},
      {kCore + "Pipe", {"path=1 string", "mode=2 uint32"}},
      {kCore + "SocketAddress",
       {"protocol=1 " + kCore + "SocketAddress.Protocol", "address=2 string",
        "port_value=3 oneof uint32", "named_port=4 oneof string", "resolver_name=5 string",
        "ipv4_compat=6 bool"}},
      {kCore + "Address",
       {"socket_address=1 oneof " + kCore + "SocketAddress", "pipe=2 oneof " + kCore + "Pipe"}},
      {kCore + "AggregatedConfigSource", {}},
      {kCore + "SelfConfigSource", {"transport_api_version=1 " + kCore + "ApiVersion"}},
      {kCore + "ConfigSource",
       {"ads=3 oneof " + kCore + "AggregatedConfigSource",
        "self=5 oneof " + kCore + "SelfConfigSource",
        "initial_fetch_timeout=4 " + kWellKnown + "Duration",
        "resource_api_version=6 " + kCore + "ApiVersion"}},

      {"envoy.type.v3.FractionalPercent",
       {"numerator=1 uint32", "denominator=2 envoy.type.v3.FractionalPercent.DenominatorType"}},
      {"envoy.config.endpoint.v3.Endpoint",
       {"address=1 " + kCore + "Address",
        "health_check_config=2 envoy.config.endpoint.v3.Endpoint.HealthCheckConfig",
        "hostname=3 string",
        "additional_addresses=4 repeated envoy.config.endpoint.v3.Endpoint.AdditionalAddress"}},
      {"envoy.config.endpoint.v3.Endpoint.HealthCheckConfig",
       {"port_value=1 uint32", "hostname=2 string", "address=3 " + kCore + "Address",
        "disable_active_health_check=4 bool"}},
      {"envoy.config.endpoint.v3.Endpoint.AdditionalAddress", {"address=1 " + kCore + "Address"}},
      {"envoy.config.endpoint.v3.LbEndpoint",
       {"endpoint=1 oneof envoy.config.endpoint.v3.Endpoint", "endpoint_name=5 oneof string",
        "health_status=2 " + kCore + "HealthStatus", "metadata=3 " + kCore + "Metadata",
        "load_balancing_weight=4 " + kWellKnown + "UInt32Value"}},
      {"envoy.config.endpoint.v3.LocalityLbEndpoints",
       {"locality=1 " + kCore + "Locality",
        "lb_endpoints=2 repeated envoy.config.endpoint.v3.LbEndpoint",
        "load_balancing_weight=3 " + kWellKnown + "UInt32Value", "priority=5 uint32",
        "proximity=6 " + kWellKnown + "UInt32Value", "metadata=9 " + kCore + "Metadata"}},
      {"envoy.config.endpoint.v3.ClusterLoadAssignment",
       {"cluster_name=1 string",
        "endpoints=2 repeated envoy.config.endpoint.v3.LocalityLbEndpoints",
        "policy=4 envoy.config.endpoint.v3.ClusterLoadAssignment.Policy",
        "named_endpoints=5 map<string,envoy.config.endpoint.v3.Endpoint>"}},
      {"envoy.config.endpoint.v3.ClusterLoadAssignment.Policy",
       {"drop_overloads=2 repeated "
        "envoy.config.endpoint.v3.ClusterLoadAssignment.Policy.DropOverload",
        "overprovisioning_factor=3 " + kWellKnown + "UInt32Value",
        "endpoint_stale_after=4 " + kWellKnown + "Duration", "weighted_priority_health=6 bool"}},
      {"envoy.config.endpoint.v3.ClusterLoadAssignment.Policy.DropOverload",
       {"category=1 string", "drop_percentage=2 envoy.type.v3.FractionalPercent"}},

      {"envoy.config.cluster.v3.Cluster",
       {"name=1 string", "type=2 oneof envoy.config.cluster.v3.Cluster.DiscoveryType",
        "eds_cluster_config=3 envoy.config.cluster.v3.Cluster.EdsClusterConfig",
        "connect_timeout=4 " + kWellKnown + "Duration",
        "lb_policy=6 envoy.config.cluster.v3.Cluster.LbPolicy", "metadata=25 " + kCore + "Metadata",
        "alt_stat_name=28 string",
        "load_assignment=33 envoy.config.endpoint.v3.ClusterLoadAssignment",
        "typed_extension_protocol_options=36 map<string," + kWellKnown + "Any>"}},
      {"envoy.config.cluster.v3.Cluster.EdsClusterConfig",
       {"eds_config=1 " + kCore + "ConfigSource", "service_name=2 string"}},

      {"envoy.config.listener.v3.ApiListener", {"api_listener=1 " + kWellKnown + "Any"}},
      {"envoy.config.listener.v3.Filter",
       {"name=1 string", "typed_config=4 oneof " + kWellKnown + "Any"}},
      {"envoy.config.listener.v3.FilterChain",
       {"filters=3 repeated envoy.config.listener.v3.Filter", "name=7 string"}},
      {"envoy.config.listener.v3.ListenerFilter",
       {"name=1 string", "typed_config=3 oneof " + kWellKnown + "Any"}},
      {"envoy.config.listener.v3.Listener",
       {"name=1 string", "address=2 " + kCore + "Address",
        "filter_chains=3 repeated envoy.config.listener.v3.FilterChain",
        "use_original_dst=4 " + kWellKnown + "BoolValue", "metadata=6 " + kCore + "Metadata",
        "listener_filters=9 repeated envoy.config.listener.v3.ListenerFilter",
        "freebind=11 " + kWellKnown + "BoolValue",
        "traffic_direction=16 " + kCore + "TrafficDirection",
        "api_listener=19 envoy.config.listener.v3.ApiListener",
        "default_filter_chain=25 envoy.config.listener.v3.FilterChain",
        "bind_to_port=26 " + kWellKnown + "BoolValue", "stat_prefix=28 string",
        "enable_reuse_port=29 " + kWellKnown + "BoolValue"}},

      {"envoy.config.route.v3.RouteConfiguration",
       {"name=1 string", "virtual_hosts=2 repeated envoy.config.route.v3.VirtualHost",
        "validate_clusters=7 " + kWellKnown + "BoolValue", "ignore_port_in_host_matching=14 bool"}},
      {"envoy.config.route.v3.VirtualHost",
       {"name=1 string", "domains=2 repeated string",
        "routes=3 repeated envoy.config.route.v3.Route", "include_request_attempt_count=14 bool"}},
      {"envoy.config.route.v3.Route",
       {"match=1 envoy.config.route.v3.RouteMatch",
        "route=2 oneof envoy.config.route.v3.RouteAction",
        "direct_response=7 oneof envoy.config.route.v3.DirectResponseAction",
        "metadata=4 " + kCore + "Metadata",
        "response_headers_to_add=10 repeated " + kCore + "HeaderValueOption", "name=14 string"}},
      {"envoy.config.route.v3.DirectResponseAction",
       {"status=1 uint32", "body=2 " + kCore + "DataSource"}},
      {"envoy.config.route.v3.RouteMatch",
       {"prefix=1 oneof string", "path=2 oneof string",
        "case_sensitive=4 " + kWellKnown + "BoolValue"}},
      {"envoy.config.route.v3.WeightedCluster",
       {"clusters=1 repeated envoy.config.route.v3.WeightedCluster.ClusterWeight",
        "total_weight=3 " + kWellKnown + "UInt32Value"}},
      {"envoy.config.route.v3.WeightedCluster.ClusterWeight",
       {"name=1 string", "weight=2 " + kWellKnown + "UInt32Value"}},
      {"envoy.config.route.v3.RouteAction",
       {"cluster=1 oneof string", "cluster_header=2 oneof string",
        "weighted_clusters=3 oneof envoy.config.route.v3.WeightedCluster",
        "prefix_rewrite=5 string", "timeout=8 " + kWellKnown + "Duration"}},

      {"envoy.extensions.filters.http.router.v3.Router",
       {"dynamic_stats=1 " + kWellKnown + "BoolValue", "suppress_envoy_headers=4 bool"}},
      {"envoy.extensions.filters.network.http_connection_manager.v3.Rds",
       {"config_source=1 " + kCore + "ConfigSource", "route_config_name=2 string"}},
      {"envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter",
       {"name=1 string", "typed_config=4 oneof " + kWellKnown + "Any", "is_optional=6 bool",
        "disabled=7 bool"}},
      {"envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
       {"codec_type=1 " + kHttp + "HttpConnectionManager.CodecType", "stat_prefix=2 string",
        "rds=3 oneof envoy.extensions.filters.network.http_connection_manager.v3.Rds",
        "route_config=4 oneof envoy.config.route.v3.RouteConfiguration",
        "http_filters=5 repeated " + kHttp + "HttpFilter",
        "upgrade_configs=23 repeated " + kHttp + "HttpConnectionManager.UpgradeConfig",
        "stream_idle_timeout=24 " + kWellKnown + "Duration"}},
      {"envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager."
       "UpgradeConfig",
       {"upgrade_type=1 string"}},
      {"envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
       {"stat_prefix=1 string", "cluster=2 oneof string"}},
      {"envoy.extensions.filters.listener.original_dst.v3.OriginalDst", {}},
      {kCore + "Http1ProtocolOptions", {}},
      {kCore + "Http2ProtocolOptions", {}},
      {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
       {"explicit_http_config=3 oneof "
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions.ExplicitHttpConfig"}},
      {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions.ExplicitHttpConfig",
       {"http_protocol_options=1 oneof " + kCore + "Http1ProtocolOptions",
        "http2_protocol_options=2 oneof " + kCore + "Http2ProtocolOptions"}},

      {"envoy.admin.v3.UpdateFailureState",
       {"failed_configuration=1 " + kWellKnown + "Any",
        "last_update_attempt=2 " + kWellKnown + "Timestamp", "details=3 string",
        "version_info=4 string"}},
      {kStatus + "StringMatcher",
       {"exact=1 oneof string", "prefix=2 oneof string", "suffix=3 oneof string"}},
      {kStatus + "NodeMatcher", {"node_id=1 " + kStatus + "StringMatcher"}},
      {kStatus + "ClientStatusRequest",
       {"node_matchers=1 repeated " + kStatus + "NodeMatcher", "node=2 " + kCore + "Node",
        "exclude_resource_contents=3 bool"}},
      {kStatus + "ClientConfig",
       {"node=1 " + kCore + "Node",
        "generic_xds_configs=3 repeated " + kStatus + "ClientConfig.GenericXdsConfig"}},
      {kStatus + "ClientConfig.GenericXdsConfig",
       {"type_url=1 string", "name=2 string", "version_info=3 string",
        "xds_config=4 " + kWellKnown + "Any", "last_updated=5 " + kWellKnown + "Timestamp",
        "config_status=6 " + kStatus + "ConfigStatus",
        "client_status=7 envoy.admin.v3.ClientResourceStatus",
        "error_state=8 envoy.admin.v3.UpdateFailureState"}},
      {kStatus + "ClientStatusResponse", {"config=1 repeated " + kStatus + "ClientConfig"}},

      {"istio.networking.nds.v1.NameTable",
       {"table=1 map<string,istio.networking.nds.v1.NameTable.NameInfo>"}},
      {"istio.networking.nds.v1.NameTable.NameInfo",
       {"ips=1 repeated string", "registry=2 string", "shortname=3 string", "namespace=4 string",
        "alt_hosts=5 repeated string"}},

      {"meshdns.mesh.v1.Service",
       {"mesh=1 string", "zone=2 string", "name=3 string", "hostnames=4 repeated string",
        "addresses=5 repeated string", "ports=6 repeated meshdns.mesh.v1.Service.Port",
        "tags=7 map<string,string>", "answers=8 string", "awaits_address=9 bool"}},
      {"meshdns.mesh.v1.Service.Port", {"name=1 string", "number=2 uint32", "protocol=3 string"}},
      {"meshdns.mesh.v1.NameRecord",
       {"name=1 string", "addresses=2 repeated string", "ttl=3 uint32"}},
      {"meshdns.mesh.v1.Dataplane",
       {"mesh=1 string", "name=2 string", "networking=3 meshdns.mesh.v1.Dataplane.Networking",
        "labels=4 map<string,string>"}},
      {"meshdns.mesh.v1.Dataplane.Health", {"ready=1 bool"}},
      {"meshdns.mesh.v1.Dataplane.Inbound",
       {"port=1 uint32", "address=2 string", "service_port=3 uint32", "service_address=4 string",
        "tags=5 map<string,string>", "protocol=6 string",
        "health=7 meshdns.mesh.v1.Dataplane.Health",
        "state=8 meshdns.mesh.v1.Dataplane.Inbound.State", "name=9 string"}},
      {"meshdns.mesh.v1.Dataplane.Outbound",
       {"port=1 uint32", "address=2 string", "tags=3 map<string,string>"}},
      {"meshdns.mesh.v1.Dataplane.Networking",
       {"address=1 string", "inbound=2 repeated meshdns.mesh.v1.Dataplane.Inbound",
        "outbound=3 repeated meshdns.mesh.v1.Dataplane.Outbound"}},
  };
  return kCases;
}

TEST(WireIdentity, EveryMessageHasThePublishedFields) {
  touch_every_file();
  for (const MessageCase& row : message_cases()) {
    const Descriptor* message = DescriptorPool::generated_pool()->FindMessageTypeByName(row.name);
    ASSERT_NE(message, nullptr) << row.name;
    EXPECT_THAT(fields_of(*message), testing::UnorderedElementsAreArray(row.fields)) << row.name;
  }
}

struct EnumCase {
  std::string name;
  std::vector<std::string> values;
};

TEST(WireIdentity, EveryEnumHasThePublishedNumbers) {
  touch_every_file();
  const std::vector<EnumCase> cases = {
      {"envoy.config.core.v3.SocketAddress.Protocol", {"TCP=0", "UDP=1"}},
      {"envoy.config.core.v3.ApiVersion", {"AUTO=0", "V2=1", "V3=2"}},
      {"envoy.config.core.v3.HealthStatus",
       {"UNKNOWN=0", "HEALTHY=1", "UNHEALTHY=2", "DRAINING=3", "TIMEOUT=4", "DEGRADED=5"}},
      {"envoy.type.v3.FractionalPercent.DenominatorType",
       {"HUNDRED=0", "TEN_THOUSAND=1", "MILLION=2"}},
      {"envoy.config.cluster.v3.Cluster.DiscoveryType",
       {"STATIC=0", "STRICT_DNS=1", "LOGICAL_DNS=2", "EDS=3", "ORIGINAL_DST=4"}},
      {"envoy.config.cluster.v3.Cluster.LbPolicy",
       {"ROUND_ROBIN=0", "LEAST_REQUEST=1", "RING_HASH=2", "RANDOM=3", "MAGLEV=5",
        "CLUSTER_PROVIDED=6", "LOAD_BALANCING_POLICY_CONFIG=7"}},
      {"envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager."
       "CodecType",
       {"AUTO=0", "HTTP1=1", "HTTP2=2", "HTTP3=3"}},
      {"envoy.config.core.v3.TrafficDirection", {"UNSPECIFIED=0", "INBOUND=1", "OUTBOUND=2"}},
      {"envoy.admin.v3.ClientResourceStatus",
       {"UNKNOWN=0", "REQUESTED=1", "DOES_NOT_EXIST=2", "ACKED=3", "NACKED=4"}},
      {"envoy.service.status.v3.ConfigStatus",
       {"UNKNOWN=0", "SYNCED=1", "NOT_SENT=2", "STALE=3", "ERROR=4"}},
      {"meshdns.mesh.v1.Dataplane.Inbound.State", {"READY=0", "NOT_READY=1", "IGNORED=2"}},
  };
  for (const EnumCase& row : cases) {
    const EnumDescriptor* type = DescriptorPool::generated_pool()->FindEnumTypeByName(row.name);
    ASSERT_NE(type, nullptr) << row.name;
    std::vector<std::string> values;
    for (int i = 0; i < type->value_count(); ++i) {
      values.push_back(type->value(i)->name() + "=" + std::to_string(type->value(i)->number()));
    }
    EXPECT_EQ(values, row.values) << row.name;
  }
}

TEST(WireIdentity, NoMessageOfTheSchemaIsWithoutARow) {
  touch_every_file();
  std::vector<std::string> missing;
  const std::vector<const FileDescriptor*> files = {
      google::rpc::Status::descriptor()->file(),
      envoy::config::cluster::v3::Cluster::descriptor()->file(),
      envoy::config::core::v3::Node::descriptor()->file(),
      envoy::config::endpoint::v3::ClusterLoadAssignment::descriptor()->file(),
      envoy::config::listener::v3::Listener::descriptor()->file(),
      envoy::config::route::v3::RouteConfiguration::descriptor()->file(),
      envoy::config::core::v3::Http2ProtocolOptions::descriptor()->file(),
      envoy::admin::v3::UpdateFailureState::descriptor()->file(),
      envoy::extensions::filters::listener::original_dst::v3::OriginalDst::descriptor()->file(),
      envoy::extensions::filters::network::tcp_proxy::v3::TcpProxy::descriptor()->file(),
      envoy::extensions::upstreams::http::v3::HttpProtocolOptions::descriptor()->file(),
      envoy::service::discovery::v3::DiscoveryRequest::descriptor()->file(),
      envoy::service::status::v3::ClientStatusRequest::descriptor()->file(),
      istio::networking::nds::v1::NameTable::descriptor()->file(),
      meshdns::mesh::v1::Dataplane::descriptor()->file(),
      meshdns::mesh::v1::Service::descriptor()->file()};
  for (const FileDescriptor* file : files) {
    for (int i = 0; i < file->message_type_count(); ++i) {
      const std::string name = file->message_type(i)->full_name();
      if (!testing::Value(message_cases(),
                          testing::Contains(testing::Field(&MessageCase::name, name)))) {
        missing.push_back(name);
      }
    }
  }
  EXPECT_THAT(missing, testing::IsEmpty());
}

TEST(WireIdentity, TheAggregatedServiceHasBothStreams) {
  touch_every_file();
  // ads.proto has no message; naming its table keeps its object file.
  ASSERT_STREQ(descriptor_table_envoy_2fservice_2fdiscovery_2fv3_2fads_2eproto.filename,
               "envoy/service/discovery/v3/ads.proto");
  const auto* service = DescriptorPool::generated_pool()->FindServiceByName(
      "envoy.service.discovery.v3.AggregatedDiscoveryService");
  ASSERT_NE(service, nullptr);
  ASSERT_EQ(service->method_count(), 2);
  const MethodDescriptor* sotw = service->FindMethodByName("StreamAggregatedResources");
  const MethodDescriptor* delta = service->FindMethodByName("DeltaAggregatedResources");
  ASSERT_NE(sotw, nullptr);
  ASSERT_NE(delta, nullptr);
  for (const MethodDescriptor* method : {sotw, delta}) {
    EXPECT_TRUE(method->client_streaming());
    EXPECT_TRUE(method->server_streaming());
  }
  EXPECT_EQ(sotw->input_type()->full_name(), "envoy.service.discovery.v3.DiscoveryRequest");
  EXPECT_EQ(delta->input_type()->full_name(), "envoy.service.discovery.v3.DeltaDiscoveryRequest");
  EXPECT_EQ(delta->output_type()->full_name(), "envoy.service.discovery.v3.DeltaDiscoveryResponse");
}

}  // namespace
