#include "discovery/control/entity_id.h"

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include <fmt/format.h>

namespace meshdns::discovery {
namespace {

constexpr std::array kKinds = {EntityKind::kDataplane};

}  // namespace

std::string_view type_name(EntityKind kind) {
  switch (kind) {
    case EntityKind::kDataplane:
      return "Dataplane";
  }
  return "";
}

std::string EntityId::to_string() const {
  return fmt::format("{}/{}/{}", type_name(kind), mesh, name);
}

std::optional<EntityId> EntityId::parse(std::string_view text) {
  const std::size_t type_end = text.find('/');
  const std::size_t mesh_end =
      type_end == std::string_view::npos ? std::string_view::npos : text.find('/', type_end + 1);
  if (mesh_end == std::string_view::npos) {
    return std::nullopt;
  }
  for (const EntityKind kind : kKinds) {
    if (type_name(kind) == text.substr(0, type_end)) {
      return EntityId{kind, std::string(text.substr(type_end + 1, mesh_end - type_end - 1)),
                      std::string(text.substr(mesh_end + 1))};
    }
  }
  return std::nullopt;
}

}  // namespace meshdns::discovery
