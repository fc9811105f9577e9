#include "discovery/control/entity_reader.h"

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include "base/log.h"
#include "discovery/control/dataplane_yaml.h"
#include "discovery/dataplane.h"
#include "discovery/dns_name.h"
#include "discovery/feeds/yaml_entity.h"

namespace meshdns::discovery {
namespace {

constexpr std::string_view kServiceTag = "kuma.io/service";
const std::string kZoneTag = "kuma.io/zone";
// NAME.mesh is a name.
constexpr std::size_t kMaxServiceOctets = kMaxNameOctets - std::string_view(".mesh").size();

void require_service_name(const YAML::Mark& mark, const std::string& name) {
  if (name.size() > kMaxServiceOctets || !is_dns_name(name)) {
    throw YamlMistake{mark, fmt::format("{}: '{}' cannot be a DNS name: use letters, digits, '-', "
                                        "'_' and dots between labels of at most 63, {} in all",
                                        kServiceTag, escape_name(name), kMaxServiceOctets)};
  }
}

// Resolvers refuse all endpoints of a service of which one has a longer zone.
void require_zone(const YAML::Mark& mark, const std::map<std::string, std::string>& tags) {
  const auto zone = tags.find(kZoneTag);
  if (zone != tags.end() && zone->second.size() > kMaxNameOctets) {
    throw YamlMistake{mark, fmt::format("{}: {} octets are more than {}", kZoneTag,
                                        zone->second.size(), kMaxNameOctets)};
  }
}

}  // namespace

void EntityReader::field(const std::string& name, const std::function<void()>& read) {
  try {
    read();
  } catch (YamlMistake& mistake) {
    mistakes_.push_back({name, std::move(mistake)});
    if (mistakes_.size() == kMaxFieldProblems) {
      throw TooManyMistakes();
    }
  }
}

bool EntityReader::check_map(const std::string& name, const YAML::Node& node, std::string_view what,
                             Keys keys) {
  field(name, [&] { require_map(node, what, keys); });
  return node.IsMap();
}

bool EntityReader::check_required_map(const YAML::Node& parent, const char* key, Keys keys) {
  const YAML::Node node = parent[key];
  if (is_absent(node)) {
    field(key, [&] { throw YamlMistake{mark_of(parent, key), fmt::format("{} is missing", key)}; });
    return false;
  }
  return check_map(key, node, key, keys);
}

void EntityReader::read_name(const YAML::Node& node, Dataplane& entity) {
  field("name", [&] {
    entity.name = text(node, "name", "");
    require_name(node, "name", entity.name, "");
  });
}

void EntityReader::read_mesh(const YAML::Node& node, Dataplane& entity) {
  field("mesh", [&] {
    entity.mesh = text(node, "mesh", "default");
    require_name(node, "mesh", entity.mesh, ".");
  });
}

void EntityReader::read_labels(const YAML::Node& node, Dataplane& entity) {
  field("labels", [&] {
    entity.labels = string_map(node["labels"], "labels");
    require_zone(mark_of(node, "labels"), entity.labels);
  });
}

void EntityReader::read_tags(const YAML::Node& map, Inbound& inbound) {
  inbound.tags = string_map(map["tags"], "tags");
  const auto service = inbound.tags.find(std::string(kServiceTag));
  if (service == inbound.tags.end()) {
    throw YamlMistake{mark_of(map, "tags"), fmt::format("tags: {} is missing: the name of the "
                                                        "service that this inbound is of",
                                                        kServiceTag)};
  }
  require_service_name(map["tags"].Mark(), service->second);
  require_zone(map["tags"].Mark(), inbound.tags);
}

}  // namespace meshdns::discovery
