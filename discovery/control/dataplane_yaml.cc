#include "discovery/control/dataplane_yaml.h"

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include "base/ip_address.h"
#include "base/log.h"
#include "discovery/control/entity_reader.h"
#include "discovery/control/external_service_yaml.h"
#include "discovery/control/hostname_generator_yaml.h"
#include "discovery/dataplane.h"
#include "discovery/entity_id.h"
#include "discovery/feeds/yaml_entity.h"

namespace meshdns::discovery {
namespace {

class DataplaneReader final : public EntityReader {
 public:
  Dataplane read(const YAML::Node& node) override {
    Dataplane dataplane;
    check_map("", node, "the document",
              {"type", "mesh", "name", "labels", "networking", "probes", "metrics", "creationTime",
               "modificationTime", "kri"});
    read_mesh(node, dataplane);
    read_name(node, dataplane);
    read_labels(node, dataplane);
    if (check_required_map(node, "networking",
                           {"address", "advertisedAddress", "inbound", "outbound", "gateway",
                            "transparentProxying", "admin", "listeners"})) {
      read_networking(node["networking"], dataplane);
    }
    return dataplane;
  }

 private:
  // Calls `read` for each item of `map`'s list, with what the item is called.
  void each_item(const YAML::Node& map, const char* key,
                 const std::function<void(const std::string&, const YAML::Node&)>& read) {
    const YAML::Node list = map[key];
    if (is_absent(list)) {
      return;
    }
    const std::string name = std::string("networking.") + key;
    bool is_list = false;
    field(name, [&] {
      require_list(list, key);
      is_list = true;
    });
    for (std::size_t i = 0; is_list && i < list.size(); ++i) {
      read(fmt::format("{}[{}]", name, i), list[i]);
    }
  }

  void read_networking(const YAML::Node& node, Dataplane& dataplane) {
    std::optional<IpAddress> own;
    field("networking.address", [&] { own = address(node, "address", ""); });
    dataplane.address = own.value_or(IpAddress());
    check_accepted(node);
    each_item(node, "inbound", [&](const std::string& name, const YAML::Node& inbound) {
      dataplane.inbounds.push_back(read_inbound(name, inbound, own));
    });
    if (!is_absent(node["gateway"]) && !dataplane.inbounds.empty()) {
      field("networking.inbound",
            [&] { throw YamlMistake{mark_of(node, "inbound"), "inbound: a gateway has none"}; });
    }
    each_item(node, "outbound", [&](const std::string& name, const YAML::Node& outbound) {
      dataplane.outbounds.push_back(read_outbound(name, outbound));
    });
  }

  // What Kuma has there and nothing here uses yet.
  void check_accepted(const YAML::Node& networking) {
    if (const YAML::Node gateway = networking["gateway"];
        !is_absent(gateway) &&
        check_map("networking.gateway", gateway, "gateway", {"type", "tags"})) {
      field("networking.gateway.tags", [&] { (void)string_map(gateway["tags"], "tags"); });
    }
    if (const YAML::Node proxying = networking["transparentProxying"]; !is_absent(proxying)) {
      check_map("networking.transparentProxying", proxying, "transparentProxying",
                {"redirectPortInbound", "redirectPortInboundV6", "redirectPortOutbound",
                 "directAccessServices", "ipFamilyMode", "reachableServices", "reachableBackends"});
    }
    if (const YAML::Node admin = networking["admin"];
        !is_absent(admin) && check_map("networking.admin", admin, "admin", {"port"})) {
      field("networking.admin.port", [&] { (void)port(admin, "port", 0); });
    }
  }

  Outbound read_outbound(const std::string& name, const YAML::Node& node) {
    Outbound outbound;
    if (check_map(name, node, "outbound", {"port", "address", "tags", "backendRef"})) {
      field(name + ".address", [&] { outbound.address = address(node, "address", "127.0.0.1"); });
      field(name + ".port", [&] { outbound.port = port(node, "port", 0); });
      field(name + ".tags", [&] { outbound.tags = string_map(node["tags"], "tags"); });
    }
    return outbound;
  }

