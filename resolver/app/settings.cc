#include "resolver/app/settings.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/ip_address.h"
#include "base/log.h"
#include "base/result.h"
#include "resolver/app/config.h"
#include "resolver/app/setting_text.h"

namespace meshdns::dns {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Texts = std::vector<std::string>;

constexpr std::uint16_t kDnsPort = 53;
constexpr unsigned kMaxWorkers = 256;
constexpr std::size_t kMaxWord = 63;
constexpr std::size_t kMaxListItems = 1000;
constexpr unsigned kMinIpv4PoolLength = 4;
constexpr unsigned kMaxIpv4PoolLength = 29;
constexpr unsigned kMinIpv6PoolLength = 32;
constexpr unsigned kMaxIpv6PoolLength = 120;

tl::unexpected<Error> refuse(std::string reason) {
  return fail(ErrorCode::kInvalidArgument, std::move(reason));
}

// Stores a parsed value, or hands the error on.
template <typename Parsed, typename Target>
Result<void> store(Parsed&& parsed, Target& target) {
  if (!parsed) {
    return tl::unexpected(std::forward<Parsed>(parsed).error());
  }
  target = *std::forward<Parsed>(parsed);
  return {};
}

// The same for one more item of a list; an item that is there already is refused.
template <typename Parsed, typename Item>
Result<void> append(Parsed&& parsed, std::vector<Item>& list) {
  if (!parsed) {
    return tl::unexpected(std::forward<Parsed>(parsed).error());
  }
  if (std::ranges::find(list, *parsed) != list.end()) {
    return refuse("is in the list twice (keep one of the two)");
  }
  if (list.size() >= kMaxListItems) {
    return refuse(fmt::format("the list is too long (write at most {} items)", kMaxListItems));
  }
  list.push_back(*std::forward<Parsed>(parsed));
  return {};
}

Result<SocketAddress> parse_socket_address(const std::string& text, std::uint16_t default_port) {
  auto address = SocketAddress::parse(text, default_port);
  if (!address) {
    return refuse(fmt::format("{} (write ADDRESS:PORT, such as 127.0.0.1:{} or [::1]:{})",
                              address.error().message, default_port == 0 ? 15053 : default_port,
                              default_port == 0 ? 15053 : default_port));
  }
  return address;
}

Result<IpPrefix> parse_prefix(const std::string& text) {
  auto prefix = IpPrefix::parse(text);
  if (!prefix) {
    return refuse(prefix.error().message + " (write ADDRESS/LENGTH, such as 192.0.2.0/24)");
  }
  return prefix;
}

Result<IpPrefix> parse_pool(const std::string& text, IpFamily family, unsigned shortest,
                            unsigned longest) {
  auto pool = IpPrefix::parse(text);
  const bool good = pool && pool->base().family() == family && pool->length() >= shortest &&
                    pool->length() <= longest;
  if (!good) {
    return refuse(fmt::format(
        "{} (write an {} block of /{} to /{})",
        pool ? fmt::format("'{}' does not fit", escape_name(text)) : pool.error().message,
        family == IpFamily::kV4 ? "IPv4" : "IPv6", shortest, longest));
  }
  return pool;
}

Result<std::string> parse_path(const std::string& text) {
  if (!text.starts_with('/') || text.find('\0') != std::string::npos) {
    return refuse(
        fmt::format("'{}' is no absolute path (write one that starts with /)", escape_name(text)));
  }
  return text;
}

Result<std::string> parse_control_plane(const std::string& text) {
  constexpr std::string_view kUnix = "unix:";
  if (text.starts_with(kUnix) && text.size() > kUnix.size() && text[kUnix.size()] == '/') {
    return text;
  }
  if (SocketAddress::parse(text)) {
    return text;
  }
  const std::size_t colon = text.rfind(':');
  const bool named = colon != std::string::npos && parse_zone(text.substr(0, colon)) &&
                     parse_number(text.substr(colon + 1), 1, UINT16_MAX);
  if (!named) {
    return refuse(
        fmt::format("'{}' is no control plane (write HOST:PORT or unix:/PATH)", escape_name(text)));
  }
  return text;
}

template <typename Value, std::size_t kCount>
using Words = std::array<std::pair<std::string_view, Value>, kCount>;

constexpr Words<Mode, 2> kModes{{{"sidecar", Mode::kSidecar}, {"vm", Mode::kVm}}};
constexpr Words<StatePolicy, 2> kPolicies{
    {{"required", StatePolicy::kRequired}, {"best-effort", StatePolicy::kBestEffort}}};
constexpr Words<LogFormat, 2> kFormats{{{"text", LogFormat::kText}, {"json", LogFormat::kJson}}};
constexpr std::array<std::string_view, 5> kLevels{"debug", "info", "warn", "error", "off"};

template <typename Value, std::size_t kCount>
Result<Value> choose(const Words<Value, kCount>& words, const std::string& text) {
  std::string all;
  for (const auto& [word, value] : words) {
    if (word == text) {
      return value;
    }
    all += fmt::format("{}{}", all.empty() ? "" : " or ", word);
  }
  return refuse(fmt::format("'{}' is none of the choices (write {})", escape_name(text), all));
}

template <typename Value, std::size_t kCount>
Texts word_of(const Words<Value, kCount>& words, Value value) {
  for (const auto& [word, candidate] : words) {
    if (candidate == value) {
      return {std::string(word)};
    }
  }
  return {""};
}

Result<void> set_level(Config& config, const std::string& text) {
  if (std::ranges::find(kLevels, text) == kLevels.end()) {
    return refuse(fmt::format("'{}' is no log level (write {})", escape_name(text),
                              fmt::join(kLevels, ", ")));
  }
  config.log.level = text;
  return {};
}

Result<void> set_workers(Config& config, const std::string& text) {
  if (text == "auto") {
    config.workers = 0;
    return {};
  }
  const auto number = parse_number(text, 1, kMaxWorkers);
  if (!number) {
    return refuse(number.error().message + " or auto");
  }
  config.workers = static_cast<unsigned>(*number);
  return {};
}

Result<void> set_ttl(Config& config, const std::string& text) {
  const auto duration = parse_duration(text, seconds(1), hours(24));
  if (!duration) {
    return tl::unexpected(duration.error());
  }
  config.ttl = std::chrono::duration_cast<seconds>(*duration);
  if (config.ttl != *duration) {
    return refuse(fmt::format("'{}' is no whole number of seconds (write such as 30s)", text));
  }
  return {};
}

Result<void> set_admin_listen(Config& config, const std::string& text) {
  if (text == "none") {
    config.admin_listen.reset();
    return {};
  }
  return store(parse_socket_address(text, 0), config.admin_listen);
}

Texts print_boolean(bool value) { return {value ? "true" : "false"}; }

template <typename Item>
Texts print_all(const std::vector<Item>& items) {
  Texts texts;
  std::ranges::transform(items, std::back_inserter(texts),
                         [](const Item& item) { return item.to_string(); });
  return texts;
}

// The rows. `value` and `help` are what --help and docs/CONFIGURATION.md say.
const std::array kSettings = {
    Setting{.key = "mode",
            .flag = "--mode",
            .value = "sidecar|vm",
            .help = "beside one workload, or the resolver of a machine",
            .shape = SettingShape::kText,
            .scope = SettingScope::kRestart,
            .clear = nullptr,
            .add = [](Config& c, const std::string& t) { return store(choose(kModes, t), c.mode); },
            .print = [](const Config& c) { return word_of(kModes, c.mode); }},
    Setting{.key = "instance",
            .flag = "--instance",
            .value = "NAME",
            .help = "names the state folder; one per resolver on a machine",
            .shape = SettingShape::kText,
            .scope = SettingScope::kRestart,
            .clear = nullptr,
            .add = [](Config& c,
                      const std::string& t) { return store(parse_word(t, kMaxWord), c.instance); },
            .print = [](const Config& c) { return Texts{c.instance}; }},
    Setting{.key = "listen",
            .flag = "--listen",
            .value = "ADDRESS:PORT",
            .help = "where DNS is served, over UDP and TCP",
            .shape = SettingShape::kList,
            .scope = SettingScope::kReload,
            .clear =
                [](Config& c) {
                  c.listen.clear();
                  c.listen_is_default = false;
                },
            .add =
                [](Config& c, const std::string& t) {
                  return append(parse_socket_address(t, kDnsPort), c.listen);
                },
            .print = [](const Config& c) { return print_all(c.listen); }},
    Setting{.key = "allow",
            .flag = "--allow",
            .value = "ADDRESS/LENGTH",
            .help = "clients that are answered beside loopback and this host; others get REFUSED",
            .shape = SettingShape::kList,
            .scope = SettingScope::kReload,
            .clear = [](Config& c) { c.allow.clear(); },
            .add = [](Config& c, const std::string& t) { return append(parse_prefix(t), c.allow); },
            .print = [](const Config& c) { return print_all(c.allow); }},
    Setting{.key = "workers",
            .flag = "--workers",
            .value = "NUMBER|auto",
            .help = "threads that answer; auto: the CPUs this process may use",
            .shape = SettingShape::kText,
            .scope = SettingScope::kRestart,
            .clear = nullptr,
            .add = set_workers,
            .print =
                [](const Config& c) {
                  return Texts{c.workers == 0 ? "auto" : std::to_string(c.workers)};
                }},
    Setting{.key = "mesh",
            .flag = "--mesh",
            .value = "NAME",
            .help = "the mesh whose services are answered",
            .shape = SettingShape::kText,
            .scope = SettingScope::kRestart,
            .clear = nullptr,
            .add = [](Config& c,
                      const std::string& t) { return store(parse_word(t, kMaxWord), c.mesh); },
            .print = [](const Config& c) { return Texts{c.mesh}; }},
    Setting{.key = "zone",
            .flag = "--zone",
            .value = "NAME",
            .help = "where this resolver runs, told to the control plane",
            .shape = SettingShape::kText,
            .scope = SettingScope::kRestart,
            .clear = nullptr,
            .add =
                [](Config& c, const std::string& t) {
                  return t.empty() ? store(Result<std::string>(t), c.zone)
                                   : store(parse_word(t, kMaxWord), c.zone);
                },
            .print = [](const Config& c) { return Texts{c.zone}; }},
    Setting{.key = "zones",
            .flag = "--zones",
            .value = "DOMAIN",
            .help = "DNS zones that are answered here and never forwarded",
            .shape = SettingShape::kList,
            .scope = SettingScope::kRestart,
            .clear = [](Config& c) { c.zones.clear(); },
            .add = [](Config& c, const std::string& t) { return append(parse_zone(t), c.zones); },
            .print = [](const Config& c) { return c.zones; }},
    Setting{.key = "ttl",
            .flag = "--ttl",
            .value = "DURATION",
            .help = "how long clients may keep the address of a service",
            .shape = SettingShape::kText,
            .scope = SettingScope::kRestart,
            .clear = nullptr,
            .add = set_ttl,
            .print = [](const Config& c) { return Texts{print_duration(c.ttl)}; }},
    Setting{
        .key = "upstreams.resolv_conf",
        .flag = "--resolv-conf",
        .value = "PATH",
        .help = "file with the servers that other names are forwarded to",
        .shape = SettingShape::kText,
        .scope = SettingScope::kReload,
        .clear = nullptr,
        .add = [](Config& c,
                  const std::string& t) { return store(parse_path(t), c.upstreams.resolv_conf); },
        .print = [](const Config& c) { return Texts{c.upstreams.resolv_conf}; }},
    Setting{.key = "upstreams.servers",
            .flag = "--upstream",
            .value = "ADDRESS[:PORT]",
            .help = "servers to forward to instead, asked in order; port 53 unless given",
            .shape = SettingShape::kList,
            .scope = SettingScope::kReload,
            .clear = [](Config& c) { c.upstreams.servers.clear(); },
            .add =
                [](Config& c, const std::string& t) {
                  return append(parse_socket_address(t, kDnsPort), c.upstreams.servers);
                },
            .print = [](const Config& c) { return print_all(c.upstreams.servers); }},
    Setting{.key = "upstreams.timeout",
            .flag = "--upstream-timeout",
            .value = "DURATION",
            .help = "how long one server may take before the next is asked",
            .shape = SettingShape::kText,
            .scope = SettingScope::kRestart,
            .clear = nullptr,
            .add =
                [](Config& c, const std::string& t) {
                  return store(parse_duration(t, milliseconds(50), milliseconds(4500)),
                               c.upstreams.timeout);
                },
            .print = [](const Config& c) { return Texts{print_duration(c.upstreams.timeout)}; }},
    Setting{.key = "special_names.localhost",
            .flag = "--special-localhost",
            .value = "true|false",
            .help = "answer localhost and names below it with loopback (RFC 6761)",
            .shape = SettingShape::kText,
            .scope = SettingScope::kRestart,
            .clear = nullptr,
            .add =
                [](Config& c, const std::string& t) {
                  return store(parse_boolean(t), c.special_names.localhost);
                },
            .print = [](const Config& c) { return print_boolean(c.special_names.localhost); }},
    Setting{.key = "special_names.invalid",
            .flag = "--special-invalid",
            .value = "true|false",
            .help = "deny names below invalid (RFC 6761)",
            .shape = SettingShape::kText,
            .scope = SettingScope::kRestart,
            .clear = nullptr,
            .add =
                [](Config& c, const std::string& t) {
                  return store(parse_boolean(t), c.special_names.invalid);
                },
            .print = [](const Config& c) { return print_boolean(c.special_names.invalid); }},
    Setting{
        .key = "special_names.test",
        .flag = "--special-test",
        .value = "true|false",
        .help = "deny names below test (RFC 6761)",
        .shape = SettingShape::kText,
        .scope = SettingScope::kRestart,
        .clear = nullptr,
        .add = [](Config& c,
                  const std::string& t) { return store(parse_boolean(t), c.special_names.test); },
        .print = [](const Config& c) { return print_boolean(c.special_names.test); }},
    Setting{
        .key = "special_names.onion",
        .flag = "--special-onion",
        .value = "true|false",
        .help = "deny names below onion (RFC 7686)",
        .shape = SettingShape::kText,
        .scope = SettingScope::kRestart,
        .clear = nullptr,
        .add = [](Config& c,
                  const std::string& t) { return store(parse_boolean(t), c.special_names.onion); },
        .print = [](const Config& c) { return print_boolean(c.special_names.onion); }},
    Setting{.key = "special_names.resolver_arpa",
            .flag = "--special-resolver-arpa",
            .value = "true|false",
            .help = "answer resolver.arpa with nothing (RFC 9462)",
            .shape = SettingShape::kText,
            .scope = SettingScope::kRestart,
            .clear = nullptr,
            .add =
                [](Config& c, const std::string& t) {
                  return store(parse_boolean(t), c.special_names.resolver_arpa);
                },
            .print = [](const Config& c) { return print_boolean(c.special_names.resolver_arpa); }},
    Setting{
        .key = "special_names.reverse_loopback",
        .flag = "--special-reverse-loopback",
        .value = "true|false",
        .help = "answer reverse names of loopback and unspecified addresses (RFC 6303)",
        .shape = SettingShape::kText,
        .scope = SettingScope::kRestart,
        .clear = nullptr,
        .add =
            [](Config& c, const std::string& t) {
              return store(parse_boolean(t), c.special_names.reverse_loopback);
            },
        .print = [](const Config& c) { return print_boolean(c.special_names.reverse_loopback); }},
    Setting{.key = "vip.ipv4_pool",
            .flag = "--vip-ipv4-pool",
            .value = "ADDRESS/LENGTH",
            .help = "where services without an address get their virtual IPv4 address",
            .shape = SettingShape::kText,
            .scope = SettingScope::kRestart,
            .clear = nullptr,
            .add =
                [](Config& c, const std::string& t) {
                  return store(parse_pool(t, IpFamily::kV4, kMinIpv4PoolLength, kMaxIpv4PoolLength),
                               c.vip.ipv4_pool);
                },
            .print = [](const Config& c) { return Texts{c.vip.ipv4_pool.to_string()}; }},
    Setting{
        .key = "vip.ipv6",
        .flag = "--vip-ipv6",
        .value = "true|false",
        .help = "give virtual IPv6 addresses too: only where a proxy intercepts them",
        .shape = SettingShape::kText,
        .scope = SettingScope::kRestart,
        .clear = nullptr,
        .add = [](Config& c, const std::string& t) { return store(parse_boolean(t), c.vip.ipv6); },
        .print = [](const Config& c) { return print_boolean(c.vip.ipv6); }},
    Setting{.key = "vip.ipv6_pool",
            .flag = "--vip-ipv6-pool",
            .value = "ADDRESS/LENGTH",
            .help = "where they get it from",
            .shape = SettingShape::kText,
            .scope = SettingScope::kRestart,
            .clear = nullptr,
            .add =
                [](Config& c, const std::string& t) {
                  return store(parse_pool(t, IpFamily::kV6, kMinIpv6PoolLength, kMaxIpv6PoolLength),
                               c.vip.ipv6_pool);
                },
            .print = [](const Config& c) { return Texts{c.vip.ipv6_pool.to_string()}; }},
    Setting{.key = "vip.quarantine",
            .flag = "--vip-quarantine",
            .value = "DURATION",
            .help = "how long the address of a removed service is given to no other",
            .shape = SettingShape::kText,
            .scope = SettingScope::kRestart,
            .clear = nullptr,
            .add =
                [](Config& c, const std::string& t) {
                  return store(parse_duration(t, seconds(1), hours(24 * 7)), c.vip.quarantine);
                },
            .print = [](const Config& c) { return Texts{print_duration(c.vip.quarantine)}; }},
    Setting{.key = "state.directory",
            .flag = "--state-dir",
            .value = "PATH",
            .help = "folder that keeps virtual IP addresses over restarts",
            .shape = SettingShape::kText,
            .scope = SettingScope::kRestart,
            .clear = nullptr,
            .add = [](Config& c,
                      const std::string& t) { return store(parse_path(t), c.state.directory); },
            .print = [](const Config& c) { return Texts{c.state.directory}; }},
    Setting{.key = "state.mode",
            .flag = "--state-mode",
            .value = "required|best-effort",
            .help = "when that folder is unusable: do not start, or keep addresses in memory",
            .shape = SettingShape::kText,
            .scope = SettingScope::kRestart,
            .clear = nullptr,
            .add = [](Config& c,
                      const std::string& t) { return store(choose(kPolicies, t), c.state.policy); },
            .print =
                [](const Config& c) {
                  return word_of(kPolicies, c.state.policy.value_or(StatePolicy::kBestEffort));
                }},
    Setting{.key = "control_plane.address",
            .flag = "--control-plane",
            .value = "HOST:PORT|unix:/PATH",
            .help = "the xDS control plane",
            .shape = SettingShape::kText,
            .scope = SettingScope::kRestart,
            .clear = nullptr,
            .add =
                [](Config& c, const std::string& t) {
                  return store(parse_control_plane(t), c.control_plane.address);
                },
            .print = [](const Config& c) { return Texts{c.control_plane.address}; }},
    Setting{
        .key = "control_plane.node",
        .flag = "--node",
        .value = "NAME",
        .help = "this resolver's name towards the control plane",
        .shape = SettingShape::kText,
        .scope = SettingScope::kRestart,
        .clear = nullptr,
        .add = [](Config& c,
                  const std::string& t) { return store(parse_word(t, 253), c.control_plane.node); },
        .print = [](const Config& c) { return Texts{c.control_plane.node}; }},
    Setting{.key = "admin.listen",
            .flag = "--admin",
            .value = "ADDRESS:PORT|none",
            .help = "where /metrics, /healthz, /readyz, /config, /table and /vips are served",
            .shape = SettingShape::kText,
            .scope = SettingScope::kRestart,
            .clear = nullptr,
            .add = set_admin_listen,
            .print =
                [](const Config& c) {
                  return Texts{c.admin_listen ? c.admin_listen->to_string() : "none"};
                }},
    Setting{.key = "log.level",
            .flag = "--log-level",
            .value = "debug|info|warn|error|off",
            .help = "the least grave lines that are written",
            .shape = SettingShape::kText,
            .scope = SettingScope::kReload,
            .clear = nullptr,
            .add = set_level,
            .print = [](const Config& c) { return Texts{c.log.level}; }},
    Setting{.key = "log.format",
            .flag = "--log-format",
            .value = "text|json",
            .help = "how they are written",
            .shape = SettingShape::kText,
            .scope = SettingScope::kRestart,
            .clear = nullptr,
            .add = [](Config& c,
                      const std::string& t) { return store(choose(kFormats, t), c.log.format); },
            .print = [](const Config& c) { return word_of(kFormats, c.log.format); }},
};

}  // namespace

std::span<const Setting> settings() { return kSettings; }

const Setting* find_setting(std::string_view key) {
  const auto* const found = std::ranges::find(kSettings, key, &Setting::key);
  return found == kSettings.end() ? nullptr : found;
}

std::string environment_name(std::string_view key) {
  std::string name = "MESHDNS_";
  std::ranges::transform(key, std::back_inserter(name), [](char c) {
    if (c >= 'a' && c <= 'z') {
      return static_cast<char>(c - 'a' + 'A');
    }
    return c == '.' ? '_' : c;
  });
  return name;
}

}  // namespace meshdns::dns
