// Reading one entity from a YAML document, strictly: a key that is unknown or given twice, a value
// of the wrong kind is a mistake that names its line. For files that people write.
//
// Values of whichever thread parses.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include <yaml-cpp/yaml.h>

#include "base/ip_address.h"

namespace meshdns::discovery {

// Where something is wrong and what is expected instead.
struct YamlProblem {
  int line = 0;  // from 1
  std::string reason;

  friend bool operator==(const YamlProblem&, const YamlProblem&) = default;
};

// One document. YAML's cost grows faster than its size, and an alias costs a character where it
// stands for much; so both the size and the entries, each alias counted in full, are bounded.
inline constexpr std::size_t kMaxDocumentBytes = std::size_t{128} << 10U;
inline constexpr std::size_t kMaxDocumentEntries = 20'000;
// A key, a value, a name.
inline constexpr std::size_t kMaxTextBytes = 1024;

// The first thing that is wrong: thrown, and it ends the entity.
struct YamlMistake {
  YAML::Mark mark;
  std::string reason;
};

[[nodiscard]] YamlProblem problem_of(const YamlMistake& mistake);

// Hands the document's value to `read`, unless it is empty; what is wrong, which `read` throws as a
// YamlMistake, or nothing. Lines count from the document's first.
[[nodiscard]] std::optional<YamlProblem> read_yaml_document(
    std::string_view text, const std::function<void(const YAML::Node&)>& read);

// What readers of entities have in common. Each throws a YamlMistake; a missing key and one without
// a value are the same.
class YamlEntityReader {
 protected:
  using Keys = std::initializer_list<std::string_view>;

  [[nodiscard]] static bool is_absent(const YAML::Node& node) { return !node || node.IsNull(); }
  // Where `map` has `key`, else where it begins.
  [[nodiscard]] static YAML::Mark mark_of(const YAML::Node& map, const char* key);

  // Every map entry and list item costs one, each time an alias brings it.
  void spend(const YAML::Node& node);
  void require_map(const YAML::Node& node, std::string_view what, Keys keys);
  void require_list(const YAML::Node& node, const char* what);
  // Text that a resource may carry: UTF-8 without NUL, of at most kMaxTextBytes.
  [[nodiscard]] static std::string checked_text(const YAML::Node& node, const char* what);
  [[nodiscard]] static std::string text(const YAML::Node& map, const char* key,
                                        const std::string& fallback);
  // Part of a resource name MESH/NAME and of a node id MESH.NAME: letters, digits, '-', '_' and,
  // unless forbidden, '.'.
  static void require_name(const YAML::Node& map, const char* key, const std::string& value,
                           std::string_view forbidden);
  // 1 to 65535; `fallback` when it is not given, and 0 for none.
  [[nodiscard]] static std::uint16_t port(const YAML::Node& map, const char* key,
                                          std::uint16_t fallback);
  // An IP address, IPv4-mapped ones as IPv4, not the unspecified one.
  [[nodiscard]] static IpAddress address(const YAML::Node& map, const char* key,
                                         const std::string& fallback);
  [[nodiscard]] static IpAddress parse_address(const YAML::Mark& mark, const char* key,
                                               const std::string& written);
  [[nodiscard]] static bool boolean(const YAML::Node& map, const char* key, bool fallback);
  [[nodiscard]] std::map<std::string, std::string> string_map(const YAML::Node& node,
                                                              const char* what);

 private:
  std::size_t entries_left_ = kMaxDocumentEntries;
};

}  // namespace meshdns::discovery
