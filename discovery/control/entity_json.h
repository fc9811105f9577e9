// Entities as JSON, in the form in which Kuma's API tells them. Pure; any thread.
//
// An entity's members are its JSON without what the API itself says: type, mesh, name,
// creationTime and modificationTime. So `"networking":{"address":"192.0.2.1"}`.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "base/wall_clock.h"
#include "discovery/dataplane.h"
#include "discovery/entity_id.h"

namespace meshdns::discovery {

// The members of a good YAML or JSON document, whatever they hold. Aliases are written out.
// Numbers, true, false and null stay such, but for the values of labels and tags, which are text.
// kInvalidArgument where a key is no text or stands twice, and where it gets too long.
[[nodiscard]] Result<std::string> members_of(std::string_view document);
// Those that this program makes something of.
[[nodiscard]] std::string members_of(const Dataplane& dataplane);

// The whole. `times` as times_text() made it; empty: unknown, and not said.
[[nodiscard]] std::string entity_json(const EntityId& id, std::string_view times,
                                      std::string_view members);

// Both times for entity_json().
[[nodiscard]] std::string times_text(std::string_view creation, std::string_view modification);
// The first of them.
[[nodiscard]] std::string_view creation_of(std::string_view times);
// As RFC 3339: "2026-11-22T06:00:00Z".
[[nodiscard]] std::string time_text(WallTime time);

}  // namespace meshdns::discovery
