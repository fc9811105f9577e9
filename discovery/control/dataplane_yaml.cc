#include "discovery/control/dataplane_yaml.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include "base/ip_address.h"
#include "base/log.h"
#include "discovery/dataplane.h"

namespace meshdns::discovery {
namespace {

constexpr std::string_view kServiceTag = "kuma.io/service";
constexpr std::size_t kMaxTagOctets = 253;

struct Problem {
  YAML::Mark mark;
  std::string reason;
};

// Reads one entity; the first thing that is wrong is thrown as a Problem and ends it.
class EntityReader {
 public:
  static Dataplane read(const YAML::Node& node) {
    require_map(node, "the document",
                {"type", "mesh", "name", "labels", "networking", "probes", "metrics"});
    const std::string type = text(node, "type", "");
    if (type != "Dataplane") {
      throw Problem{node.Mark(), fmt::format("type: '{}' is not 'Dataplane'", escape_name(type))};
    }
    Dataplane dataplane;
    dataplane.mesh = text(node, "mesh", "default");
    dataplane.name = text(node, "name", "");
    for (const auto& [key, value] :
         {std::pair{"mesh", &dataplane.mesh}, std::pair{"name", &dataplane.name}}) {
      require_name(node, key, *value);
    }
    dataplane.labels = string_map(node["labels"], "labels");
    read_networking(node["networking"], node.Mark(), dataplane);
    return dataplane;
  }

 private:
  static void require_map(const YAML::Node& node, std::string_view what,
                          std::initializer_list<std::string_view> keys) {
    if (!node.IsMap()) {
      throw Problem{node.Mark(), fmt::format("{} must be a map of keys", what)};
    }
    std::set<std::string> seen;
    for (const auto& entry : node) {
      const std::string key = entry.first.IsScalar() ? entry.first.Scalar() : "";
      if (std::ranges::find(keys, key) == keys.end()) {
        throw Problem{entry.first.Mark(),
                      fmt::format("'{}' is no key of {}; known are {}", escape_name(key), what,
                                  fmt::join(keys, ", "))};
      }
      if (!seen.insert(key).second) {
        throw Problem{entry.first.Mark(), fmt::format("'{}' is given twice", key)};
      }
    }
  }

  static std::string text(const YAML::Node& map, const char* key, const std::string& fallback) {
    const YAML::Node node = map[key];
    if (!node || node.IsNull()) {
      return fallback;
    }
    if (!node.IsScalar()) {
      throw Problem{node.Mark(), fmt::format("{} must be a single value", key)};
    }
    return node.Scalar();
  }

  // Part of a resource name MESH/NAME.
  static void require_name(const YAML::Node& map, const char* key, const std::string& value) {
    const bool is_good =
        !value.empty() && value.size() <= kMaxTagOctets &&
        std::ranges::all_of(value, [](char c) { return c > ' ' && c < '\x7f' && c != '/'; });
    if (!is_good) {
      throw Problem{map[key] ? map[key].Mark() : map.Mark(),
                    fmt::format("{}: '{}' must be 1 to {} printable characters without '/'", key,
                                escape_name(value), kMaxTagOctets)};
    }
  }

  static std::uint16_t port(const YAML::Node& map, const char* key, std::uint16_t fallback) {
    const std::string digits = text(map, key, "");
    if (digits.empty() && fallback != 0) {
      return fallback;
    }
    std::uint32_t value = 0;
    const char* const end = digits.data() + digits.size();
    const auto parsed = std::from_chars(digits.data(), end, value);
    if (parsed.ec != std::errc() || parsed.ptr != end || value == 0 || value > UINT16_MAX) {
      throw Problem{
          map[key] ? map[key].Mark() : map.Mark(),
          fmt::format("{}: '{}' must be a port from 1 to 65535", key, escape_name(digits))};
    }
    return static_cast<std::uint16_t>(value);
  }

  static IpAddress address(const YAML::Node& map, const char* key, const std::string& fallback) {
    const std::string written = text(map, key, fallback);
    const auto parsed = IpAddress::parse(written);
    if (!parsed || parsed->is_unspecified()) {
      throw Problem{map[key] ? map[key].Mark() : map.Mark(),
                    fmt::format("{}: '{}' must be an IP address other than 0.0.0.0 and ::; names "
                                "are not resolved here, write what the name resolves to",
                                key, escape_name(written))};
    }
    return *parsed;
  }

  static std::map<std::string, std::string> string_map(const YAML::Node& node, const char* what) {
    std::map<std::string, std::string> result;
    if (!node || node.IsNull()) {
      return result;
    }
    if (!node.IsMap()) {
      throw Problem{node.Mark(), fmt::format("{} must be a map of keys to values", what)};
    }
    for (const auto& entry : node) {
      if (!entry.first.IsScalar() || !entry.second.IsScalar()) {
        throw Problem{entry.first.Mark(),
                      fmt::format("{}: keys and values must be plain text", what)};
      }
      if (!result.emplace(entry.first.Scalar(), entry.second.Scalar()).second) {
        throw Problem{entry.first.Mark(), fmt::format("{}: '{}' is given twice", what,
                                                      escape_name(entry.first.Scalar()))};
      }
    }
    return result;
  }

