#include "discovery/control/hostname_generator_yaml.h"

#include <memory>
#include <string>
#include <utility>

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include "discovery/control/entity_reader.h"
#include "discovery/control/hostname_template.h"
#include "discovery/dataplane.h"
#include "discovery/entity_id.h"
#include "discovery/feeds/yaml_entity.h"
#include "discovery/hostname_generator.h"

namespace meshdns::discovery {
namespace {

class HostnameGeneratorReader final : public EntityReader {
 public:
  Dataplane read(const YAML::Node& node) override {
    Dataplane entity;
    entity.kind = EntityKind::kHostnameGenerator;
    HostnameGenerator& generator = entity.generator.emplace();
    check_map("", node, "the document",
              {"type", "name", "labels", "spec", "creationTime", "modificationTime", "kri"});
    read_name(node, entity);
    field("labels", [&] { entity.labels = string_map(node["labels"], "labels"); });
    if (check_required_map(node, "spec", {"template", "selector"})) {
      const YAML::Node spec = node["spec"];
      field("spec.template", [&] { read_template(spec, generator); });
      if (const YAML::Node selector = spec["selector"]; !is_absent(selector)) {
        read_selector(selector, generator);
      }
    }
    return entity;
  }

 private:
  static void read_template(const YAML::Node& spec, HostnameGenerator& generator) {
    generator.hostname_template = text(spec, "template", "");
    if (const auto parsed = HostnameTemplate::parse(generator.hostname_template); !parsed) {
      throw YamlMistake{mark_of(spec, "template"),
                        fmt::format("template: {}", parsed.error().message)};
    }
  }

  void read_selector(const YAML::Node& selector, HostnameGenerator& generator) {
    if (!check_map("spec.selector", selector, "selector",
                   {"matchLabels", "meshService", "meshExternalService"})) {
      return;
    }
    if (selector.size() > 1) {
      field("spec.selector",
            [&] { throw YamlMistake{selector.Mark(), "selector: only one of its keys may be"}; });
      return;
    }
    using Selects = HostnameGenerator::Selects;
    for (const auto& [key, selects] : {std::pair("meshService", Selects::kOfDataplanes),
                                       std::pair("meshExternalService", Selects::kExternal)}) {
      const YAML::Node inner = selector[key];
      if (inner && check_map(std::string("spec.selector.") + key, inner, key, {"matchLabels"})) {
        generator.selects = selects;
        read_labels(inner, generator);
      }
    }
    read_labels(selector, generator);
  }

  void read_labels(const YAML::Node& map, HostnameGenerator& generator) {
    if (const YAML::Node labels = map["matchLabels"]; !is_absent(labels)) {
      field("spec.selector.matchLabels",
            [&] { generator.match_labels = string_map(labels, "matchLabels"); });
    }
  }
};

}  // namespace

std::unique_ptr<EntityReader> make_hostname_generator_reader() {
  return std::make_unique<HostnameGeneratorReader>();
}

}  // namespace meshdns::discovery
