#include "discovery/feeds/service_yaml.h"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include "base/ip_address.h"
#include "base/log.h"
#include "discovery/dns_name.h"
#include "discovery/feeds/yaml_entity.h"
#include "discovery/service.h"

namespace meshdns::discovery {
namespace {

constexpr std::size_t kMaxHostnames = 64;    // of a service, as MeshFeed takes them
constexpr std::size_t kMaxAddresses = 1000;  // likewise, and of a record
constexpr std::uint32_t kMaxTtl = 7 * 24 * 3600;

class EntityReader final : private YamlEntityReader {
 public:
  explicit EntityReader(const ServiceFileDefaults& defaults) : defaults_(defaults) {}

  FileEntity read(const YAML::Node& node) {
    if (!node.IsMap()) {
      throw YamlMistake{node.Mark(),
                        "the document must be a map of keys: `type: Service`, `name: ...`"};
    }
    const std::string type = text(node, "type", "");
    if (type == "Service") {
      return read_service(node);
    }
    if (type == "Record") {
      return read_record(node);
    }
    throw YamlMistake{mark_of(node, "type"),
                      fmt::format("type: '{}' is neither Service nor Record", escape_name(type))};
  }

 private:
  ServedService read_service(const YAML::Node& node) {
    require_map(node, "a Service",
                {"type", "mesh", "name", "zone", "hostnames", "addresses", "answers", "ports",
                 "tags", "endpoints"});
    Service service;
    service.id = {text(node, "mesh", defaults_.mesh), text(node, "name", "")};
    if (service.id.mesh != defaults_.mesh) {
      throw YamlMistake{mark_of(node, "mesh"),
                        fmt::format("mesh: '{}' is not the mesh of this resolver, '{}'; leave it "
                                    "out",
                                    escape_name(service.id.mesh), escape_name(defaults_.mesh))};
    }
    require_name(node, "name", service.id.name, "");
    service.zone = text(node, "zone", "");
    service.hostnames = hostnames(node, service.id.name);
    service.addresses = addresses(node["addresses"]);
    service.answers = answers(node);
    service.ports = ports(node["ports"]);
    service.tags = string_map(node["tags"], "tags");
    ServiceEndpoints served{service.id, endpoints(node["endpoints"], service.zone)};
    return {std::move(service), std::move(served)};
  }

  NameRecord read_record(const YAML::Node& node) {
    if (node["cname"] || node["target"] || node["txt"] || node["records"]) {
      throw YamlMistake{node.Mark(),
                        "a Record has addresses alone; other types belong into a zone file "
                        "(`records.zone_files`)"};
    }
    require_map(node, "a Record", {"type", "name", "addresses", "ttl"});
    NameRecord record;
    record.name = fold_name(hostname(mark_of(node, "name"), "name", text(node, "name", "")));
    record.addresses = addresses(node["addresses"]);
    if (record.addresses.empty()) {
      throw YamlMistake{mark_of(node, "addresses"), "addresses: there is none; write a list"};
    }
    record.ttl_seconds = ttl(node);
    return record;
  }

  static std::optional<std::uint32_t> ttl(const YAML::Node& map) {
    const std::string digits = text(map, "ttl", "");
    if (digits.empty()) {
      return std::nullopt;
    }
    std::uint32_t value = 0;
    const char* const end = digits.data() + digits.size();
    const auto parsed = std::from_chars(digits.data(), end, value);
    if (parsed.ec != std::errc() || parsed.ptr != end || value > kMaxTtl) {
      throw YamlMistake{mark_of(map, "ttl"), fmt::format("ttl: '{}' must be seconds, 0 to {}",
                                                         escape_name(digits), kMaxTtl)};
    }
    return value;
  }

  static std::string hostname(const YAML::Mark& mark, const char* what, const std::string& name) {
    if (name.starts_with("*.")) {
      throw YamlMistake{mark, fmt::format("{}: '{}': wildcards belong into a zone file "
                                          "(`records.zone_files`)",
                                          what, escape_name(name))};
    }
    if (!is_dns_name(name)) {
      throw YamlMistake{mark,
                        fmt::format("{}: '{}' is no DNS name; write labels of letters, digits, "
                                    "'-' and '_' with dots between, without one at the end",
                                    what, escape_name(name))};
    }
    return name;
  }

