#include "discovery/feeds/yaml_entity.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include "base/ip_address.h"
#include "base/log.h"
#include "base/utf8.h"
#include "discovery/dns_name.h"

namespace meshdns::discovery {
namespace {

// Marks count from 0, and one that points nowhere is -1.
int line_of(const YAML::Mark& mark) { return mark.is_null() ? 1 : mark.line + 1; }

// What is refused before it is parsed.
std::optional<YamlProblem> refusal(std::string_view text) {
  if (text.size() > kMaxDocumentBytes) {
    return YamlProblem{1, fmt::format("the document is longer than {} octets", kMaxDocumentBytes)};
  }
  if (text.find('\0') != std::string_view::npos) {
    return YamlProblem{1, "there is a NUL octet in the document"};
  }
  return std::nullopt;
}

}  // namespace

YamlProblem problem_of(const YamlMistake& mistake) {
  return {line_of(mistake.mark), mistake.reason};
}

std::optional<YamlProblem> read_yaml_document(std::string_view text,
                                              const std::function<void(const YAML::Node&)>& read) {
  if (auto refused = refusal(text)) {
    return refused;
  }
  try {
    const YAML::Node node = YAML::Load(std::string(text));
    if (node && !node.IsNull()) {
      read(node);
    }
  } catch (const YamlMistake& mistake) {
    return problem_of(mistake);
  } catch (const YAML::Exception& error) {
    return YamlProblem{line_of(error.mark),
                       fmt::format("no valid YAML: {}", escape_text(error.msg))};
  }
  return std::nullopt;
}

YAML::Mark YamlEntityReader::mark_of(const YAML::Node& map, const char* key) {
  const YAML::Node node = map[key];
  return node ? node.Mark() : map.Mark();
}

void YamlEntityReader::spend(const YAML::Node& node) {
  if (node.size() > entries_left_) {
    throw YamlMistake{node.Mark(),
                      fmt::format("the entity has more than {} entries", kMaxDocumentEntries)};
  }
  entries_left_ -= node.size();
}

void YamlEntityReader::require_map(const YAML::Node& node, std::string_view what, Keys keys) {
  if (!node.IsMap()) {
    throw YamlMistake{node.Mark(), fmt::format("{} must be a map of keys", what)};
  }
  spend(node);
  std::set<std::string> seen;
  for (const auto& entry : node) {
    const std::string key = entry.first.IsScalar() ? entry.first.Scalar() : "";
    if (std::ranges::find(keys, key) == keys.end()) {
      throw YamlMistake{entry.first.Mark(),
                        fmt::format("'{}' is no key of {}; known are {}", escape_name(key), what,
                                    fmt::join(keys, ", "))};
    }
    if (!seen.insert(key).second) {
      throw YamlMistake{entry.first.Mark(), fmt::format("'{}' is given twice", key)};
    }
  }
}

void YamlEntityReader::require_list(const YAML::Node& node, const char* what) {
  if (!node.IsSequence()) {
    throw YamlMistake{node.Mark(), fmt::format("{} must be a list", what)};
  }
  spend(node);
}

std::string YamlEntityReader::checked_text(const YAML::Node& node, const char* what) {
  if (!node.IsScalar()) {
    throw YamlMistake{node.Mark(), fmt::format("{} must be a single value", what)};
  }
  const std::string& value = node.Scalar();
  if (value.size() > kMaxTextBytes) {
    throw YamlMistake{node.Mark(), fmt::format("{} is longer than {} octets", what, kMaxTextBytes)};
  }
  if (!is_utf8(value) || value.find('\0') != std::string::npos) {
    throw YamlMistake{node.Mark(), fmt::format("{}: '{}' is not UTF-8 text without NUL", what,
                                               escape_name(value))};
  }
  return value;
}

std::string YamlEntityReader::text(const YAML::Node& map, const char* key,
                                   const std::string& fallback) {
  const YAML::Node node = map[key];
  return is_absent(node) ? fallback : checked_text(node, key);
}

void YamlEntityReader::require_name(const YAML::Node& map, const char* key,
                                    const std::string& value, std::string_view forbidden) {
  const auto is_good_letter = [&](char c) {
    return is_host_letter(c) || c == '_' || (c == '.' && forbidden.find(c) == std::string::npos);
  };
  if (value.empty() || value.size() > kMaxNameOctets ||
      !std::ranges::all_of(value, is_good_letter)) {
    throw YamlMistake{
        mark_of(map, key),
        fmt::format("{}: '{}' must be 1 to {} letters, digits, '-'{} '_'", key, escape_name(value),
                    kMaxNameOctets, forbidden.empty() ? ", '.' and" : " and")};
  }
}

std::uint16_t YamlEntityReader::port(const YAML::Node& map, const char* key,
                                     std::uint16_t fallback) {
  const std::string digits = text(map, key, "");
  if (digits.empty() && fallback != 0) {
    return fallback;
  }
  std::uint32_t value = 0;
  const char* const end = digits.data() + digits.size();
  const auto parsed = std::from_chars(digits.data(), end, value);
  if (parsed.ec != std::errc() || parsed.ptr != end || value == 0 || value > UINT16_MAX) {
    throw YamlMistake{mark_of(map, key), fmt::format("{}: '{}' must be a port from 1 to 65535", key,
                                                     escape_name(digits))};
  }
  return static_cast<std::uint16_t>(value);
}

IpAddress YamlEntityReader::address(const YAML::Node& map, const char* key,
                                    const std::string& fallback) {
  return parse_address(mark_of(map, key), key, text(map, key, fallback));
}

IpAddress YamlEntityReader::parse_address(const YAML::Mark& mark, const char* key,
                                          const std::string& written) {
  const auto parsed = IpAddress::parse(written);
  const bool is_numeric = written.find_first_not_of("0123456789.") == std::string::npos;
  if (!parsed && !is_numeric && is_dns_name(written)) {
    throw YamlMistake{mark, fmt::format("{}: '{}' is a name, and names are not resolved here; "
                                        "write the IP address that it stands for",
                                        key, escape_name(written))};
  }
  if (!parsed || parsed->unmapped().is_unspecified()) {
    throw YamlMistake{mark, fmt::format("{}: '{}' must be an IP address other than 0.0.0.0 and ::",
                                        key, escape_name(written))};
  }
  return parsed->unmapped();  // gRPC takes the two forms of one address for two endpoints
}

bool YamlEntityReader::boolean(const YAML::Node& map, const char* key, bool fallback) {
  const YAML::Node node = map[key];
  bool value = fallback;
  if (!is_absent(node) && !YAML::convert<bool>::decode(node, value)) {
    throw YamlMistake{node.Mark(), fmt::format("{}: '{}' is not true or false", key,
                                               escape_name(checked_text(node, key)))};
  }
  return value;
}

std::map<std::string, std::string> YamlEntityReader::string_map(const YAML::Node& node,
                                                                const char* what) {
  std::map<std::string, std::string> result;
  if (is_absent(node)) {
    return result;
  }
  if (!node.IsMap()) {
    throw YamlMistake{node.Mark(), fmt::format("{} must be a map of keys to values", what)};
  }
  spend(node);
  for (const auto& entry : node) {
    std::string key = checked_text(entry.first, what);
    if (result.contains(key)) {
      throw YamlMistake{entry.first.Mark(),
                        fmt::format("{}: '{}' is given twice", what, escape_name(key))};
    }
    result.emplace(std::move(key), checked_text(entry.second, what));
  }
  return result;
}

}  // namespace meshdns::discovery
