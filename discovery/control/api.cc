#include "discovery/control/api.h"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/build_info.h"
#include "base/ip_address.h"
#include "base/json_text.h"
#include "base/log.h"
#include "base/result.h"
#include "discovery/control/api_error.h"
#include "discovery/control/api_store.h"
#include "discovery/control/dataplane_store.h"
#include "discovery/control/dataplane_yaml.h"
#include "discovery/control/entity_json.h"
#include "discovery/control/entity_source.h"
#include "discovery/control/http_server.h"
#include "discovery/dataplane.h"
#include "discovery/entity_id.h"
#include "discovery/feeds/yaml_documents.h"

namespace meshdns::discovery {
namespace {

constexpr std::string_view kCannotGet = "Could not retrieve a resource";
constexpr std::string_view kCannotList = "Could not retrieve resources";
constexpr std::string_view kCannotPut = "Could not process a resource";
constexpr std::string_view kCannotRemove = "Could not delete a resource";

std::optional<unsigned> hex_digit(char c) {
  unsigned value = 0;
  const auto parsed = std::from_chars(&c, &c + 1, value, 16);
  return parsed.ec == std::errc() ? std::optional(value) : std::nullopt;
}

// RFC 3986 section 2.1; nothing where an escape is none.
std::optional<std::string> unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    const auto high = i + 2 < text.size() ? hex_digit(text[i + 1]) : std::nullopt;
    const auto low = i + 2 < text.size() ? hex_digit(text[i + 2]) : std::nullopt;
    if (!high || !low) {
      return std::nullopt;
    }
    out += static_cast<char>(*high * 16 + *low);
    i += 2;
  }
  return out;
}

// The parts of "/a/b/c", unescaped; empty where it is no such path.
std::vector<std::string> parts_of(std::string_view path) {
  std::vector<std::string> parts;
  while (path.starts_with('/')) {
    path.remove_prefix(1);
    const std::size_t end = std::min(path.find('/'), path.size());
    auto part = unescape(path.substr(0, end));
    if (!part || part->empty()) {
      return {};
    }
    parts.push_back(*std::move(part));
    path.remove_prefix(end);
  }
  return path.empty() ? parts : std::vector<std::string>();
}

// The entity that a path names, or all of a kind and mesh where it names none, or of all meshes.
std::optional<EntityId> entities_at(std::vector<std::string> parts) {
  EntityId id;
  const bool has_mesh = parts.size() >= 3 && parts[0] == "meshes";
  if (has_mesh) {
    id.mesh = parts[1];
    parts.erase(parts.begin(), parts.begin() + 2);
  }
  const auto kind = std::ranges::find_if(kEntityKinds, [&](EntityKind each) {
    return !parts.empty() && collection_name(each) == parts.front();
  });
  if (kind == kEntityKinds.end() || parts.size() > 2 || (has_mesh && !is_of_a_mesh(*kind)) ||
      (parts.size() == 2 && !has_mesh && is_of_a_mesh(*kind))) {
    return std::nullopt;
  }
  id.kind = *kind;
  id.name = parts.size() == 2 ? parts.back() : std::string();
  return id;
}

DataplaneId claimed_as(const EntityId& id) { return {id.mesh, id.name, id.kind}; }

// Takes what stands before `separator` off `text`, and the separator; all of it where there is
// none.
std::string_view take_before(std::string_view& text, char separator) {
  const std::size_t end = text.find(separator);
  const std::string_view front = text.substr(0, end);
  text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  return front;
}

// What `key` has in "a=1&b=2"; nothing where it is not there.
std::optional<std::string> parameter(std::string_view query, std::string_view key) {
  while (!query.empty()) {
    std::string_view value = take_before(query, '&');
    if (take_before(value, '=') == key) {
      return unescape(value).value_or("%");
    }
  }
  return std::nullopt;
}

std::optional<std::size_t> number_of(const std::string& text) {
  std::size_t value = 0;
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, value);
  return parsed.ec == std::errc() && parsed.ptr == end ? std::optional(value) : std::nullopt;
}

HttpAnswer invalid_page(const std::string& detail, const std::string& field,
                        const std::string& reason) {
  const std::vector<InvalidParameter> invalid{{field, reason}};
  return api_error(400, kCannotList, detail, invalid);
}

HttpAnswer wrong_method(const std::string& allow) {
  HttpAnswer answer = api_error(405, "Method not allowed", "allowed here: " + allow);
  answer.allow = allow;
  return answer;
}

