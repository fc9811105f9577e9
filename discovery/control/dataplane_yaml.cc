#include "discovery/control/dataplane_yaml.h"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <memory>
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
#include "discovery/dataplane.h"
#include "discovery/dns_name.h"

namespace meshdns::discovery {
namespace {

constexpr std::string_view kServiceTag = "kuma.io/service";
constexpr std::size_t kMaxNameOctets = 253;
// NAME.mesh must fit RFC 1035's 253 octets of text.
constexpr std::size_t kMaxServiceOctets = kMaxNameOctets - std::string_view(".mesh").size();

struct Problem {
  YAML::Mark mark;
  std::string reason;
};

using Keys = std::initializer_list<std::string_view>;

bool is_absent(const YAML::Node& node) { return !node || node.IsNull(); }

// Where `map` has `key`, else where it begins.
YAML::Mark mark_of(const YAML::Node& map, const char* key) {
  const YAML::Node node = map[key];
  return node ? node.Mark() : map.Mark();
}

// Reads one entity; the first thing that is wrong is thrown as a Problem and ends it.
class EntityReader {
 public:
  Dataplane read(const YAML::Node& node) {
    if (node.IsMap() && node["kind"]) {
      throw Problem{mark_of(node, "kind"),
                    "this is the form for Kubernetes; write the universal one: type, mesh, name "
                    "and networking at the top"};
    }
    require_map(node, "the document",
                {"type", "mesh", "name", "labels", "networking", "probes", "metrics",
                 "creationTime", "modificationTime"});
    const std::string type = text(node, "type", "");
    if (type != "Dataplane") {
      throw Problem{mark_of(node, "type"),
                    fmt::format("type: '{}' is not 'Dataplane'", escape_name(type))};
    }
    Dataplane dataplane;
    dataplane.mesh = text(node, "mesh", "default");
    dataplane.name = text(node, "name", "");
    require_name(node, "mesh", dataplane.mesh, ".");
    require_name(node, "name", dataplane.name, "");
    dataplane.labels = string_map(node["labels"], "labels");
    const YAML::Node networking = node["networking"];
    if (is_absent(networking)) {
      throw Problem{mark_of(node, "networking"), "networking is missing"};
    }
    read_networking(networking, dataplane);
    return dataplane;
  }

 private:
  // Every map entry and list item costs one, each time an alias brings it.
  void spend(const YAML::Node& node) {
    if (node.size() > entries_left_) {
      throw Problem{node.Mark(),
                    fmt::format("the entity has more than {} entries", kMaxDocumentEntries)};
    }
    entries_left_ -= node.size();
  }

