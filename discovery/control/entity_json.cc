#include "discovery/control/entity_json.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include "base/ip_address.h"
#include "base/json_text.h"
#include "base/result.h"
#include "base/wall_clock.h"
#include "discovery/dataplane.h"
#include "discovery/entity_id.h"
#include "discovery/feeds/yaml_entity.h"
#include "discovery/hostname_generator.h"

namespace meshdns::discovery {
namespace {

// `kri` is how Kuma 3 names an entity; its tools send it along.
constexpr std::array<std::string_view, 6> kOfTheApi = {
    "type", "mesh", "name", "creationTime", "modificationTime", "kri"};
// Their values are text, whatever they look like.
constexpr std::array<std::string_view, 3> kTextMaps = {"labels", "tags", "matchLabels"};

// A key of a flow mapping, quotes included, that a reader of YAML still takes for one (YAML 1.2
// section 7.4.2).
constexpr std::size_t kMaxKeyOctets = 1024;

// Of lists and maps in each other. An alias goes as deep as what it stands for, and may stand for
// what it is itself a part of.
constexpr std::size_t kMaxDepth = 100;

// How plain scalars are read.
enum class Scalars : std::uint8_t { kAsTheyLook, kText };

template <typename Words>
bool contains(const Words& words, std::string_view word) {
  return std::ranges::find(words, word) != words.end();
}

bool is_digits(std::string_view text) {
  return !text.empty() &&
         std::ranges::all_of(text, [](unsigned char c) { return std::isdigit(c) != 0; });
}

// A whole number that every reader of JSON takes for the same (RFC 8259 section 6).
bool is_integer(std::string_view text) {
  constexpr std::size_t kMaxDigits = 15;
  const std::string_view digits = text.substr(text.starts_with('-') ? 1 : 0);
  return is_digits(digits) && digits.size() <= kMaxDigits &&
         (digits.size() == 1 || digits.front() != '0');
}

// Whether it stands in JSON as it stands in YAML. A fraction is text: nothing here has one, and one
// reader's 1.10 is another's 1.1.
bool is_literal(std::string_view text) {
  return is_integer(text) || text == "true" || text == "false" || text == "null";
}

// Writes nodes; a mistake ends it.
class Writer {
 public:
  void members(const YAML::Node& map, const auto& is_left_out, Scalars scalars) {
    std::set<std::string> seen;
    bool is_first = true;
    for (const auto& entry : map) {
      if (!entry.first.IsScalar()) {
        throw YamlMistake{entry.first.Mark(), "a key must be text"};
      }
      const std::string& key = entry.first.Scalar();
      if (!seen.insert(key).second) {
        throw YamlMistake{entry.first.Mark(), fmt::format("{} is given twice", json_string(key))};
      }
      if (is_left_out(key)) {
        continue;
      }
      out_ += is_first ? "" : ",";
      is_first = false;
      const std::string written = json_string(key);
      if (written.size() > kMaxKeyOctets) {
        throw YamlMistake{entry.first.Mark(),
                          fmt::format("a key is longer than {} octets", kMaxKeyOctets)};
      }
      out_ += written + ":";
      value(entry.second, scalars == Scalars::kText || contains(kTextMaps, key)
                              ? Scalars::kText
                              : Scalars::kAsTheyLook);
    }
  }

  [[nodiscard]] std::string take() { return std::move(out_); }

 private:
  void value(const YAML::Node& node, Scalars scalars) {
    if (out_.size() > kMaxDocumentBytes) {
      throw YamlMistake{node.Mark(),
                        fmt::format("the entity is longer than {} octets", kMaxDocumentBytes)};
    }
    if (++depth_ > kMaxDepth) {
      throw YamlMistake{node.Mark(), fmt::format("there are more than {} lists and maps in each "
                                                 "other",
                                                 kMaxDepth)};
    }
    switch (node.Type()) {
      case YAML::NodeType::Map:
        out_ += '{';
        members(node, [](const std::string&) { return false; }, scalars);
        out_ += '}';
        break;
      case YAML::NodeType::Sequence:
        list(node, scalars);
        break;
      case YAML::NodeType::Scalar:
        scalar(node, scalars);
        break;
      case YAML::NodeType::Null:
      case YAML::NodeType::Undefined:
        out_ += "null";
        break;
    }
    --depth_;
  }

  void list(const YAML::Node& node, Scalars scalars) {
    out_ += '[';
    bool is_first = true;
    for (const auto& item : node) {
      out_ += is_first ? "" : ",";
      is_first = false;
      value(item, scalars);
    }
    out_ += ']';
  }

  void scalar(const YAML::Node& node, Scalars scalars) {
    const bool is_quoted = node.Tag() == "!";
    const std::string& text = node.Scalar();
    out_ += scalars == Scalars::kAsTheyLook && !is_quoted && is_literal(text) ? text
                                                                              : json_string(text);
  }