  Inbound read_inbound(const std::string& name, const YAML::Node& node,
                       const std::optional<IpAddress>& dataplane_address) {
    Inbound inbound;
    if (!check_map(name, node, "inbound",
                   {"port", "address", "servicePort", "serviceAddress", "protocol", "name", "tags",
                    "health", "state", "serviceProbe"})) {
      return inbound;
    }
    field(name + ".port", [&] { inbound.port = port(node, "port", 0); });
    if (dataplane_address || !is_absent(node["address"])) {
      field(name + ".address", [&] {
        inbound.address =
            address(node, "address", dataplane_address.value_or(IpAddress()).to_string());
      });
    }
    // Where its own port is bad, that is what is said.
    inbound.service_port = inbound.port;
    if (inbound.port != 0 || !is_absent(node["servicePort"])) {
      field(name + ".servicePort",
            [&] { inbound.service_port = port(node, "servicePort", inbound.port); });
    }
    field(name + ".serviceAddress", [&] { check_service_address(node, inbound); });
    field(name + ".name",
          [&] { inbound.name = text(node, "name", fmt::format("{}", inbound.port)); });
    field(name + ".protocol", [&] { inbound.protocol = text(node, "protocol", ""); });
    field(name + ".tags", [&] { read_tags(node, inbound); });
    field(name + ".state", [&] { inbound.state = state(node); });
    if (const YAML::Node health = node["health"];
        !is_absent(health) && check_map(name + ".health", health, "health", {"ready"})) {
      field(name + ".health.ready",
            [&] { inbound.health_ready = boolean(health, "ready", false); });
    }
    if (const YAML::Node probe = node["serviceProbe"]; !is_absent(probe)) {
      check_map(name + ".serviceProbe", probe, "serviceProbe",
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

// The reader for an entity of that type; none for another type.
std::unique_ptr<EntityReader> reader_of(const std::string& type) {
  if (type == type_name(EntityKind::kDataplane)) {
    return std::make_unique<DataplaneReader>();
  }
  if (type == type_name(EntityKind::kExternalService)) {
    return make_external_service_reader();
  }
  if (type == type_name(EntityKind::kHostnameGenerator)) {
    return make_hostname_generator_reader();
  }
  return nullptr;
}

std::string type_of(const YAML::Node& node) {
  if (!node.IsMap()) {
    throw YamlMistake{node.Mark(), "the document must be a map of keys"};
  }
  if (node["kind"]) {
    throw YamlMistake{node["kind"].Mark(),
                      "this is the form for Kubernetes; write the universal one: type, mesh, name "
                      "and networking at the top"};
  }
  const YAML::Node type = node["type"];
  return type && type.IsScalar() ? type.Scalar() : std::string();
}

// Who the document says it is, as far as it can be made out.
std::optional<DataplaneId> id_of(const YAML::Node& node) {
  if (!node.IsMap()) {
    return std::nullopt;
  }
  const YAML::Node mesh = node["mesh"];
  const YAML::Node name = node["name"];
  const YAML::Node type = node["type"];
  if (!name || !name.IsScalar() || (mesh && !mesh.IsScalar())) {
    return std::nullopt;
  }
  DataplaneId id{mesh ? mesh.Scalar() : "default", name.Scalar()};
  for (const EntityKind kind : kEntityKinds) {
    if (type && type.IsScalar() && type.Scalar() == type_name(kind)) {
      id.kind = kind;
    }
  }
  if (!is_of_a_mesh(id.kind)) {
    id.mesh.clear();
  }
  return id;
}

void read_entity(const YAML::Node& node, ParsedDocument& result) {
  result.id = id_of(node);
  const std::string type = type_of(node);
  const auto reader = reader_of(type);
  if (reader == nullptr) {
    const YamlMistake mistake{
        node["type"] ? node["type"].Mark() : node.Mark(),
        fmt::format("type: '{}' is not 'Dataplane', 'ExternalService' or 'HostnameGenerator'",
                    escape_name(type))};
    result.problems.push_back({"type", problem_of(mistake)});
    throw YamlMistake(mistake);
  }
  try {
    auto dataplane = std::make_shared<const Dataplane>(reader->read(node));
    if (reader->mistakes().empty()) {
      result.dataplane = std::move(dataplane);
    }
  } catch (const TooManyMistakes&) {
    result.dataplane = nullptr;
  }
  for (const FieldMistake& each : reader->mistakes()) {
    result.problems.push_back({each.field, problem_of(each.mistake)});
  }
  if (!reader->mistakes().empty()) {
    throw YamlMistake(reader->mistakes().front().mistake);
  }
}

}  // namespace

ParsedDocument parse_document(std::string_view text) {
  ParsedDocument result;
  result.problem =
      read_yaml_document(text, [&](const YAML::Node& node) { read_entity(node, result); });
  if (result.problem && result.problems.empty()) {
    result.problems.push_back({"", *result.problem});
  }
  return result;
}

}  // namespace meshdns::discovery
