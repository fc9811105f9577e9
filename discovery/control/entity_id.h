// What an entity is called. Plain values.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace meshdns::discovery {

enum class EntityKind : std::uint8_t { kDataplane };

// The entity's `type`: "Dataplane".
[[nodiscard]] std::string_view type_name(EntityKind kind);

struct EntityId {
  EntityKind kind = EntityKind::kDataplane;
  std::string mesh;
  std::string name;

  // "TYPE/MESH/NAME". Neither type nor mesh has a slash.
  [[nodiscard]] std::string to_string() const;
  // What to_string() made.
  [[nodiscard]] static std::optional<EntityId> parse(std::string_view text);
  friend auto operator<=>(const EntityId&, const EntityId&) = default;
};

}  // namespace meshdns::discovery
