#include "resolver/app/config_loader.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <unistd.h>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/file_system.h"
#include "base/ip_address.h"
#include "base/log.h"
#include "base/result.h"
#include "base/state_directory.h"
#include "discovery/service.h"
#include "resolver/app/config.h"
#include "resolver/app/config_merger.h"
#include "resolver/app/config_yaml.h"
#include "resolver/app/control_plane_settings.h"
#include "resolver/app/istio_settings.h"
#include "resolver/app/known_names.h"
#include "resolver/app/kuma_settings.h"
#include "resolver/app/route_text.h"
#include "resolver/app/setting_text.h"
#include "resolver/app/xds_settings.h"
#include "resolver/forward/upstream_server.h"
#include "resolver/server/listener.h"

extern char**
    environ;  // NOLINT(readability-redundant-declaration): POSIX leaves it to the program.

namespace meshdns::dns {
namespace {

constexpr std::size_t kHostNameBytes = 256;

std::string variable(const ConfigSources& sources, const std::string& name) {
  return sources.environment ? sources.environment(name).value_or("") : "";
}

std::string host_name() {
  std::array<char, kHostNameBytes> buffer{};
  if (::gethostname(buffer.data(), buffer.size() - 1) != 0) {
    return "localhost";
  }
  const auto word = parse_word(buffer.data(), buffer.size());
  return word ? *word : "localhost";
}

// Kuma's names are in these zones unless somebody says otherwise.
void fill_kuma(LoadedConfig& loaded) {
  Config& config = loaded.config;
  if (config.kuma.name.empty()) {
    config.kuma.name = config.control_plane.node;
  }
  if (!loaded.origins.contains("zones")) {
    config.zones = {"mesh", "mesh.local"};
  }
}

// What two sources say of the same: the key's value, or the file's where nothing says it.
void join_with_file(LoadedConfig& loaded, std::string_view key, std::string& value,
                    const std::string& in_file, ConfigMerger& merger) {
  if (in_file.empty()) {
    return;
  }
  const auto origin = loaded.origins.find(key);
  if (origin == loaded.origins.end() || value.empty()) {
    value = in_file;
  } else if (value != in_file) {
    merger.report_key("kuma.dataplane_file",
                      fmt::format("{} says that {} is '{}', {} says '{}' (make them the same)",
                                  escape_text(loaded.config.kuma.dataplane_file), key,
                                  escape_name(in_file), origin->second, escape_name(value)));
  }
}

// The Dataplane that registers itself: what it is called is what this resolver is.
void read_dataplane(LoadedConfig& loaded, FileSystem& files, std::string_view name_key,
                    std::string& name, ConfigMerger& merger) {
  Config& config = loaded.config;
  auto dataplane = read_kuma_dataplane(files, config.kuma.dataplane_file);
  if (dataplane) {
    const bool is_default = dataplane->mesh.empty() && !config.uses_kuma();
    join_with_file(loaded, "mesh", config.mesh, is_default ? "default" : dataplane->mesh, merger);
    join_with_file(loaded, name_key, name, dataplane->name, merger);
    config.kuma.dataplane = std::move(dataplane->text);
  } else {
    merger.report_key("kuma.dataplane_file", dataplane.error().message);
  }
}

// Only whether they can be read; they are read again at each connection.
void read_kuma_files(LoadedConfig& loaded, const ConfigSources& sources, FileSystem& files,
                     ConfigMerger& merger) {
  Config& config = loaded.config;
  if (!config.kuma.dataplane_file.empty()) {
    read_dataplane(loaded, files, "kuma.name", config.kuma.name, merger);
  }
  for (std::string Config::Kuma::* const file :
       {&Config::Kuma::ca_cert_file, &Config::Kuma::dataplane_token_file}) {
    Config::Kuma alone;
    alone.*file = config.kuma.*file;
    if (const auto read = read_kuma_credentials(files, alone); !read) {
      merger.report_key(
          file == &Config::Kuma::ca_cert_file ? "kuma.ca_cert_file" : "kuma.dataplane_token_file",
          read.error().message);
    }
  }
  config.kuma.readiness_for_all = !variable(sources, "POD_NAME").empty();
}

// Only whether they can be read, as above.
void read_istio_files(const Config& config, FileSystem& files, ConfigMerger& merger) {
  for (std::string Config::Istio::* const file :
       {&Config::Istio::ca_cert_file, &Config::Istio::token_file}) {
    Config::Istio alone;
    alone.*file = config.istio.*file;
    if (const auto read = read_istio_credentials(files, alone); !read) {
      merger.report_key(
          file == &Config::Istio::ca_cert_file ? "istio.ca_cert_file" : "istio.token_file",
          read.error().message);
    }
  }
}

// Whether it is our own control plane that is asked.
bool uses_control_plane(const Config& config) {
  return !config.uses_kuma() && !config.uses_xds() && !config.uses_istio() && !config.uses_file();
}

void report(const std::vector<ControlPlaneProblem>& problems, ConfigMerger& merger) {
  for (const ControlPlaneProblem& problem : problems) {
    merger.report_key(problem.key, problem.reason);
  }
}

void fill_derived(Config& config, const ConfigSources& sources) {
  if (config.state.directory.empty()) {
    config.state.directory =
        default_state_directory("meshdns/" + config.instance, sources.is_root, sources.environment);
  }
  if (!config.state.policy) {
    config.state.policy =
        config.mode == Mode::kVm ? StatePolicy::kRequired : StatePolicy::kBestEffort;
  }
  if (config.control_plane.node.empty()) {
    config.control_plane.node = host_name();
  }
}

void check_addresses(const Config& config, ConfigMerger& merger) {
  if (config.listen.empty()) {
    merger.report_key("listen", "is empty (write at least one ADDRESS:PORT)");
  }
  for (auto one = config.listen.begin(); one != config.listen.end(); ++one) {
    const auto other = std::find_if(config.listen.begin(), one,
                                    [&one](const auto& address) { return overlap(*one, address); });
    if (other != one) {
      merger.report_key("listen", fmt::format("{} and {}: one includes the other (write one)",
                                              other->to_string(), one->to_string()));
    }
  }
  const auto check_servers = [&merger](const char* key,
                                       const std::vector<UpstreamServer>& servers) {
    for (const UpstreamServer& server : servers) {
      if (server.address.port == 0 || server.address.ip.is_unspecified()) {
        merger.report_key(
            key, fmt::format("{} is no place to send to (write the server's address and port)",
                             server.label()));
      }
    }
  };
  check_servers("upstreams.servers", config.upstreams.servers);
  for (const ConfiguredGroup& group : config.upstreams.groups) {
    check_servers("upstreams.groups", group.servers);
  }
  const auto check_control_plane = [&](std::string_view key, const std::string& text) {
    const auto address = SocketAddress::parse(text);
    if (address && (address->port == 0 || address->ip.is_unspecified())) {
      merger.report_key(key, fmt::format("{} is no place to connect to (write the control plane's "
                                         "address and port)",
                                         address->to_string()));
    }
  };
  check_control_plane("control_plane.address", config.control_plane.address);
  for (const std::string& server : config.xds.servers) {
    check_control_plane("xds.servers", server);
  }
}

// The keys that name a control plane.
constexpr std::array<const char*, 5> kControlPlanes{"control_plane.address", "kuma.cp_addresses",
                                                    "kuma.dynamicconfig_socket", "xds.servers",
                                                    "istio.addresses"};

// There is one control plane. Of two that are asked for, the one that stands later above is
// reported.
void check_alone(const LoadedConfig& loaded, std::string_view key, ConfigMerger& merger) {
  for (const char* const other : kControlPlanes) {
    if (other == key) {
      return;
    }
    if (loaded.origins.contains(other)) {
      merger.report_key(
          key, fmt::format("there is a control plane already, by {} (remove one of the two)",
                           loaded.origins.at(other)));
    }
  }
}

void check_kuma(const LoadedConfig& loaded, ConfigMerger& merger) {
  const std::string_view key =
      loaded.config.uses_kuma_socket() ? "kuma.dynamicconfig_socket" : "kuma.cp_addresses";
  check_alone(loaded, key, merger);
  if (!loaded.config.kuma.dataplane_token.empty() &&
      !loaded.config.kuma.dataplane_token_file.empty()) {
    merger.report_key("kuma.dataplane_token",
                      fmt::format("there is a token already, by {} (remove one of the two)",
                                  loaded.origins.at("kuma.dataplane_token_file")));
  }
  if (loaded.config.mesh.find('.') != std::string::npos) {
    merger.report_key("mesh", fmt::format("'{}' has a dot (write the name of a mesh of Kuma's)",
                                          loaded.config.mesh));
  }
  if (loaded.config.instance_names) {
    merger.report_key("instance_names",
                      "Kuma tells of no endpoints (set it to false, or remove it)");
  }
  if (loaded.config.answers == discovery::Answers::kEndpoints) {
    merger.report_key("answers", "Kuma tells of no endpoints (set it to vip, or remove it)");
  }
}

void check_xds(const LoadedConfig& loaded, ConfigMerger& merger) {
  check_alone(loaded, "xds.servers", merger);
  const Config::Xds& xds = loaded.config.xds;
  if (!xds.ca_cert_file.empty() && !xds.tls) {
    merger.report_key("xds.ca_cert_file",
                      "nothing is checked without TLS (set xds.tls to true, or remove this)");
  }
}

void check_istio(LoadedConfig& loaded, ConfigMerger& merger) {
  Config::Istio& istio = loaded.config.istio;
  check_alone(loaded, "istio.addresses", merger);
  if (istio.workload.empty()) {
    istio.workload = loaded.config.control_plane.node;
    if (const auto name = parse_istio_name(istio.workload); !name) {
      merger.report_key("istio.workload", name.error().message);
    }
  }
  const auto tls = istio_uses_tls(istio);
  if (!tls) {
    merger.report_key("istio.addresses", tls.error().message);
  } else if (!*tls && !istio.token_file.empty()) {
    merger.report_key("istio.token_file",
                      "a token is for https:// alone (remove it, or ask istiod there)");
  }
  if (loaded.config.instance_names) {
    merger.report_key("instance_names",
                      "Istio tells of no endpoints (set it to false, or remove it)");
  }
  if (loaded.config.answers == discovery::Answers::kEndpoints) {
    merger.report_key("answers", "Istio tells of no endpoints (set it to vip, or remove it)");
  }
}

// A table has one source: what two of them say of the same would have to be told apart by whoever
// reads an answer.
void check_file(const LoadedConfig& loaded, ConfigMerger& merger) {
  for (const char* const other : kControlPlanes) {
    if (loaded.origins.contains(other)) {
      merger.report_key("services.file", fmt::format("services come from {} already, by {} (remove "
                                                     "one of the two)",
                                                     other, loaded.origins.at(other)));
    }
  }
}

// What concerns more than one key.
void check(const Config& config, ConfigMerger& merger) {
  if (config.vip.quarantine < config.ttl) {
    merger.report_key(
        "vip.quarantine",
        fmt::format("is shorter than ttl (write at least {}: clients keep an address so "
                    "long)",
                    print_duration(config.ttl)));
  }
  if (config.zones.empty()) {
    merger.report_key("zones", "is empty (write at least one zone, such as [mesh])");
  }
  for (const RouteProblem& problem :
       check_routes(config.upstreams.groups, config.upstreams.routes, config.zones)) {
    merger.report_key(problem.is_of_group ? "upstreams.groups" : "upstreams.routes",
                      problem.reason);
  }
  check_addresses(config, merger);
}

void finish(LoadedConfig& loaded, const ConfigSources& sources, ConfigMerger& merger) {
  fill_derived(loaded.config, sources);
  if (loaded.config.uses_kuma()) {
    fill_kuma(loaded);
    check_kuma(loaded, merger);
  }
  if (loaded.config.uses_xds()) {
    check_xds(loaded, merger);
  }
  if (loaded.config.uses_istio()) {
    check_istio(loaded, merger);
  }
  if (loaded.config.uses_file()) {
    check_file(loaded, merger);
  }
  if (uses_control_plane(loaded.config)) {
    report(find_contradictions(loaded.config.control_plane), merger);
  }
  check(loaded.config, merger);
}

// What read_file() calls a wrong argument (a folder, a device) is a wrong file here, and a file
// that is too long is no configuration.
ErrorCode file_error(ErrorCode code) {
  if (code == ErrorCode::kInvalidArgument) {
    return ErrorCode::kIo;
  }
  return code == ErrorCode::kExhausted ? ErrorCode::kInvalidArgument : code;
}

std::string path_of(const ConfigSources& sources) {
  return sources.path.empty() ? std::string(kDefaultConfigPath) : sources.path;
}

}  // namespace

ConfigSources process_sources() {
  ConfigSources sources;
  sources.environment = [](const std::string& name) -> std::optional<std::string> {
    // NOLINTNEXTLINE(concurrency-mt-unsafe): nothing in this program sets the environment.
    const char* const value = std::getenv(name.c_str());
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
  };
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    if (text.starts_with(kEnvironmentPrefix)) {
      sources.environment_names.emplace_back(text.substr(0, text.find('=')));
    }
  }
  sources.is_root = ::geteuid() == 0;
  return sources;
}

