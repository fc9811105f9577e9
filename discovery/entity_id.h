// What an entity is called, and of which kind it is. Plain values.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace meshdns::discovery {

enum class EntityKind : std::uint8_t { kDataplane, kExternalService, kHostnameGenerator };

inline constexpr std::array kEntityKinds = {EntityKind::kDataplane, EntityKind::kExternalService,
                                            EntityKind::kHostnameGenerator};

// The entity's `type`: "ExternalService".
[[nodiscard]] std::string_view type_name(EntityKind kind);
// For people: "external service".
[[nodiscard]] std::string_view noun(EntityKind kind);
// In the API's paths, for several: "external-services".
[[nodiscard]] std::string_view collection_name(EntityKind kind);
// Whether each is of one mesh; the mesh of the others is empty.
[[nodiscard]] constexpr bool is_of_a_mesh(EntityKind kind) {
  return kind != EntityKind::kHostnameGenerator;
}

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
