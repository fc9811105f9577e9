#include "discovery/entity_id.h"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace meshdns::discovery {

std::string_view type_name(EntityKind kind) {
  switch (kind) {
    case EntityKind::kDataplane:
      return "Dataplane";
    case EntityKind::kExternalService:
      return "ExternalService";
    case EntityKind::kHostnameGenerator:
      return "HostnameGenerator";
  }
  return "";
}

std::string_view noun(EntityKind kind) {
  switch (kind) {
    case EntityKind::kDataplane:
      return "dataplane";
    case EntityKind::kExternalService:
      return "external service";
    case EntityKind::kHostnameGenerator:
      return "hostname generator";
  }
  return "";
}

std::string_view collection_name(EntityKind kind) {
  switch (kind) {
    case EntityKind::kDataplane:
      return "dataplanes";
    case EntityKind::kExternalService:
      return "external-services";
    case EntityKind::kHostnameGenerator:
      return "hostnamegenerators";
  }
  return "";
}

std::string EntityId::to_string() const {
  std::string text(type_name(kind));
  text += '/';
  text += mesh;
  text += '/';
  text += name;
  return text;
}

std::optional<EntityId> EntityId::parse(std::string_view text) {
  const std::size_t type_end = text.find('/');
  const std::size_t mesh_end =
      type_end == std::string_view::npos ? std::string_view::npos : text.find('/', type_end + 1);
  if (mesh_end == std::string_view::npos) {
    return std::nullopt;
  }
  for (const EntityKind kind : kEntityKinds) {
    if (type_name(kind) == text.substr(0, type_end)) {
      return EntityId{kind, std::string(text.substr(type_end + 1, mesh_end - type_end - 1)),
                      std::string(text.substr(mesh_end + 1))};
    }
  }
  return std::nullopt;
}

}  // namespace meshdns::discovery
