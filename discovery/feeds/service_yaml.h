// Reads an entity of a services file from a YAML document: a service with its endpoints, or a name
// and its addresses. docs/SERVICES_FILE.md describes the form.
//
// Strict, as YamlEntityReader is. No I/O; values of whichever thread parses.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "discovery/feeds/yaml_entity.h"
#include "discovery/service.h"

namespace meshdns::discovery {

// What a document may leave out.
struct ServiceFileDefaults {
  std::string mesh = "default";  // the only one that a service may be of
  std::string zone = "mesh";     // DNS: a service without hostnames has NAME.ZONE
};

// A service and where it is served.
struct ServedService {
  Service service;
  ServiceEndpoints endpoints;

  friend bool operator==(const ServedService&, const ServedService&) = default;
};

using FileEntity = std::variant<ServedService, NameRecord>;

// Either, or neither when the document is empty.
struct ParsedEntity {
  std::optional<FileEntity> entity;
  std::optional<YamlProblem> problem;  // its line counts from the document's first
};

// Of one document, as split_documents() cuts them. Never throws.
[[nodiscard]] ParsedEntity parse_entity(std::string_view text, const ServiceFileDefaults& defaults);

}  // namespace meshdns::discovery