  static void read_networking(const YAML::Node& node, const YAML::Mark& parent,
                              Dataplane& dataplane) {
    if (!node) {
      throw Problem{parent, "networking is missing"};
    }
    require_map(node, "networking",
                {"address", "advertisedAddress", "inbound", "outbound", "gateway",
                 "transparentProxying", "admin", "listeners"});
    dataplane.address = address(node, "address", "");
    if (const YAML::Node inbounds = node["inbound"]; inbounds && !inbounds.IsNull()) {
      require_list(inbounds, "inbound");
      for (const auto& inbound : inbounds) {
        dataplane.inbounds.push_back(read_inbound(inbound, dataplane.address));
      }
    }
    if (const YAML::Node outbounds = node["outbound"]; outbounds && !outbounds.IsNull()) {
      require_list(outbounds, "outbound");
      for (const auto& outbound : outbounds) {
        require_map(outbound, "outbound", {"port", "address", "tags", "backendRef"});
        dataplane.outbounds.push_back({address(outbound, "address", "127.0.0.1"),
                                       port(outbound, "port", 0),
                                       string_map(outbound["tags"], "tags")});
      }
    }
  }

  static void require_list(const YAML::Node& node, const char* what) {
    if (!node.IsSequence()) {
      throw Problem{node.Mark(), fmt::format("{} must be a list", what)};
    }
  }

  static Inbound read_inbound(const YAML::Node& node, const IpAddress& dataplane_address) {
    require_map(node, "inbound",
                {"port", "address", "servicePort", "serviceAddress", "protocol", "name", "tags",
                 "health", "state", "serviceProbe"});
    Inbound inbound;
    inbound.port = port(node, "port", 0);
    inbound.address = address(node, "address", dataplane_address.to_string());
    inbound.service_port = port(node, "servicePort", inbound.port);
    if (node["serviceAddress"]) {
      (void)address(node, "serviceAddress", "");
    }
    inbound.name = text(node, "name", fmt::format("{}", inbound.port));
    inbound.protocol = text(node, "protocol", "");
    inbound.tags = string_map(node["tags"], "tags");
    const auto service = inbound.tags.find(std::string(kServiceTag));
    if (service == inbound.tags.end()) {
      throw Problem{node.Mark(), fmt::format("tags: {} is missing", kServiceTag)};
    }
    require_service_name(node["tags"].Mark(), service->second);
    inbound.state = state(node);
    inbound.health_ready = health(node["health"]);
    return inbound;
  }

  // The name becomes a DNS name NAME.mesh: labels of letters, digits, '-' and '_', between dots.
  static void require_service_name(const YAML::Mark& mark, const std::string& name) {
    std::size_t label = 0;
    bool is_good = !name.empty() && name.size() <= 240;
    for (const char c : name) {
      const bool is_word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                           (c >= '0' && c <= '9') || c == '-' || c == '_';
      is_good = is_good && (is_word || (c == '.' && label > 0));
      label = c == '.' ? 0 : label + 1;
      is_good = is_good && label <= 63;
    }
    if (!is_good || label == 0) {
      throw Problem{mark, fmt::format("{}: '{}' cannot be a DNS name: use letters, digits, '-', "
                                      "'_' and dots between labels of at most 63",
                                      kServiceTag, escape_name(name))};
    }
  }

  static InboundState state(const YAML::Node& inbound) {
    const std::string written = text(inbound, "state", "Ready");
    if (written == "Ready" || written == "0") {
      return InboundState::kReady;
    }
    if (written == "NotReady" || written == "1") {
      return InboundState::kNotReady;
    }
    if (written == "Ignored" || written == "2") {
      return InboundState::kIgnored;
    }
    throw Problem{
        inbound["state"].Mark(),
        fmt::format("state: '{}' is not Ready, NotReady or Ignored", escape_name(written))};
  }

  static bool health(const YAML::Node& node) {
    if (!node || node.IsNull()) {
      return true;
    }
    require_map(node, "health", {"ready"});
    const std::string ready = text(node, "ready", "false");
    if (ready != "true" && ready != "false") {
      throw Problem{node.Mark(),
                    fmt::format("health: ready: '{}' is not true or false", escape_name(ready))};
    }
    return ready == "true";
  }
};

// The line a document of `text` begins at is told by its node; 0-based marks become 1-based lines.
int line_of(const YAML::Mark& mark) { return mark.is_null() ? 1 : mark.line + 1; }

// What is refused before it is parsed. Nesting is bounded by yaml-cpp itself.
std::string refusal(std::string_view text) {
  if (text.size() > kMaxYamlBytes) {
    return fmt::format("the file is longer than {} octets", kMaxYamlBytes);
  }
  if (text.find('\0') != std::string_view::npos) {
    return "the file holds a NUL octet";
  }
  return {};
}

}  // namespace

ParsedDataplanes parse_dataplanes(std::string_view text) {
  ParsedDataplanes result;
  if (auto reason = refusal(text); !reason.empty()) {
    result.problems.push_back({1, std::move(reason)});
    result.is_broken = true;
    return result;
  }
  std::vector<YAML::Node> documents;
  try {
    documents = YAML::LoadAll(std::string(text));
  } catch (const YAML::Exception& error) {
    result.problems.push_back(
        {line_of(error.mark), fmt::format("no valid YAML: {}", escape_name(error.msg))});
    result.is_broken = true;
    return result;
  }
  for (const YAML::Node& document : documents) {
    if (document.IsNull()) {
      continue;  // an empty document between two separators
    }
    try {
      result.dataplanes.push_back({EntityReader::read(document), line_of(document.Mark())});
    } catch (const Problem& problem) {
      result.problems.push_back({line_of(problem.mark), problem.reason});
    } catch (const YAML::Exception& error) {
      result.problems.push_back({line_of(error.mark), escape_name(error.msg)});
    }
  }
  return result;
}

}  // namespace meshdns::discovery