  void require_map(const YAML::Node& node, std::string_view what, Keys keys) {
    if (!node.IsMap()) {
      throw Problem{node.Mark(), fmt::format("{} must be a map of keys", what)};
    }
    spend(node);
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

  void require_list(const YAML::Node& node, const char* what) {
    if (!node.IsSequence()) {
      throw Problem{node.Mark(), fmt::format("{} must be a list", what)};
    }
    spend(node);
  }

  // Text that a resource may carry.
  static std::string checked_text(const YAML::Node& node, const char* what) {
    if (!node.IsScalar()) {
      throw Problem{node.Mark(), fmt::format("{} must be a single value", what)};
    }
    const std::string& value = node.Scalar();
    if (value.size() > kMaxTextBytes) {
      throw Problem{node.Mark(), fmt::format("{} is longer than {} octets", what, kMaxTextBytes)};
    }
    if (!is_utf8(value) || value.find('\0') != std::string::npos) {
      throw Problem{node.Mark(), fmt::format("{}: '{}' is not UTF-8 text without NUL", what,
                                             escape_name(value))};
    }
    return value;
  }

  static std::string text(const YAML::Node& map, const char* key, const std::string& fallback) {
    const YAML::Node node = map[key];
    return is_absent(node) ? fallback : checked_text(node, key);
  }

  // Part of a resource name MESH/NAME and of a node id MESH.NAME.
  static void require_name(const YAML::Node& map, const char* key, const std::string& value,
                           std::string_view forbidden) {
    const auto is_good_letter = [&](char c) {
      return is_host_letter(c) || c == '_' || (c == '.' && forbidden.find(c) == std::string::npos);
    };
    if (value.empty() || value.size() > kMaxNameOctets ||
        !std::ranges::all_of(value, is_good_letter)) {
      throw Problem{mark_of(map, key),
                    fmt::format("{}: '{}' must be 1 to {} letters, digits, '-'{} '_'", key,
                                escape_name(value), kMaxNameOctets,
                                forbidden.empty() ? ", '.' and" : " and")};
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
      throw Problem{mark_of(map, key), fmt::format("{}: '{}' must be a port from 1 to 65535", key,
                                                   escape_name(digits))};
    }
    return static_cast<std::uint16_t>(value);
  }

  static IpAddress address(const YAML::Node& map, const char* key, const std::string& fallback) {
    const std::string written = text(map, key, fallback);
    const auto parsed = IpAddress::parse(written);
    const bool is_numeric = written.find_first_not_of("0123456789.") == std::string::npos;
    if (!parsed && !is_numeric && is_dns_name(written)) {
      throw Problem{mark_of(map, key),
                    fmt::format("{}: '{}' is a name, and names are not resolved here; write the "
                                "IP address that it stands for",
                                key, escape_name(written))};
    }
    if (!parsed || parsed->unmapped().is_unspecified()) {
      throw Problem{mark_of(map, key),
                    fmt::format("{}: '{}' must be an IP address other than 0.0.0.0 and ::", key,
                                escape_name(written))};
    }
    return parsed->unmapped();  // gRPC takes the two forms of one address for two endpoints
  }

  static bool boolean(const YAML::Node& map, const char* key, bool fallback) {
    const YAML::Node node = map[key];
    bool value = fallback;
    if (!is_absent(node) && !YAML::convert<bool>::decode(node, value)) {
      throw Problem{node.Mark(), fmt::format("{}: '{}' is not true or false", key,
                                             escape_name(checked_text(node, key)))};
    }
    return value;
  }

  std::map<std::string, std::string> string_map(const YAML::Node& node, const char* what) {
    std::map<std::string, std::string> result;
    if (is_absent(node)) {
      return result;
    }
    if (!node.IsMap()) {
      throw Problem{node.Mark(), fmt::format("{} must be a map of keys to values", what)};
    }
    spend(node);
    for (const auto& entry : node) {
      std::string key = checked_text(entry.first, what);
      if (result.contains(key)) {
        throw Problem{entry.first.Mark(),
                      fmt::format("{}: '{}' is given twice", what, escape_name(key))};
      }
      result.emplace(std::move(key), checked_text(entry.second, what));
    }
    return result;
  }

  void read_networking(const YAML::Node& node, Dataplane& dataplane) {
    require_map(node, "networking",
                {"address", "advertisedAddress", "inbound", "outbound", "gateway",
                 "transparentProxying", "admin", "listeners"});
    dataplane.address = address(node, "address", "");
    check_accepted(node);
    const YAML::Node inbounds = node["inbound"];
    if (!is_absent(inbounds)) {
      require_list(inbounds, "inbound");
      for (const auto& inbound : inbounds) {
        dataplane.inbounds.push_back(read_inbound(inbound, dataplane.address));
      }
    }
    if (!is_absent(node["gateway"]) && !dataplane.inbounds.empty()) {
      throw Problem{mark_of(node, "inbound"), "inbound: a gateway has none"};
    }
    const YAML::Node outbounds = node["outbound"];
    if (!is_absent(outbounds)) {
      require_list(outbounds, "outbound");
      for (const auto& outbound : outbounds) {
        dataplane.outbounds.push_back(read_outbound(outbound));
      }
    }
  }

  // What Kuma has there and nothing here uses yet.
  void check_accepted(const YAML::Node& networking) {
    if (const YAML::Node gateway = networking["gateway"]; !is_absent(gateway)) {
      require_map(gateway, "gateway", {"type", "tags"});
      (void)string_map(gateway["tags"], "tags");
    }
    if (const YAML::Node proxying = networking["transparentProxying"]; !is_absent(proxying)) {
      require_map(
          proxying, "transparentProxying",
          {"redirectPortInbound", "redirectPortInboundV6", "redirectPortOutbound",
           "directAccessServices", "ipFamilyMode", "reachableServices", "reachableBackends"});
    }
    if (const YAML::Node admin = networking["admin"]; !is_absent(admin)) {
      require_map(admin, "admin", {"port"});
      (void)port(admin, "port", 0);
    }
  }

  Outbound read_outbound(const YAML::Node& node) {
    require_map(node, "outbound", {"port", "address", "tags", "backendRef"});
    return {address(node, "address", "127.0.0.1"), port(node, "port", 0),
            string_map(node["tags"], "tags")};
  }

  Inbound read_inbound(const YAML::Node& node, const IpAddress& dataplane_address) {
    require_map(node, "inbound",
                {"port", "address", "servicePort", "serviceAddress", "protocol", "name", "tags",
                 "health", "state", "serviceProbe"});
    Inbound inbound;
    inbound.port = port(node, "port", 0);
    inbound.address = address(node, "address", dataplane_address.to_string());
    inbound.service_port = port(node, "servicePort", inbound.port);
    check_service_address(node, inbound);
    inbound.name = text(node, "name", fmt::format("{}", inbound.port));
    inbound.protocol = text(node, "protocol", "");
    inbound.tags = string_map(node["tags"], "tags");
    const auto service = inbound.tags.find(std::string(kServiceTag));
    if (service == inbound.tags.end()) {
      throw Problem{mark_of(node, "tags"), fmt::format("tags: {} is missing: the name of the "
                                                       "service that this inbound is of",
                                                       kServiceTag)};
    }
    require_service_name(node["tags"].Mark(), service->second);
    inbound.state = state(node);
    const YAML::Node health = node["health"];
    if (!is_absent(health)) {
      require_map(health, "health", {"ready"});
      inbound.health_ready = boolean(health, "ready", false);
    }
    if (const YAML::Node probe = node["serviceProbe"]; !is_absent(probe)) {
      require_map(probe, "serviceProbe",
                  {"interval", "timeout", "unhealthyThreshold", "healthyThreshold", "tcp"});
    }
    return inbound;
  }

  // Where the application listens must not be where its proxy does.
  static void check_service_address(const YAML::Node& node, const Inbound& inbound) {
    if (!is_absent(node["serviceAddress"]) &&
        address(node, "serviceAddress", "") == inbound.address &&
        inbound.service_port == inbound.port) {
      throw Problem{mark_of(node, "serviceAddress"),
                    "serviceAddress: is the inbound's own address, and servicePort its own port; "
                    "one of them must differ"};
    }
  }

  // The name becomes a DNS name NAME.mesh.
  static void require_service_name(const YAML::Mark& mark, const std::string& name) {
    if (name.size() > kMaxServiceOctets || !is_dns_name(name)) {
      throw Problem{mark, fmt::format("{}: '{}' cannot be a DNS name: use letters, digits, '-', "
                                      "'_' and dots between labels of at most 63, {} in all",
                                      kServiceTag, escape_name(name), kMaxServiceOctets)};
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
        mark_of(inbound, "state"),
        fmt::format("state: '{}' is not Ready, NotReady or Ignored", escape_name(written))};
  }

  std::size_t entries_left_ = kMaxDocumentEntries;
};

// Marks count from 0, and one that points nowhere is -1.
int line_of(const YAML::Mark& mark) { return mark.is_null() ? 1 : mark.line + 1; }

// Who the document says it is, as far as it can be made out.
std::optional<DataplaneId> id_of(const YAML::Node& node) {
  if (!node.IsMap()) {
    return std::nullopt;
  }
  const YAML::Node mesh = node["mesh"];
  const YAML::Node name = node["name"];
  if (!name || !name.IsScalar() || (mesh && !mesh.IsScalar())) {
    return std::nullopt;
  }
  return DataplaneId{mesh ? mesh.Scalar() : "default", name.Scalar()};
}

// What is refused before it is parsed.
std::optional<std::string> refusal(std::string_view text) {
  if (text.size() > kMaxDocumentBytes) {
    return fmt::format("the document is longer than {} octets", kMaxDocumentBytes);
  }
  if (text.find('\0') != std::string_view::npos) {
    return "there is a NUL octet in the document";
  }
  return std::nullopt;
}

}  // namespace

ParsedDocument parse_document(std::string_view text) {
  ParsedDocument result;
  if (auto reason = refusal(text)) {
    result.problem = YamlProblem{1, *std::move(reason)};
    return result;
  }
  try {
    const YAML::Node node = YAML::Load(std::string(text));
    if (is_absent(node)) {
      return result;
    }
    result.id = id_of(node);
    result.dataplane = std::make_shared<const Dataplane>(EntityReader().read(node));
  } catch (const Problem& problem) {
    result.problem = YamlProblem{line_of(problem.mark), problem.reason};
  } catch (const YAML::Exception& error) {
    result.problem =
        YamlProblem{line_of(error.mark), fmt::format("no valid YAML: {}", escape_text(error.msg))};
  }
  return result;
}

}  // namespace meshdns::discovery
