// Where an entity was told of.
#pragma once

#include <compare>
#include <cstdint>
#include <string>

namespace meshdns::discovery {

// In the order of precedence: where several tell of one entity, the first counts.
enum class SourceKind : std::uint8_t {
  kDirectory,  // a file of the folder
  kApi,        // somebody who asked for it over HTTP
  kStream,     // the workload itself, for as long as its stream lasts
};

struct EntitySource {
  SourceKind kind = SourceKind::kDirectory;
  std::string name;  // the file's path; the API has none; what the stream is called

  // For people: where in it, `line` counting from 1.
  [[nodiscard]] std::string place(int line) const;
  friend auto operator<=>(const EntitySource&, const EntitySource&) = default;
};

}  // namespace meshdns::discovery
