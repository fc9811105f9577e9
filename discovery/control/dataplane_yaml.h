// Reads a Dataplane entity in Kuma's universal form from a YAML document.
//
// Strict, so that a misspelt key does not go unnoticed: keys that Kuma has are accepted, even where
// nothing here uses them; any other is a problem that names its line.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "discovery/dataplane.h"

namespace meshdns::discovery {

// Where something is wrong and what is expected instead.
struct YamlProblem {
  int line = 0;  // from 1
  std::string reason;

  friend bool operator==(const YamlProblem&, const YamlProblem&) = default;
};

// What a document holds: a dataplane, a problem, or neither when it is empty. Dataplanes are
// immutable and shared, so that what did not change is the same object.
struct ParsedDocument {
  std::shared_ptr<const Dataplane> dataplane;
  std::optional<YamlProblem> problem;  // its line counts from the document's first
  std::optional<DataplaneId> id;       // what the document says it is, even when it is bad
};

// One document. YAML's cost grows faster than its size, and an alias costs a character where it
// stands for much; so both the size and the entries, each alias counted in full, are bounded.
inline constexpr std::size_t kMaxDocumentBytes = std::size_t{128} << 10U;
inline constexpr std::size_t kMaxDocumentEntries = 20'000;
// A key, a value, a name.
inline constexpr std::size_t kMaxTextBytes = 1024;

// Of one document, as split_documents() cuts them. Never throws.
[[nodiscard]] ParsedDocument parse_document(std::string_view text);

}  // namespace meshdns::discovery
