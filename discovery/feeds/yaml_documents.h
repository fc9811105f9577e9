// Cuts a YAML stream into its documents, so that each is parsed by itself: a mistake stays in its
// document, and what did not change is not parsed again.
#pragma once

#include <string_view>
#include <vector>

namespace meshdns::discovery {

struct YamlDocument {
  std::string_view text;  // from its marker or first line up to the next document
  int line = 1;           // of the first octet of `text`, from 1

  friend bool operator==(const YamlDocument&, const YamlDocument&) = default;
};

// The documents of `stream`, in order; views into it. A line that begins with "---" begins a
// document and one that begins with "..." ends it, wherever it stands (YAML 1.2 section 9.1: they
// cannot be part of content). Comments and space alone are no document; a bare marker is an empty
// one.
[[nodiscard]] std::vector<YamlDocument> split_documents(std::string_view stream);

}  // namespace meshdns::discovery
