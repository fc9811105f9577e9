#include "discovery/control/dataplane_yaml.h"

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include "base/ip_address.h"
#include "base/log.h"
#include "discovery/dataplane.h"
#include "discovery/dns_name.h"
#include "discovery/feeds/yaml_entity.h"

namespace meshdns::discovery {
namespace {

constexpr std::string_view kServiceTag = "kuma.io/service";
constexpr std::size_t kMaxNameOctets = 253;
// NAME.mesh must fit RFC 1035's 253 octets of text.
constexpr std::size_t kMaxServiceOctets = kMaxNameOctets - std::string_view(".mesh").size();

// Reads one entity; the first thing that is wrong ends it.
class EntityReader final : private YamlEntityReader {
 public:
  Dataplane read(const YAML::Node& node) {
    if (node.IsMap() && node["kind"]) {
      throw YamlMistake{
          mark_of(node, "kind"),
          "this is the form for Kubernetes; write the universal one: type, mesh, name "
          "and networking at the top"};
    }
    require_map(node, "the document",
                {"type", "mesh", "name", "labels", "networking", "probes", "metrics",
                 "creationTime", "modificationTime"});
    const std::string type = text(node, "type", "");
    if (type != "Dataplane") {
      throw YamlMistake{mark_of(node, "type"),
                        fmt::format("type: '{}' is not 'Dataplane'", escape_name(type))};
    }
    Dataplane dataplane;
    dataplane.mesh = text(node, "mesh", "default");
    dataplane.name = text(node, "name", "");
    require_name(node, "mesh", dataplane.mesh, ".");
    require_name(node, "name", dataplane.name, "");
    dataplane.labels = string_map(node["labels"], "labels");
    const YAML::Node networking = node["networking"];
    if (is_absent(networking)) {
      throw YamlMistake{mark_of(node, "networking"), "networking is missing"};
    }
    read_networking(networking, dataplane);
    return dataplane;
  }

 private:
  void read_networking(const YAML::Node& node, Dataplane& dataplane) {
    require_map(node, "networking",
                {"address", "advertisedAddress", "inbound", "outbound", "gateway",
                 "transparentProxying", "admin", "listeners"});
    dataplane.address = address(node, "address", "");
    check_accepted(node);
    const YAML::Node inbounds = node["inbound"];
    if (!is_absent(inbounds)) {
      require_list(inbounds, "inbound");
      for (const auto& inbound : inbounds) {
        dataplane.inbounds.push_back(read_inbound(inbound, dataplane.address));
      }
    }
    if (!is_absent(node["gateway"]) && !dataplane.inbounds.empty()) {
      throw YamlMistake{mark_of(node, "inbound"), "inbound: a gateway has none"};
    }
    const YAML::Node outbounds = node["outbound"];
    if (!is_absent(outbounds)) {
      require_list(outbounds, "outbound");
      for (const auto& outbound : outbounds) {
        dataplane.outbounds.push_back(read_outbound(outbound));
      }
    }
  }

  // What Kuma has there and nothing here uses yet.
  void check_accepted(const YAML::Node& networking) {
    if (const YAML::Node gateway = networking["gateway"]; !is_absent(gateway)) {
      require_map(gateway, "gateway", {"type", "tags"});
      (void)string_map(gateway["tags"], "tags");
    }
    if (const YAML::Node proxying = networking["transparentProxying"]; !is_absent(proxying)) {
      require_map(
          proxying, "transparentProxying",
          {"redirectPortInbound", "redirectPortInboundV6", "redirectPortOutbound",
           "directAccessServices", "ipFamilyMode", "reachableServices", "reachableBackends"});
    }
    if (const YAML::Node admin = networking["admin"]; !is_absent(admin)) {
      require_map(admin, "admin", {"port"});
      (void)port(admin, "port", 0);
    }
  }

  Outbound read_outbound(const YAML::Node& node) {
    require_map(node, "outbound", {"port", "address", "tags", "backendRef"});
    return {address(node, "address", "127.0.0.1"), port(node, "port", 0),
            string_map(node["tags"], "tags")};
  }