  std::vector<std::string> hostnames(const YAML::Node& map, const std::string& service) {
    const YAML::Node list = map["hostnames"];
    if (is_absent(list)) {
      const std::string name = service + "." + defaults_.zone;
      if (!is_dns_name(name)) {
        throw YamlMistake{mark_of(map, "name"),
                          fmt::format("name: '{}' is no DNS name; change it, or give hostnames",
                                      escape_name(name))};
      }
      return {name};
    }
    require_list(list, "hostnames");
    std::vector<std::string> names;
    for (const auto& item : list) {
      std::string name = hostname(item.Mark(), "hostnames", checked_text(item, "hostnames"));
      if (std::ranges::find(names, fold_name(name), fold_name) != names.end()) {
        throw YamlMistake{item.Mark(),
                          fmt::format("hostnames: '{}' is listed twice", escape_name(name))};
      }
      if (names.size() >= kMaxHostnames) {
        throw YamlMistake{item.Mark(),
                          fmt::format("hostnames: there are more than {}", kMaxHostnames)};
      }
      names.push_back(std::move(name));
    }
    if (names.empty()) {
      throw YamlMistake{list.Mark(), "hostnames: there is none; leave it out for NAME.ZONE"};
    }
    return names;
  }

  std::vector<IpAddress> addresses(const YAML::Node& list) {
    std::vector<IpAddress> all;
    if (is_absent(list)) {
      return all;
    }
    require_list(list, "addresses");
    for (const auto& item : list) {
      const IpAddress address =
          parse_address(item.Mark(), "addresses", checked_text(item, "addresses"));
      if (std::ranges::find(all, address) != all.end()) {
        throw YamlMistake{item.Mark(),
                          fmt::format("addresses: {} is listed twice", address.to_string())};
      }
      if (all.size() >= kMaxAddresses) {
        throw YamlMistake{item.Mark(),
                          fmt::format("addresses: there are more than {}", kMaxAddresses)};
      }
      all.push_back(address);
    }
    return all;
  }

  static Answers answers(const YAML::Node& map) {
    const std::string word = text(map, "answers", "");
    const auto parsed = parse_answers(word);
    if (!parsed) {
      throw YamlMistake{mark_of(map, "answers"), fmt::format("answers: '{}' is neither vip nor "
                                                             "endpoints",
                                                             escape_name(word))};
    }
    return *parsed;
  }

  std::vector<ServicePort> ports(const YAML::Node& list) {
    std::vector<ServicePort> all;
    if (is_absent(list)) {
      return all;
    }
    require_list(list, "ports");
    for (const auto& item : list) {
      require_map(item, "a port", {"port", "name", "protocol"});
      ServicePort made;
      made.number = port(item, "port", 0);
      made.name = text(item, "name", "");
      const std::string word = text(item, "protocol", "tcp");
      const auto protocol = parse_protocol(word);
      if (!protocol) {
        throw YamlMistake{mark_of(item, "protocol"),
                          fmt::format("protocol: '{}' is none of tcp, http, http2, grpc and kafka",
                                      escape_name(word))};
      }
      made.protocol = *protocol;
      if (std::ranges::find(all, made.number, &ServicePort::number) != all.end()) {
        throw YamlMistake{mark_of(item, "port"),
                          fmt::format("port: {} is listed twice", made.number)};
      }
      all.push_back(std::move(made));
    }
    std::ranges::sort(all, {}, &ServicePort::number);
    return all;
  }

  std::vector<Endpoint> endpoints(const YAML::Node& list, const std::string& service_zone) {
    std::vector<Endpoint> all;
    if (is_absent(list)) {
      return all;
    }
    require_list(list, "endpoints");
    for (const auto& item : list) {
      all.push_back(endpoint(item, service_zone));
    }
    std::ranges::sort(all);
    const auto repeated = std::ranges::unique(all);
    all.erase(repeated.begin(), repeated.end());
    return all;
  }

  Endpoint endpoint(const YAML::Node& node, const std::string& service_zone) {
    require_map(node, "an endpoint", {"address", "port", "zone", "instance", "health"});
    Endpoint made;
    made.address = address(node, "address", "");
    made.port = port(node, "port", 0);
    made.zone = text(node, "zone", service_zone);
    made.instance = text(node, "instance", "");
    if (made.instance.size() > kMaxNameOctets || made.zone.size() > kMaxNameOctets) {
      throw YamlMistake{node.Mark(),
                        fmt::format("zone and instance are of at most {} octets", kMaxNameOctets)};
    }
    made.health = health(node);
    return made;
  }

  static Health health(const YAML::Node& map) {
    const std::string word = text(map, "health", "healthy");
    if (word == "healthy") {
      return Health::kHealthy;
    }
    if (word == "unhealthy") {
      return Health::kUnhealthy;
    }
    throw YamlMistake{
        mark_of(map, "health"),
        fmt::format("health: '{}' is neither healthy nor unhealthy", escape_name(word))};
  }

  const ServiceFileDefaults& defaults_;
};

}  // namespace

ParsedEntity parse_entity(std::string_view text, const ServiceFileDefaults& defaults) {
  ParsedEntity result;
  result.problem = read_yaml_document(
      text, [&](const YAML::Node& node) { result.entity = EntityReader(defaults).read(node); });
  return result;
}

}  // namespace meshdns::discovery