  std::string out_;
  std::size_t depth_ = 0;
};

std::string text_map(const std::map<std::string, std::string>& map) {
  std::string out = "{";
  for (const auto& [key, value] : map) {
    fmt::format_to(std::back_inserter(out), "{}{}:{}", out.size() == 1 ? "" : ",", json_string(key),
                   json_string(value));
  }
  return out + "}";
}

std::string inbound_json(const Inbound& inbound, const Dataplane& dataplane) {
  std::string out = fmt::format(R"({{"port":{})", inbound.port);
  const auto add = [&](std::string_view key, const std::string& value) {
    fmt::format_to(std::back_inserter(out), R"(,"{}":{})", key, value);
  };
  if (inbound.address != dataplane.address) {
    add("address", json_string(inbound.address.to_string()));
  }
  if (inbound.service_port != inbound.port) {
    add("servicePort", fmt::format("{}", inbound.service_port));
  }
  if (inbound.name != fmt::format("{}", inbound.port)) {
    add("name", json_string(inbound.name));
  }
  if (!inbound.protocol.empty()) {
    add("protocol", json_string(inbound.protocol));
  }
  if (inbound.state != InboundState::kReady) {
    add("state", inbound.state == InboundState::kNotReady ? R"("NotReady")" : R"("Ignored")");
  }
  if (!inbound.health_ready) {
    add("health", R"({"ready":false})");
  }
  add("tags", text_map(inbound.tags));
  return out + "}";
}

std::string outbound_json(const Outbound& outbound) {
  return fmt::format(R"({{"port":{},"address":{},"tags":{}}})", outbound.port,
                     json_string(outbound.address.to_string()), text_map(outbound.tags));
}

// `,"KEY":[...]`, or nothing for an empty list.
template <typename Items, typename ToJson>
std::string list_member(std::string_view key, const Items& items, const ToJson& to_json) {
  std::string out;
  for (const auto& item : items) {
    out += out.empty() ? fmt::format(R"(,"{}":[)", key) : ",";
    out += to_json(item);
  }
  return out.empty() ? out : out + "]";
}

std::string external_service_members(const Dataplane& service) {
  const Inbound& inbound = service.inbounds.front();
  return fmt::format(R"("tags":{},"networking":{{"address":{}}})", text_map(inbound.tags),
                     json_string(SocketAddress{inbound.address, inbound.port, 0}.to_string()));
}

std::string generator_members(const HostnameGenerator& generator) {
  using Selects = HostnameGenerator::Selects;
  const std::string labels =
      fmt::format(R"({{"matchLabels":{}}})", text_map(generator.match_labels));
  const std::string selector =
      generator.selects == Selects::kAll
          ? labels
          : fmt::format(
                R"({{"{}":{}}})",
                generator.selects == Selects::kExternal ? "meshExternalService" : "meshService",
                labels);
  return fmt::format(R"("spec":{{"template":{},"selector":{}}})",
                     json_string(generator.hostname_template), selector);
}

}  // namespace

Result<std::string> members_of(std::string_view document) {
  Writer writer;
  const auto problem = read_yaml_document(document, [&](const YAML::Node& node) {
    if (!node.IsMap()) {
      throw YamlMistake{node.Mark(), "the document must be a map of keys"};
    }
    writer.members(
        node, [](const std::string& key) { return contains(kOfTheApi, key); },
        Scalars::kAsTheyLook);
  });
  if (problem) {
    return fail(ErrorCode::kInvalidArgument, problem->reason);
  }
  return writer.take();
}

std::string members_of(const Dataplane& dataplane) {
  std::string out;
  if (!dataplane.labels.empty()) {
    out = fmt::format(R"("labels":{},)", text_map(dataplane.labels));
  }
  if (dataplane.kind == EntityKind::kExternalService) {
    return out + external_service_members(dataplane);
  }
  if (dataplane.generator) {
    return out + generator_members(*dataplane.generator);
  }
  return out +
         fmt::format(
             R"("networking":{{"address":{}{}{}}})", json_string(dataplane.address.to_string()),
             list_member("inbound", dataplane.inbounds,
                         [&](const Inbound& inbound) { return inbound_json(inbound, dataplane); }),
             list_member("outbound", dataplane.outbounds, outbound_json));
}

std::string entity_json(const EntityId& id, std::string_view times, std::string_view members) {
  std::string out = fmt::format(R"({{"type":"{}",)", type_name(id.kind));
  if (is_of_a_mesh(id.kind)) {
    out += fmt::format(R"("mesh":{},)", json_string(id.mesh));
  }
  out += fmt::format(R"("name":{})", json_string(id.name));
  if (!times.empty()) {
    const std::string_view creation = creation_of(times);
    const std::string_view modification = times.substr(std::min(creation.size() + 1, times.size()));
    fmt::format_to(std::back_inserter(out), R"(,"creationTime":{},"modificationTime":{})",
                   json_string(creation), json_string(modification));
  }
  out += members.empty() ? "" : ",";
  out += members;
  return out + "}";
}

std::string times_text(std::string_view creation, std::string_view modification) {
  return fmt::format("{} {}", creation, modification);
}

std::string_view creation_of(std::string_view times) { return times.substr(0, times.find(' ')); }

std::string time_text(WallTime time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(time - day);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count());
}

}  // namespace meshdns::discovery
