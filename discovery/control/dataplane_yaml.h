// Reads Dataplane entities in Kuma's universal form from YAML: any number of documents in a text.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "discovery/dataplane.h"

namespace meshdns::discovery {

// Where something is wrong and what to write instead.
struct YamlProblem {
  int line = 0;  // from 1
  std::string reason;

  friend bool operator==(const YamlProblem&, const YamlProblem&) = default;
};

struct ParsedDataplanes {
  struct Item {
    Dataplane dataplane;
    int line = 0;
  };
  std::vector<Item> dataplanes;
  std::vector<YamlProblem> problems;
  // The text is no YAML from some point on, as a file caught half-written is: what it held before
  // should stand.
  bool is_broken = false;
};

inline constexpr std::size_t kMaxYamlBytes = std::size_t{64} << 20U;

// Every good entity of `text`, and a problem for each bad one. Strict: unknown keys are problems.
// Nesting and size are bounded.
[[nodiscard]] ParsedDataplanes parse_dataplanes(std::string_view text);

}  // namespace meshdns::discovery
