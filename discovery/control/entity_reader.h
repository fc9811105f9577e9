// What readers of entities have in common: they note what is wrong field by field, and go on.
//
// Values of whichever thread parses.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <yaml-cpp/yaml.h>

#include "discovery/control/dataplane_yaml.h"
#include "discovery/dataplane.h"
#include "discovery/feeds/yaml_entity.h"

namespace meshdns::discovery {

struct FieldMistake {
  std::string field;
  YamlMistake mistake;
};

// Ends the reading of an entity in which all seems wrong.
struct TooManyMistakes {};

class EntityReader : protected YamlEntityReader {
 public:
  EntityReader() = default;
  EntityReader(const EntityReader&) = delete;
  EntityReader& operator=(const EntityReader&) = delete;
  virtual ~EntityReader() = default;

  // Worth something only without mistakes(). `node` is a map.
  virtual Dataplane read(const YAML::Node& node) = 0;

  [[nodiscard]] const std::vector<FieldMistake>& mistakes() const { return mistakes_; }

 protected:
  // Runs `read`, which may throw a mistake: that of the field. The last one of so many ends it all.
  void field(const std::string& name, const std::function<void()>& read);
  // Whether it is a map, so that its fields can be read.
  bool check_map(const std::string& name, const YAML::Node& node, std::string_view what, Keys keys);
  // As check_map(), of what must be there.
  bool check_required_map(const YAML::Node& parent, const char* key, Keys keys);
  // The entity's own name, a part of its resource's.
  void read_name(const YAML::Node& node, Dataplane& entity);
  void read_mesh(const YAML::Node& node, Dataplane& entity);
  void read_labels(const YAML::Node& node, Dataplane& entity);
  // Tags with the service that they are of, whose name becomes a DNS name NAME.mesh.
  void read_tags(const YAML::Node& map, Inbound& inbound);

 private:
  std::vector<FieldMistake> mistakes_;
};

}  // namespace meshdns::discovery