LoadedConfig load_config(const ConfigSources& sources, FileSystem& files) {
  LoadedConfig loaded;
  ConfigMerger merger(loaded);
  const std::string path = path_of(sources);
  const auto text = read_file(files, path, kMaxConfigBytes);
  if (text) {
    loaded.file_octets = text->size();
    merger.apply_file(*text, path);
  } else if (!sources.path.empty() || text.error().code != ErrorCode::kNotFound) {
    loaded.errors.push_back(escape_text(text.error().message));
    loaded.error_code = file_error(text.error().code);
    return loaded;
  }
  merger.apply_kuma_environment(sources);
  merger.apply_environment(sources);
  merger.apply_flags(sources);
  if (loaded.config.uses_kuma()) {
    read_kuma_files(loaded, sources, files, merger);
  }
  // Only whether it can be read; it is read again at each connection.
  if (const auto read = read_xds_credentials(files, loaded.config.xds); !read) {
    merger.report_key("xds.ca_cert_file", read.error().message);
  }
  if (loaded.config.uses_istio()) {
    read_istio_files(loaded.config, files, merger);
  }
  if (uses_control_plane(loaded.config)) {
    report(find_bad_files(files, loaded.config.control_plane), merger);
    if (!loaded.config.kuma.dataplane_file.empty()) {
      read_dataplane(loaded, files, "control_plane.node", loaded.config.control_plane.node, merger);
    }
  }
  finish(loaded, sources, merger);
  return loaded;
}

LoadedConfig load_config_again(const ConfigSources& sources, FileSystem& files,
                               const LoadedConfig& running) {
  LoadedConfig loaded = load_config(sources, files);
  if (loaded.errors.empty() && loaded.file_octets == 0 && running.file_octets != 0) {
    loaded.errors.push_back(
        fmt::format("{} is gone or empty by now (write {{}} into a file that is to say nothing)",
                    escape_text(path_of(sources))));
  }
  return loaded;
}

LoadedConfig parse_config(std::string_view text, std::string_view path) {
  LoadedConfig loaded;
  ConfigMerger merger(loaded);
  merger.apply_file(text, path);
  finish(loaded, {}, merger);
  return loaded;
}

}  // namespace meshdns::dns
