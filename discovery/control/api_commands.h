// The verbs apply, get and delete: what people say to the API of a running control plane.
//
// Each prints what came of it, and returns the first error. Belongs to the thread that calls.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "base/result.h"
#include "discovery/dataplane.h"
#include "discovery/entity_id.h"

namespace meshdns::discovery {

struct ApiCommandOptions {
  std::string address = "127.0.0.1:5681";
  std::FILE* output = stdout;
  std::FILE* error = stderr;
};

// Puts every entity of the files; "-" is standard input, a folder all its *.yaml, *.yml and *.json.
// With a mistake in one of them nothing is put at all, and each is told as "FILE:LINE: reason".
[[nodiscard]] Result<void> apply_entities(const std::vector<std::string>& paths, FileSystem& files,
                                          const ApiCommandOptions& options);

enum class EntityForm : std::uint8_t {
  kTable,
  kYaml,
  kJson,  // as the API tells it: a thousand a line
};

struct GetOptions {
  EntityKind kind = EntityKind::kDataplane;
  std::string name;  // empty: all
  std::string mesh;  // empty: all, or "default" where there is a name
  EntityForm form = EntityForm::kTable;
};
[[nodiscard]] Result<void> get_entities(const GetOptions& get, const ApiCommandOptions& options);

[[nodiscard]] Result<void> delete_entity(const DataplaneId& id, const ApiCommandOptions& options);

}  // namespace meshdns::discovery