// The body's mesh and name must be those of the path.
void compare(std::vector<InvalidParameter>& invalid, const std::string& field,
             const std::string& in_path, const std::string& in_body) {
  const bool is_told = std::ranges::any_of(
      invalid, [&](const InvalidParameter& each) { return each.field == field; });
  if (!is_told && in_path != in_body) {
    invalid.push_back({field, fmt::format("{} from the URL has to be the same as in body", field)});
  }
}

// The entity as it is kept; an error where it could not be read again.
Result<std::string> members_to_keep(const EntityId& id, std::string_view document,
                                    const Dataplane& entity) {
  return members_of(document).and_then([&](std::string members) -> Result<std::string> {
    const ParsedDocument kept = parse_document(entity_json(id, {}, members));
    if (kept.dataplane == nullptr || *kept.dataplane != entity) {
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("it cannot be kept: {}",
                              kept.problem ? kept.problem->reason : "as JSON it is another"));
    }
    return members;
  });
}

std::vector<InvalidParameter> invalid_fields(const EntityId& id, const ParsedDocument& parsed) {
  std::vector<InvalidParameter> invalid;
  invalid.reserve(parsed.problems.size());
  for (const FieldProblem& each : parsed.problems) {
    invalid.push_back({each.field, each.problem.reason});
  }
  if (parsed.id) {
    compare(invalid, "type", std::string(type_name(id.kind)),
            std::string(type_name(parsed.id->kind)));
    compare(invalid, "mesh", id.mesh, parsed.id->mesh);
    compare(invalid, "name", id.name, parsed.id->name);
  } else if (invalid.empty()) {
    invalid.push_back({"", "there is no entity in the body"});
  }
  return invalid;
}

HttpAnswer cannot_store(std::string_view title, const Error& error) {
  switch (error.code) {
    case ErrorCode::kNotFound:
      return api_error(404, title, "Not found");
    case ErrorCode::kUnavailable:
      return api_error(503, title, error.message);
    case ErrorCode::kNoSpace:
      return api_error(507, title, error.message);
    default:
      return api_error(500, title, error.message);
  }
}

}  // namespace

bool is_own_request(const HttpRequest& request) {
  const std::string& host = request.host;
  const std::size_t name_end = host.starts_with('[') ? std::min(host.find(']') + 1, host.size())
                                                     : std::min(host.find(':'), host.size());
  std::string name = host.substr(0, name_end);
  if (name.size() > 2 && name.starts_with('[') && name.ends_with(']')) {
    name = name.substr(1, name.size() - 2);
  }
  const bool is_own_host = name == "localhost" || IpAddress::parse(name).has_value();
  return is_own_host && (request.origin.empty() || request.origin == "http://" + host);
}

void Api::handle(const HttpRequest& request, const HttpServer::Reply& reply) {
  if (!is_own_request(request)) {
    reply(api_error(403, "Forbidden",
                    "the Host must be an IP address or localhost, and an Origin the same"));
    return;
  }
  if (request.path == "/") {
    // Where Kuma's own says who answers.
    reply(request.method == "GET"
              ? HttpAnswer{200, "application/json",
                           fmt::format(R"({{"product":"meshdns-cp","version":{}}})"
                                       "\n",
                                       json_string(kVersion))}
              : wrong_method("GET"));
    return;
  }
  const std::optional<EntityId> wanted = entities_at(parts_of(request.path));
  if (!wanted) {
    reply(api_error(404, "Not found",
                    "there are /meshes/MESH/dataplanes[/NAME], /dataplanes, the same of "
                    "external-services, and /hostnamegenerators[/NAME]"));
    return;
  }
  const EntityId& id = *wanted;
  if (id.name.empty()) {
    reply(request.method == "GET" ? list(id, request) : wrong_method("GET"));
    return;
  }
  if (request.method == "GET") {
    reply(get(id));
  } else if (request.method == "PUT") {
    put(id, request, reply);
  } else if (request.method == "DELETE") {
    remove(id, reply);
  } else {
    reply(wrong_method("GET, PUT, DELETE"));
  }
}

std::string Api::json_of(const DataplaneStore::Claim& claim) const {
  const Dataplane& dataplane = *claim.entity.dataplane;
  const EntityId id{dataplane.kind, dataplane.mesh, dataplane.name};
  if (claim.source.kind == SourceKind::kApi) {
    if (const auto stored = entities_.find(id)) {
      return entity_json(id, stored->times, stored->value);
    }
  }
  return entity_json(id, {}, members_of(dataplane));
}

