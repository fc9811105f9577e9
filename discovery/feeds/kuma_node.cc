#include "discovery/feeds/kuma_node.h"

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include <google/protobuf/struct.pb.h>

#include "discovery/xds/node.h"

namespace meshdns::discovery {
namespace {

using google::protobuf::Struct;

// The port that kuma-dp's transparent proxy listens on. Nobody connects to it on our word: the
// control plane only wants to hear that traffic is redirected.
constexpr std::uint16_t kInboundPort = 15006;
constexpr std::uint16_t kOutboundPort = 15001;

Struct redirect(std::uint16_t port) {
  Struct made;
  (*made.mutable_fields())["enabled"].set_bool_value(true);
  (*made.mutable_fields())["port"].set_number_value(port);
  return made;
}

// Both families: IPv6 addresses come as IPv4-mapped ones, which lead where the IPv4 ones do.
Struct transparent_proxy(std::uint16_t dns_port) {
  Struct redirects;
  auto& fields = *redirects.mutable_fields();
  *fields["inbound"].mutable_struct_value() = redirect(kInboundPort);
  *fields["outbound"].mutable_struct_value() = redirect(kOutboundPort);
  *fields["dns"].mutable_struct_value() = redirect(dns_port);
  Struct made;
  (*made.mutable_fields())["ipFamilyMode"].set_string_value("dualstack");
  *(*made.mutable_fields())["redirect"].mutable_struct_value() = redirects;
  return made;
}

}  // namespace

NodeInfo kuma_node(const KumaProxy& proxy, const std::string& user_agent) {
  NodeInfo node;
  node.id = proxy.mesh + "." + proxy.name;
  node.cluster = proxy.name;
  node.user_agent = user_agent;
  node.metadata = {{"dataplane.proxyType", "dataplane"},
                   {"dataplane.dns.port", std::to_string(proxy.dns_port)},
                   {"workdir", proxy.work_directory}};
  if (!proxy.dataplane.empty()) {
    node.metadata["dataplane.resource"] = proxy.dataplane;
  }
  Struct more;
  auto& features = *(*more.mutable_fields())["features"].mutable_list_value();
  for (const std::string_view feature :
       {"feature-transparent-proxy-in-dataplane-metadata", "feature-embedded-dns"}) {
    features.add_values()->set_string_value(std::string(feature));
  }
  *(*more.mutable_fields())["transparentProxy"].mutable_struct_value() =
      transparent_proxy(proxy.dns_port);
  node.more_metadata = more.SerializeAsString();
  return node;
}

}  // namespace meshdns::discovery
