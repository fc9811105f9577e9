#include "discovery/control/api_commands.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>
#include <cstdio>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <sys/stat.h>
#include <yaml-cpp/yaml.h>

#include "base/file_system.h"
#include "base/log.h"
#include "base/result.h"
#include "discovery/control/api_client.h"
#include "discovery/control/dataplane_directory.h"
#include "discovery/control/dataplane_yaml.h"
#include "discovery/dataplane.h"
#include "discovery/dns_name.h"
#include "discovery/entity_id.h"
#include "discovery/feeds/yaml_documents.h"

namespace meshdns::discovery {
namespace {

constexpr unsigned kCreated = 201;
constexpr unsigned kFirstError = 400;
constexpr unsigned kFirstFailure = 500;
constexpr unsigned kNoStorage = 507;

// One document of a file.
struct Source {
  std::string place;  // "FILE:LINE"
  std::string text;
  DataplaneId id;
};

// RFC 3986 section 2.3: all but the unreserved characters.
std::string escape_part(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (is_host_letter(c) || c == '.' || c == '_' || c == '~') {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

// Of all of a kind, where the name is empty; of all meshes, where the mesh is.
std::string path_of(const DataplaneId& id) {
  std::string path = id.mesh.empty() ? "" : "/meshes/" + escape_part(id.mesh);
  path += fmt::format("/{}", collection_name(id.kind));
  return id.name.empty() ? path : path + "/" + escape_part(id.name);
}

// "dataplane default/web-1".
std::string words_for(const DataplaneId& id) {
  return fmt::format("{} {}", noun(id.kind), id.mesh.empty() ? id.name : id.to_string());
}

// What the API says of a failure, in one line. The server may be anything.
Error error_of(const std::string& what, const ApiReply& reply) {
  std::string text = fmt::format("{}: the API says {}", what, reply.status);
  try {
    const YAML::Node error = YAML::Load(reply.body);  // YAML contains JSON
    if (error.IsMap() && error["detail"]) {
      text += " " + escape_text(error["detail"].as<std::string>());
      for (const auto& each : error["invalid_parameters"]) {
        text += fmt::format("; {}: {}", escape_text(each["field"].as<std::string>()),
                            escape_text(each["reason"].as<std::string>()));
      }
    }
  } catch (const YAML::Exception&) {
    text += ", and nothing that can be read";
  }
  const ErrorCode refused =
      reply.status == 404 ? ErrorCode::kNotFound : ErrorCode::kInvalidArgument;
  const ErrorCode failed =
      reply.status == kNoStorage ? ErrorCode::kNoSpace : ErrorCode::kUnavailable;
  return {reply.status < kFirstFailure ? refused : failed, text};
}

Result<std::string> read_all(std::FILE* input) {
  std::string text;
  std::array<char, 65536> buffer{};
  for (std::size_t count = 1; count > 0;) {
    count = std::fread(buffer.data(), 1, buffer.size(), input);
    text.append(buffer.data(), count);
    if (text.size() > DataplaneDirectory::kMaxFileBytes) {
      return fail(ErrorCode::kExhausted, "standard input is longer than a file may be");
    }
  }
  return text;
}

bool is_folder(const std::string& path) {
  struct stat status{};
  return ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

// The files that are meant.
Result<std::vector<std::string>> files_of(const std::string& path, FileSystem& files) {
  if (path == "-" || !is_folder(path)) {
    return std::vector<std::string>{path};
  }
  return files.list(path).map([&](const std::vector<std::string>& names) {
    std::vector<std::string> paths;
    for (const std::string& name : names) {
      if (!name.starts_with('.') &&
          (name.ends_with(".yaml") || name.ends_with(".yml") || name.ends_with(".json"))) {
        paths.push_back(fmt::format("{}/{}", path, name));
      }
    }
    return paths;
  });
}

// What stands in one file; its mistakes go to `mistakes`.
Result<void> read_sources(const std::string& path, FileSystem& files, std::vector<Source>& sources,
                          std::vector<std::string>& mistakes) {
  const auto text =
      path == "-" ? read_all(stdin) : read_file(files, path, DataplaneDirectory::kMaxFileBytes);
  if (!text) {
    return tl::unexpected(text.error());
  }
  const std::string name = path == "-" ? "standard input" : escape_text(path);
  for (const YamlDocument& document : split_documents(*text)) {
    const ParsedDocument parsed = parse_document(document.text);
    for (const FieldProblem& each : parsed.problems) {
      mistakes.push_back(fmt::format("{}:{}: {}", name, document.line + each.problem.line - 1,
                                     each.problem.reason));
    }
    if (parsed.dataplane) {
      sources.push_back({fmt::format("{}:{}", name, document.line), std::string(document.text),
                         parsed.dataplane->id()});
    }
  }
  return {};
}

Result<void> read_everything(const std::vector<std::string>& paths, FileSystem& files,
                             std::vector<Source>& sources, std::vector<std::string>& mistakes) {
  for (const std::string& path : paths) {
    const auto each = files_of(path, files);
    if (!each) {
      return tl::unexpected(each.error());
    }
    for (const std::string& file : *each) {
      if (auto read = read_sources(file, files, sources, mistakes); !read) {
        return read;
      }
    }
  }
  return {};
}

void print_warnings(const std::string& place, const std::string& body, std::FILE* error) {
  try {
    for (const auto& warning : YAML::Load(body)["warnings"]) {
      fmt::print(error, "{}: warning: {}\n", place, escape_text(warning.as<std::string>()));
    }
  } catch (const YAML::Exception&) {
    fmt::print(error, "{}: warning: an answer that cannot be read\n", place);
  }
}

// What an entity of the API's JSON makes: the services that a dataplane has inbounds of, or the
// external one's, or a generator's template.
std::string services_text(const YAML::Node& dataplane) {
  std::set<std::string> services;
  if (const YAML::Node spec = dataplane["spec"]) {
    return escape_text(spec["template"].as<std::string>(""));
  }
  if (const YAML::Node tags = dataplane["tags"]) {
    services.insert(escape_text(tags["kuma.io/service"].as<std::string>("")));
  }
  for (const auto& inbound : dataplane["networking"]["inbound"]) {
    if (const YAML::Node service = inbound["tags"]["kuma.io/service"]) {
      services.insert(escape_text(service.as<std::string>()));
    }
  }
  return fmt::format("{}", fmt::join(services, ","));
}

void print_table(const std::vector<YAML::Node>& items, std::FILE* output) {
  std::vector<std::array<std::string, 4>> rows{{"MESH", "NAME", "ADDRESS", "GIVES"}};
  for (const YAML::Node& item : items) {
    const YAML::Node networking = item["networking"];
    rows.push_back(
        {escape_text(item["mesh"].as<std::string>("")),
         escape_text(item["name"].as<std::string>("")),
         networking ? escape_text(networking["address"].as<std::string>("")) : std::string(),
         services_text(item)});
  }
  std::array<std::size_t, 4> widths{};
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      widths.at(i) = std::max(widths.at(i), row.at(i).size());
    }
  }
  for (const auto& row : rows) {
    fmt::print(output, "{:<{}}  {:<{}}  {:<{}}  {}\n", row[0], widths[0], row[1], widths[1], row[2],
               widths[2], row[3]);
  }
}

// JSON's own style is one line.
void set_block_style(YAML::Node node) {
  if (node.IsMap() || node.IsSequence()) {
    node.SetStyle(YAML::EmitterStyle::Block);
  }
  for (const auto& item : node) {
    set_block_style(node.IsMap() ? item.second : static_cast<const YAML::Node&>(item));
  }
}

void print_items(const std::vector<std::string>& bodies, EntityForm form, std::FILE* output) {
  std::vector<YAML::Node> items;
  for (const std::string& body : bodies) {
    const YAML::Node page = YAML::Load(body);
    if (page["items"]) {
      for (const auto& item : page["items"]) {
        items.push_back(item);
      }
    } else {
      items.push_back(page);
    }
  }
  if (form == EntityForm::kTable) {
    print_table(items, output);
    return;
  }
  for (const YAML::Node& item : items) {
    set_block_style(item);
    fmt::print(output, "---\n{}\n", YAML::Dump(item));
  }
}

// What the page that comes next is asked for by: its path, or nothing after the last.
std::string next_of(const std::string& body) {
  const YAML::Node next = YAML::Load(body)["next"];
  if (!next || next.IsNull()) {
    return {};
  }
  const auto url = next.as<std::string>();
  const std::size_t scheme = url.find("//");
  const std::size_t path = url.find('/', scheme == std::string::npos ? 0 : scheme + 2);
  return path == std::string::npos ? std::string() : url.substr(path);
}

}  // namespace

Result<void> apply_entities(const std::vector<std::string>& paths, FileSystem& files,
                            const ApiCommandOptions& options) {
  const auto client = ApiClient::make(options.address);
  if (!client) {
    return fail("--address", client.error());
  }
  std::vector<Source> sources;
  std::vector<std::string> mistakes;
  if (auto read = read_everything(paths, files, sources, mistakes); !read) {
    return read;
  }
  if (!mistakes.empty()) {
    for (const std::string& mistake : mistakes) {
      fmt::print(options.error, "{}\n", mistake);
    }
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{} mistakes; nothing is applied", mistakes.size()));
  }
  Result<void> result;
  for (const Source& source : sources) {
    const auto reply = client->ask("PUT", path_of(source.id), source.text);
    if (!reply) {
      return tl::unexpected(reply.error());
    }
    if (reply->status >= kFirstError) {
      const Error error = error_of(source.place, *reply);
      fmt::print(options.error, "{}\n", error.message);
      result = result ? fail(error.code, "not everything is applied") : result;
      continue;
    }
    fmt::print(options.output, "{} {}\n", words_for(source.id),
               reply->status == kCreated ? "created" : "updated");
    print_warnings(source.place, reply->body, options.error);
  }
  return result;
}

Result<void> get_entities(const GetOptions& get, const ApiCommandOptions& options) {
  const auto client = ApiClient::make(options.address);
  if (!client) {
    return fail("--address", client.error());
  }
  const bool is_default = get.mesh.empty() && !get.name.empty() && is_of_a_mesh(get.kind);
  const DataplaneId id{is_default ? "default" : get.mesh, get.name, get.kind};
  std::string path = path_of(id) + (get.name.empty() ? "?size=1000" : "");
  std::vector<std::string> bodies;
  try {
    while (!path.empty()) {
      auto reply = client->ask("GET", path, "");
      if (!reply) {
        return tl::unexpected(reply.error());
      }
      if (reply->status >= kFirstError) {
        return tl::unexpected(error_of(get.name.empty() ? path : words_for(id), *reply));
      }
      path = get.name.empty() ? next_of(reply->body) : "";
      if (get.form == EntityForm::kJson) {
        fmt::print(options.output, "{}", reply->body);
      } else {
        bodies.push_back(std::move(reply->body));
      }
    }
    if (get.form != EntityForm::kJson) {
      print_items(bodies, get.form, options.output);
    }
  } catch (const YAML::Exception& error) {
    return fail(ErrorCode::kNetwork,
                fmt::format("an answer of the API cannot be read: {}", escape_text(error.what())));
  }
  return {};
}

Result<void> delete_entity(const DataplaneId& id, const ApiCommandOptions& options) {
  const auto client = ApiClient::make(options.address);
  if (!client) {
    return fail("--address", client.error());
  }
  return client->ask("DELETE", path_of(id), "").and_then([&](const ApiReply& reply) {
    if (reply.status >= kFirstError) {
      return Result<void>(tl::unexpected(error_of(words_for(id), reply)));
    }
    fmt::print(options.output, "{} deleted\n", words_for(id));
    return Result<void>();
  });
}

}  // namespace meshdns::discovery