HttpAnswer Api::get(const EntityId& id) const {
  const auto claims = store_.claims(claimed_as(id));
  if (claims.empty()) {
    return api_error(404, kCannotGet, "Not found");
  }
  return {200, "application/json", json_of(claims.front()) + "\n"};
}

HttpAnswer Api::list(const EntityId& wanted, const HttpRequest& request) const {
  const auto size_text = parameter(request.query, "size");
  const auto offset_text = parameter(request.query, "offset");
  const auto size = size_text ? number_of(*size_text) : std::optional(kDefaultPage);
  const auto offset = offset_text && !offset_text->empty() ? number_of(*offset_text)
                                                           : std::optional<std::size_t>(0);
  if (!size || *size == 0) {
    return invalid_page("Invalid page size", "size", "Invalid format");
  }
  if (*size > kMaxPage) {
    return invalid_page(
        "Invalid page size", "size",
        fmt::format("invalid page size of {}. Maximum page size is {}", *size, kMaxPage));
  }
  if (!offset) {
    return invalid_page("Invalid offset", "offset", "Invalid format");
  }
  std::size_t total = 0;
  std::string items;
  store_.for_each([&](const DataplaneStore::Claim& claim) {
    const Dataplane& entity = *claim.entity.dataplane;
    if (entity.kind != wanted.kind || (!wanted.mesh.empty() && entity.mesh != wanted.mesh)) {
      return;
    }
    if (total >= *offset && total - *offset < *size) {
      items += items.empty() ? "" : ",";
      items += json_of(claim);
    }
    ++total;
  });
  const bool is_last = total <= *offset || total - *offset <= *size;
  const std::string next =
      is_last ? "null"
              : json_string(fmt::format("http://{}{}?offset={}&size={}", request.host, request.path,
                                        *offset + *size, *size));
  return {200, "application/json",
          fmt::format("{{\"total\":{},\"items\":[{}],\"next\":{}}}\n", total, items, next)};
}

void Api::put(const EntityId& id, const HttpRequest& request, const HttpServer::Reply& reply) {
  const std::vector<YamlDocument> documents = split_documents(request.body);
  if (documents.size() > 1) {
    const std::vector<InvalidParameter> invalid{{"", "there is more than one document"}};
    reply(api_error(400, kCannotPut, "Resource is not valid", invalid));
    return;
  }
  const std::string_view document = documents.empty() ? std::string_view() : documents[0].text;
  const ParsedDocument parsed = parse_document(document);
  std::vector<InvalidParameter> invalid = invalid_fields(id, parsed);
  std::string members;
  if (invalid.empty() && parsed.dataplane != nullptr) {
    if (auto made = members_to_keep(id, document, *parsed.dataplane)) {
      members = *std::move(made);
    } else {
      invalid.push_back({"", made.error().message});
    }
  }
  if (!invalid.empty() || parsed.dataplane == nullptr) {
    reply(api_error(400, kCannotPut, "Resource is not valid", invalid));
    return;
  }
  entities_.put(
      parsed.dataplane, std::move(members),
      [this, id, reply](const Result<ApiStore::Outcome>& outcome) {
        if (!outcome) {
          reply(cannot_store(kCannotPut, outcome.error()));
          return;
        }
        const unsigned status = *outcome == ApiStore::Outcome::kCreated ? 201 : 200;
        const std::string before = place_before_api(id);
        reply({status, "application/json",
               before.empty() ? "{}\n"
                              : fmt::format("{{\"warnings\":[{}]}}\n",
                                            json_string("stored, but does not count: it is at " +
                                                        escape_text(before)))});
      });
}

void Api::remove(const EntityId& id, const HttpServer::Reply& reply) {
  entities_.remove(id, [this, id, reply](const Result<ApiStore::Outcome>& outcome) {
    const auto claims = store_.claims(claimed_as(id));
    if (outcome) {
      reply({200, "application/json", "{}\n"});
    } else if (outcome.error().code == ErrorCode::kNotFound && !claims.empty()) {
      const DataplaneStore::Claim& first = claims.front();
      reply(api_error(409, kCannotRemove,
                      fmt::format("it did not come over the API; it is at {}",
                                  escape_text(first.source.place(*first.entity.line)))));
    } else {
      reply(cannot_store(kCannotRemove, outcome.error()));
    }
  });
}

std::string Api::place_before_api(const EntityId& id) const {
  const auto claims = store_.claims(claimed_as(id));
  if (claims.empty() || claims.front().source.kind == SourceKind::kApi) {
    return {};
  }
  return claims.front().source.place(*claims.front().entity.line);
}

}  // namespace meshdns::discovery
