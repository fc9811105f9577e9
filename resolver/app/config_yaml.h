// The configuration file's YAML as a flat list of settings, each with its line. Knows no key: which
// keys exist and what they mean is settings.h.
//
// The document is a mapping of sections, values and lists of values. Everything that could be read
// in two ways is a problem, not a guess: duplicate keys, anchors and aliases, a second document,
// values that are themselves structures, keys that are no plain word.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace meshdns::dns {

// The longest file that is read. A real one has some hundred lines.
inline constexpr std::size_t kMaxConfigBytes = std::size_t{1} << 20;

enum class YamlShape : std::uint8_t { kEmpty, kText, kList, kSection };

struct YamlText {
  std::string text;
  int line = 0;
};

struct YamlEntry {
  std::string key;  // dotted: "vip.ipv4_pool"
  int line = 0;     // 1 is the first
  YamlShape shape = YamlShape::kEmpty;
  std::vector<YamlText> items;  // kText: exactly one; kList: any number; otherwise none
};

struct YamlProblem {
  int line = 0;
  std::string key;  // empty where the problem is the document's
  std::string reason;
};

// In file order; a section comes before what it holds.
struct YamlSettings {
  std::vector<YamlEntry> entries;
  std::vector<YamlProblem> problems;
};

// What could be read is in `entries`, the rest in `problems`; a text that is no YAML at all has one
// problem and no entries. Time and memory grow with the length of `text`. An empty document has no
// settings and no problem, and a byte order mark is no part of the first key.
[[nodiscard]] YamlSettings parse_config_yaml(std::string_view text);

}  // namespace meshdns::dns
