// Reads an entity in Kuma's universal form from a YAML document: a Dataplane, an ExternalService, a
// HostnameGenerator.
//
// Strict, so that a misspelt key does not go unnoticed: keys that Kuma has are accepted, even where
// nothing here uses them; any other is a problem that names its line.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "discovery/dataplane.h"
#include "discovery/feeds/yaml_entity.h"

namespace meshdns::discovery {

// What is wrong with one field, as "networking.inbound[0].port", or with the whole (empty).
struct FieldProblem {
  std::string field;
  YamlProblem problem;  // its line counts from the document's first

  friend bool operator==(const FieldProblem&, const FieldProblem&) = default;
};

// As many are told of one document.
inline constexpr std::size_t kMaxFieldProblems = 100;

// What a document holds: an entity, a problem, or neither when it is empty. Entities are
// immutable and shared, so that what did not change is the same object.
struct ParsedDocument {
  std::shared_ptr<const Dataplane> dataplane;
  std::optional<YamlProblem> problem;  // the first of those below
  std::vector<FieldProblem> problems;
  std::optional<DataplaneId> id;  // what the document says it is, even when it is bad
};

// Of one document, as split_documents() cuts them. Never throws.
[[nodiscard]] ParsedDocument parse_document(std::string_view text);

}  // namespace meshdns::discovery
