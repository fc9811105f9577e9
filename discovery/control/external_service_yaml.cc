#include "discovery/control/external_service_yaml.h"

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <system_error>

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include "base/log.h"
#include "discovery/control/entity_reader.h"
#include "discovery/dataplane.h"
#include "discovery/entity_id.h"
#include "discovery/feeds/yaml_entity.h"

namespace meshdns::discovery {
namespace {

class ExternalServiceReader final : public EntityReader {
 public:
  Dataplane read(const YAML::Node& node) override {
    Dataplane entity;
    entity.kind = EntityKind::kExternalService;
    check_map("", node, "the document",
              {"type", "mesh", "name", "labels", "tags", "networking", "creationTime",
               "modificationTime", "kri"});
    read_mesh(node, entity);
    read_name(node, entity);
    read_labels(node, entity);
    Inbound& inbound = entity.inbounds.emplace_back();
    field("tags", [&] { read_tags(node, inbound); });
    if (check_required_map(node, "networking", {"address", "tls", "disableHostDNSEntry"})) {
      field("networking.address", [&] { read_address(node["networking"], entity, inbound); });
    }
    return entity;
  }

 private:
  // ADDRESS:PORT, an IPv6 address in brackets.
  static void read_address(const YAML::Node& networking, Dataplane& entity, Inbound& inbound) {
    const std::string written = text(networking, "address", "");
    const YAML::Mark mark = mark_of(networking, "address");
    const std::size_t colon = written.rfind(':');
    std::uint16_t number = 0;
    if (colon != std::string::npos) {
      const char* const end = written.data() + written.size();
      const auto parsed = std::from_chars(written.data() + colon + 1, end, number);
      number = parsed.ec == std::errc() && parsed.ptr == end ? number : std::uint16_t{0};
    }
    if (number == 0) {
      throw YamlMistake{mark,
                        fmt::format("address: '{}' must be ADDRESS:PORT", escape_name(written))};
    }
    std::string host = written.substr(0, colon);
    if (host.size() > 2 && host.starts_with('[') && host.ends_with(']')) {
      host = host.substr(1, host.size() - 2);
    }
    entity.address = parse_address(mark, "address", host);
    inbound.address = entity.address;
    inbound.port = inbound.service_port = number;
    inbound.name = fmt::format("{}", number);
  }
};

}  // namespace

std::unique_ptr<EntityReader> make_external_service_reader() {
  return std::make_unique<ExternalServiceReader>();
}

}  // namespace meshdns::discovery