  Inbound read_inbound(const YAML::Node& node, const IpAddress& dataplane_address) {
    require_map(node, "inbound",
                {"port", "address", "servicePort", "serviceAddress", "protocol", "name", "tags",
                 "health", "state", "serviceProbe"});
    Inbound inbound;
    inbound.port = port(node, "port", 0);
    inbound.address = address(node, "address", dataplane_address.to_string());
    inbound.service_port = port(node, "servicePort", inbound.port);
    check_service_address(node, inbound);
    inbound.name = text(node, "name", fmt::format("{}", inbound.port));
    inbound.protocol = text(node, "protocol", "");
    inbound.tags = string_map(node["tags"], "tags");
    const auto service = inbound.tags.find(std::string(kServiceTag));
    if (service == inbound.tags.end()) {
      throw YamlMistake{mark_of(node, "tags"), fmt::format("tags: {} is missing: the name of the "
                                                           "service that this inbound is of",
                                                           kServiceTag)};
    }
    require_service_name(node["tags"].Mark(), service->second);
    inbound.state = state(node);
    const YAML::Node health = node["health"];
    if (!is_absent(health)) {
      require_map(health, "health", {"ready"});
      inbound.health_ready = boolean(health, "ready", false);
    }
    if (const YAML::Node probe = node["serviceProbe"]; !is_absent(probe)) {
      require_map(probe, "serviceProbe",
                  {"interval", "timeout", "unhealthyThreshold", "healthyThreshold", "tcp"});
    }
    return inbound;
  }

  // Where the application listens must not be where its proxy does.
  static void check_service_address(const YAML::Node& node, const Inbound& inbound) {
    if (!is_absent(node["serviceAddress"]) &&
        address(node, "serviceAddress", "") == inbound.address &&
        inbound.service_port == inbound.port) {
      throw YamlMistake{
          mark_of(node, "serviceAddress"),
          "serviceAddress: is the inbound's own address, and servicePort its own port; "
          "one of them must differ"};
    }
  }

  // The name becomes a DNS name NAME.mesh.
  static void require_service_name(const YAML::Mark& mark, const std::string& name) {
    if (name.size() > kMaxServiceOctets || !is_dns_name(name)) {
      throw YamlMistake{mark,
                        fmt::format("{}: '{}' cannot be a DNS name: use letters, digits, '-', "
                                    "'_' and dots between labels of at most 63, {} in all",
                                    kServiceTag, escape_name(name), kMaxServiceOctets)};
    }
  }

  static InboundState state(const YAML::Node& inbound) {
    const std::string written = text(inbound, "state", "Ready");
    if (written == "Ready" || written == "0") {
      return InboundState::kReady;
    }
    if (written == "NotReady" || written == "1") {
      return InboundState::kNotReady;
    }
    if (written == "Ignored" || written == "2") {
      return InboundState::kIgnored;
    }
    throw YamlMistake{
        mark_of(inbound, "state"),
        fmt::format("state: '{}' is not Ready, NotReady or Ignored", escape_name(written))};
  }
};

// Who the document says it is, as far as it can be made out.
std::optional<DataplaneId> id_of(const YAML::Node& node) {
  if (!node.IsMap()) {
    return std::nullopt;
  }
  const YAML::Node mesh = node["mesh"];
  const YAML::Node name = node["name"];
  if (!name || !name.IsScalar() || (mesh && !mesh.IsScalar())) {
    return std::nullopt;
  }
  return DataplaneId{mesh ? mesh.Scalar() : "default", name.Scalar()};
}

}  // namespace

ParsedDocument parse_document(std::string_view text) {
  ParsedDocument result;
  result.problem = read_yaml_document(text, [&](const YAML::Node& node) {
    result.id = id_of(node);
    result.dataplane = std::make_shared<const Dataplane>(EntityReader().read(node));
  });
  return result;
}

}  // namespace meshdns::discovery
