#include "resolver/app/settings.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "base/ip_address.h"
#include "base/log.h"
#include "base/refuse.h"
#include "base/result.h"
#include "discovery/feeds/kuma_socket.h"
#include "discovery/service.h"
#include "resolver/app/config.h"
#include "resolver/app/control_plane_settings.h"
#include "resolver/app/istio_settings.h"
#include "resolver/app/kuma_settings.h"
#include "resolver/app/route_text.h"
#include "resolver/app/setting_row.h"
#include "resolver/app/setting_text.h"
#include "resolver/app/setting_values.h"
#include "resolver/app/token_file.h"
#include "resolver/app/upstream_text.h"
#include "resolver/app/xds_settings.h"
#include "resolver/snapshot/port_lists.h"

namespace meshdns::dns {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::string_view kTokenKey = "kuma.dataplane_token";
constexpr std::uint16_t kDnsPort = 53;
constexpr unsigned kMaxWorkers = 256;
constexpr std::size_t kMaxWord = 63;
constexpr std::size_t kMaxNode = 253;

constexpr auto kReload = SettingScope::kReload;
constexpr auto kRestart = SettingScope::kRestart;

constexpr Words<Mode, 2> kModes{{{"sidecar", Mode::kSidecar}, {"vm", Mode::kVm}}};
constexpr Words<StatePolicy, 2> kPolicies{
    {{"required", StatePolicy::kRequired}, {"best-effort", StatePolicy::kBestEffort}}};
constexpr Words<HttpsRecords, 3> kHttpsRecords{{{"tls-ports", HttpsRecords::kTlsPorts},
                                                {"all-http-ports", HttpsRecords::kAllHttpPorts},
                                                {"none", HttpsRecords::kNone}}};
constexpr Words<discovery::Answers, 2> kAnswers{
    {{"vip", discovery::Answers::kVip}, {"endpoints", discovery::Answers::kEndpoints}}};
constexpr Words<QueryLogNames, 2> kNames{
    {{"escaped", QueryLogNames::kEscaped}, {"hashed", QueryLogNames::kHashed}}};
constexpr Words<LogFormat, 2> kFormats{{{"text", LogFormat::kText}, {"json", LogFormat::kJson}}};
constexpr std::array<std::string_view, 5> kLevels{"debug", "info", "warn", "error", "off"};

Result<std::string> parse_name(const std::string& text) { return parse_word(text, kMaxWord); }
Result<std::string> parse_node(const std::string& text) { return parse_word(text, kMaxNode); }
Result<std::string> parse_optional_name(const std::string& text) {
  return text.empty() ? Result<std::string>(text) : parse_name(text);
}
Result<std::string> parse_optional_node(const std::string& text) {
  return text.empty() ? Result<std::string>(text) : parse_node(text);
}
Result<SocketAddress> parse_dns_address(const std::string& text) {
  return parse_socket_address(text, kDnsPort);
}
Result<milliseconds> parse_attempt_timeout(const std::string& text) {
  return parse_duration(text, milliseconds(50), milliseconds(4500));
}
Result<milliseconds> parse_poll_interval(const std::string& text) {
  return parse_duration(text, milliseconds(100), hours(1));
}
Result<milliseconds> parse_quarantine(const std::string& text) {
  return parse_duration(text, seconds(1), hours(24 * 7));
}
Result<std::size_t> parse_cache_size(const std::string& text) {
  constexpr std::uint64_t kLeast = std::uint64_t{1} << 20U;
  auto size = parse_size(text, 0, std::uint64_t{64} << 30U);
  if (size && *size != 0 && *size < kLeast) {
    return refuse(fmt::format("'{}' is too little (write 1MiB or more, or 0MiB for no cache)",
                              escape_name(text)));
  }
  return size;
}
Result<seconds> parse_seconds(const std::string& text, seconds minimum, seconds maximum) {
  const auto duration = parse_duration(text, minimum, maximum);
  if (!duration) {
    return tl::unexpected(duration.error());
  }
  const auto whole = std::chrono::duration_cast<seconds>(*duration);
  if (whole != *duration) {
    return refuse(fmt::format("'{}' is no whole number of seconds (write such as 30s)", text));
  }
  return whole;
}
Result<seconds> parse_ttl(const std::string& text) {
  return parse_seconds(text, seconds(1), hours(24));
}
Result<seconds> parse_min_ttl(const std::string& text) {
  return parse_seconds(text, seconds(0), hours(1));
}
Result<seconds> parse_max_ttl(const std::string& text) {
  return parse_seconds(text, seconds(1), hours(24 * 7));
}
Result<seconds> parse_stale_for(const std::string& text) {
  return parse_seconds(text, seconds(0), hours(24 * 7));
}
Result<IpPrefix> parse_ipv4_pool(const std::string& text) {
  return parse_pool(text, IpFamily::kV4);
}
Result<IpPrefix> parse_ipv6_pool(const std::string& text) {
  return parse_pool(text, IpFamily::kV6);
}
Result<std::string> parse_level(const std::string& text) {
  if (std::ranges::find(kLevels, text) == kLevels.end()) {
    return refuse(fmt::format("'{}' is no log level (write {})", escape_name(text),
                              fmt::join(kLevels, ", ")));
  }
  return text;
}

Result<std::uint32_t> parse_sample(const std::string& text) {
  constexpr std::uint64_t kMaxSample = 1'000'000;
  const auto number = parse_number(text, 1, kMaxSample);
  if (!number) {
    return tl::unexpected(number.error());
  }
  return static_cast<std::uint32_t>(*number);
}

// A path, one of the words, or "none", which is stored as nothing.
Result<void> set_output(std::string& output, const std::string& text, std::string_view word,
                        std::string_view prefix) {
  if (text == "none") {
    output.clear();
    return {};
  }
  if (!word.empty() && text == word) {
    output = text;
    return {};
  }
  const std::string_view beginning =
      !prefix.empty() && text.starts_with(prefix) ? prefix : std::string_view();
  const auto path = parse_path(text.substr(beginning.size()));
  if (!path) {
    return tl::unexpected(path.error());
  }
  output = text;
  return {};
}
SettingTexts print_output(const std::string& output) { return {output.empty() ? "none" : output}; }

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

Result<void> set_watchdog(Config& config, const std::string& text) {
  if (text == "off") {
    config.watchdog = milliseconds(0);
    return {};
  }
  const auto duration = parse_duration(text, milliseconds(200), hours(1));
  if (!duration) {
    return refuse(duration.error().message + " or off");
  }
  config.watchdog = *duration;
  return {};
}

// A duration, or "never".
Result<void> set_age(std::optional<milliseconds>& age, const std::string& text) {
  if (text == "never") {
    age.reset();
    return {};
  }
  return store_parsed(parse_duration(text, seconds(1), hours(24 * 365)), age);
}

SettingTexts print_age(const std::optional<milliseconds>& age) {
  return {age ? print_duration(*age) : "never"};
}

// A relative path counts from where the program was started.
Result<std::string> parse_optional_file(const std::string& text) {
  constexpr std::size_t kMaxPath = 4095;
  const bool is_path = text.size() <= kMaxPath &&
                       std::ranges::none_of(text, [](char c) { return c >= 0 && c < ' '; });
  if (!is_path) {
    return refuse(fmt::format("'{}' is no path (write the path of a file)", escape_name(text)));
  }
  return text;
}

Result<std::string> parse_kuma_socket(const std::string& text) {
  constexpr std::size_t kMaxPath = discovery::KumaSocket::kMaxPathOctets;
  if (text.size() > kMaxPath) {
    return refuse(fmt::format("has {} octets, too many for a unix socket (write at most {})",
                              text.size(), kMaxPath));
  }
  return parse_optional_file(text);
}

Result<void> set_readiness_port(Config& config, const std::string& text) {
  if (text == "none") {
    config.kuma.readiness_port.reset();
    return {};
  }
  const auto port = parse_number(text, 1, UINT16_MAX);
  if (!port) {
    return refuse(port.error().message + " or none");
  }
  config.kuma.readiness_port = static_cast<std::uint16_t>(*port);
  return {};
}

Result<std::string> parse_optional_istio_name(const std::string& text) {
  return text.empty() ? Result<std::string>(text) : parse_istio_name(text);
}

Result<void> set_instance_ip(Config& config, const std::string& text) {
  if (text == "auto") {
    config.istio.instance_ip.reset();
    return {};
  }
  const auto address = IpAddress::parse(text);
  if (!address || address->is_unspecified()) {
    return refuse(fmt::format("'{}' is no address of a host (write such as 192.0.2.10, or auto)",
                              escape_name(text)));
  }
  config.istio.instance_ip = *address;
  return {};
}

Result<void> set_admin_listen(Config& config, const std::string& text) {
  if (text == "none") {
    config.admin_listen.reset();
    return {};
  }
  return store_parsed(parse_socket_address(text, 0), config.admin_listen);
}

constexpr Setting listen_setting() {
  Setting setting = list_of<[](auto& c) -> auto& { return c.listen; }, parse_dns_address>(
      {"listen", "--listen", "ADDRESS:PORT", "where DNS is served, over UDP and TCP"}, kReload);
  setting.clear = [](Config& c) {
    c.listen.clear();
    c.listen_is_default = false;
  };
  return setting;
}

// The rows. `value` and `help` are what --help and docs/CONFIGURATION.md say.
const std::array kSettings = {
    special(
        {"mode", "--mode", "sidecar|vm", "beside one workload, or the resolver of a machine"},
        [](Config& c, const std::string& t) { return store_parsed(choose_word(kModes, t), c.mode); },
        [](const Config& c) { return word_of(kModes, c.mode); }),
    value_of<[](auto& c) -> auto& { return c.instance; }, parse_name>(
        {"instance", "--instance", "NAME",
         "names the state folder; one per resolver on a machine"}),
    listen_setting(),
    list_of<[](auto& c) -> auto& { return c.allow; }, parse_prefix>(
        {"allow", "--allow", "ADDRESS/LENGTH",
         "clients that are answered beside loopback and this host; others get REFUSED"},
        kReload),
    special(
        {"workers", "--workers", "NUMBER|auto",
         "threads that answer; auto: the CPUs this process may use"},
        set_workers,
        [](const Config& c) { return SettingTexts{c.workers == 0 ? "auto" : std::to_string(c.workers)}; }),
    value_of<[](auto& c) -> auto& { return c.user; }, parse_optional_name>(
        {"user", "--user", "NAME", "whom root becomes once its sockets are bound"}),
    special({"watchdog", "--watchdog", "DURATION|off",
             "how long a worker may hang before the resolver is started again"},
            set_watchdog,
            [](const Config& c) {
              return SettingTexts{c.watchdog.count() == 0 ? "off" : print_duration(c.watchdog)};
            }),
    value_of<[](auto& c) -> auto& { return c.mesh; }, parse_name>(
        {"mesh", "--mesh", "NAME", "the mesh whose services are answered"}),
    value_of<[](auto& c) -> auto& { return c.zone; }, parse_optional_name>(
        {"zone", "--zone", "NAME", "where this resolver runs, told to the control plane"}),
    list_of<[](auto& c) -> auto& { return c.zones; }, parse_zone>(
        {"zones", "--zones", "DOMAIN", "DNS zones that are answered here and never forwarded"},
        kRestart),
    value_of<[](auto& c) -> auto& { return c.ttl; }, parse_ttl>(
        {"ttl", "--ttl", "DURATION", "how long clients may keep the address of a service"}),
    special(
        {"answers", "--answers", "vip|endpoints",
         "what the name of a service answers: its own address, or those of its endpoints"},
        [](Config& c, const std::string& t) { return store_parsed(choose_word(kAnswers, t), c.answers); },
        [](const Config& c) { return word_of(kAnswers, c.answers); }),
    boolean<[](auto& c) -> auto& { return c.instance_names; }>(
        "instance_names", "--instance-names",
        "answer INSTANCE.SERVICE.mesh with the address of that one endpoint"),
    special(
        {"https_records", "--https-records", "tls-ports|all-http-ports|none",
         "ports of a service that have HTTPS records, which make browsers speak TLS"},
        [](Config& c, const std::string& t) {
          return store_parsed(choose_word(kHttpsRecords, t), c.https_records);
        },
        [](const Config& c) { return word_of(kHttpsRecords, c.https_records); }),

    list_of<[](auto& c) -> auto& { return c.records.zone_files; }, parse_path>(
        {"records.zone_files", "--zone-file", "PATH",
         "zone files, whose records come before those of the control plane"},
        kReload),
    list_of<[](auto& c) -> auto& { return c.records.hosts_files; }, parse_path>(
        {"records.hosts_files", "--hosts-file", "PATH",
         "files like /etc/hosts, whose names come before those of the control plane"},
        kReload),

    value_of<[](auto& c) -> auto& { return c.upstreams.resolv_conf; }, parse_path>(
        {"upstreams.resolv_conf", "--resolv-conf", "PATH",
         "file with the servers that other names are forwarded to"},
        kReload),
    list_of<[](auto& c) -> auto& { return c.upstreams.servers; }, parse_upstream_server>(
        {"upstreams.servers", "--upstream", "SERVER",
         "servers to forward to instead, asked in order: ADDRESS, tcp://ADDRESS, "
         "tls://ADDRESS#NAME"},
        kReload),
    value_of<[](auto& c) -> auto& { return c.upstreams.timeout; }, parse_attempt_timeout>(
        {"upstreams.timeout", "--upstream-timeout", "DURATION",
         "how long one server may take before the next is asked"}),
    list_of<[](auto& c) -> auto& { return c.upstreams.groups; }, parse_group>(
        {"upstreams.groups", "--upstream-group", "NAME=[POLICY] SERVER ...",
         "servers that routes lead to, and how they are chosen from"},
        kReload),
    list_of<[](auto& c) -> auto& { return c.upstreams.routes; }, parse_route>(
        {"upstreams.routes", "--route", "DOMAIN=GROUP|refuse|nxdomain|no-aaaa [GROUP]",
         "where names at and below a domain go instead; the longest domain counts"},
        kReload),

    value_of<[](auto& c) -> auto& { return c.cache.max_octets; }, parse_cache_size>(
        {"cache.size", "--cache-size", "SIZE",
         "memory for answers of upstream servers; 0MiB: none are kept"}),
    value_of<[](auto& c) -> auto& { return c.cache.min_ttl; }, parse_min_ttl>(
        {"cache.min_ttl", "--cache-min-ttl", "DURATION",
         "answers are kept at least so long, whatever their TTL"}),
    value_of<[](auto& c) -> auto& { return c.cache.max_ttl; }, parse_max_ttl>(
        {"cache.max_ttl", "--cache-max-ttl", "DURATION", "and at most so long"}),
    value_of<[](auto& c) -> auto& { return c.cache.max_denial_ttl; }, parse_max_ttl>(
        {"cache.max_negative_ttl", "--cache-max-negative-ttl", "DURATION",
         "that there is no such name or record is kept at most so long"}),
    value_of<[](auto& c) -> auto& { return c.cache.stale_for; }, parse_stale_for>(
        {"cache.serve_stale", "--cache-serve-stale", "DURATION",
         "how long after its TTL an answer is still told when upstream fails (RFC 8767)"}),

    boolean<[](auto& c) -> auto& { return c.special_names.localhost; }>(
        "special_names.localhost", "--special-localhost",
        "answer localhost and names below it with loopback (RFC 6761)"),
    boolean<[](auto& c) -> auto& { return c.special_names.invalid; }>(
        "special_names.invalid", "--special-invalid", "deny names below invalid (RFC 6761)"),
    boolean<[](auto& c) -> auto& { return c.special_names.test; }>(
        "special_names.test", "--special-test", "deny names below test (RFC 6761)"),
    boolean<[](auto& c) -> auto& { return c.special_names.onion; }>(
        "special_names.onion", "--special-onion", "deny names below onion (RFC 7686)"),
    boolean<[](auto& c) -> auto& { return c.special_names.resolver_arpa; }>(
        "special_names.resolver_arpa", "--special-resolver-arpa",
        "answer resolver.arpa with nothing (RFC 9462)"),
    boolean<[](auto& c) -> auto& { return c.special_names.reverse_loopback; }>(
        "special_names.reverse_loopback", "--special-reverse-loopback",
        "answer reverse names of loopback and unspecified addresses (RFC 6303)"),

    value_of<[](auto& c) -> auto& { return c.vip.ipv4_pool; }, parse_ipv4_pool>(
        {"vip.ipv4_pool", "--vip-ipv4-pool", "ADDRESS/LENGTH",
         "where services without an address get their virtual IPv4 address"}),
    boolean<[](auto& c) -> auto& { return c.vip.ipv6; }>(
        "vip.ipv6", "--vip-ipv6",
        "give virtual IPv6 addresses too: only where a proxy intercepts them"),
    value_of<[](auto& c) -> auto& { return c.vip.ipv6_pool; }, parse_ipv6_pool>(
        {"vip.ipv6_pool", "--vip-ipv6-pool", "ADDRESS/LENGTH", "where they get it from"}),
    value_of<[](auto& c) -> auto& { return c.vip.quarantine; }, parse_quarantine>(
        {"vip.quarantine", "--vip-quarantine", "DURATION",
         "how long the address of a removed service is given to no other"}),

    value_of<[](auto& c) -> auto& { return c.state.directory; }, parse_path>(
        {"state.directory", "--state-dir", "PATH",
         "folder that keeps virtual IP addresses, and the last table, over restarts"}),
    special(
        {"state.mode", "--state-mode", "required|best-effort",
         "when that folder is unusable: do not start, or keep addresses in memory"},
        [](Config& c, const std::string& t) { return store_parsed(choose_word(kPolicies, t), c.state.policy); },
        [](const Config& c) {
          return word_of(kPolicies, c.state.policy.value_or(StatePolicy::kBestEffort));
        }),

    special(
        {"table.stale_after", "--table-stale-after", "DURATION|never",
         "answers from a table that no control plane confirmed for so long are marked stale"},
        [](Config& c, const std::string& t) { return set_age(c.table.stale_after, t); },
        [](const Config& c) { return print_age(c.table.stale_after); }),
    special(
        {"table.expire_after", "--table-expire-after", "DURATION|never",
         "names of such a table are not answered any more, but with SERVFAIL"},
        [](Config& c, const std::string& t) { return set_age(c.table.expire_after, t); },
        [](const Config& c) { return print_age(c.table.expire_after); }),

    value_of<[](auto& c) -> auto& { return c.control_plane.address; }, parse_control_plane>(
        {"control_plane.address", "--control-plane", "HOST:PORT|unix:/PATH",
         "the xDS control plane"}),
    value_of<[](auto& c) -> auto& { return c.control_plane.node; }, parse_node>(
        {"control_plane.node", "--node", "NAME", "this resolver's name towards the control plane"}),
    boolean<[](auto& c) -> auto& { return c.control_plane.tls; }>(
        "control_plane.tls", "--control-plane-tls", "whether it is spoken to over TLS"),
    value_of<[](auto& c) -> auto& { return c.control_plane.server_name; }, parse_server_name>(
        {"control_plane.server_name", "--control-plane-server-name", "NAME",
         "whom its certificate has to be for; empty: the host of its address"}),
    value_of<[](auto& c) -> auto& { return c.control_plane.ca_cert_file; }, parse_optional_file>(
        {"control_plane.ca_cert_file", "--control-plane-ca-cert-file", "PATH",
         "file with the certificates that its own is checked against; empty: the system's"}),
    value_of<[](auto& c) -> auto& { return c.control_plane.cert_file; }, parse_optional_file>(
        {"control_plane.cert_file", "--control-plane-cert-file", "PATH",
         "file with the certificate that it is shown (mTLS)"}),
    value_of<[](auto& c) -> auto& { return c.control_plane.key_file; }, parse_optional_file>(
        {"control_plane.key_file", "--control-plane-key-file", "PATH",
         "file with the key of that certificate"}),
    value_of<[](auto& c) -> auto& { return c.control_plane.token_file; }, parse_optional_file>(
        {"control_plane.token_file", "--control-plane-token-file", "PATH",
         "file with the token that it gave this resolver"}),
    boolean<[](auto& c) -> auto& { return c.control_plane.allow_plaintext_token; }>(
        "control_plane.allow_plaintext_token", "--control-plane-allow-plaintext-token",
        "whether the token is sent to another host without TLS"),

    special(
        {"services.file", "--services-file", "PATH|none",
         "a file with services, endpoints and names instead; it is watched"},
        [](Config& c, const std::string& t) { return set_output(c.services.file, t, {}, {}); },
        [](const Config& c) { return print_output(c.services.file); }),

    list_of<[](auto& c) -> auto& { return c.kuma.cp_addresses; }, parse_kuma_address>(
        {"kuma.cp_addresses", "--cp-address", "https://HOST:PORT",
         "a Kuma control plane instead; with several, the first that answers"},
        kRestart),
    value_of<[](auto& c) -> auto& { return c.kuma.name; }, parse_optional_node>(
        {"kuma.name", "--name", "NAME", "the name of this Dataplane towards it"}),
    value_of<[](auto& c) -> auto& { return c.kuma.dataplane_token; }, parse_token>(
        {kTokenKey, "--dataplane-token", "TOKEN",
         "the token itself; a file of it is seen by fewer and can be renewed"}),
    value_of<[](auto& c) -> auto& { return c.kuma.dataplane_token_file; }, parse_optional_file>(
        {"kuma.dataplane_token_file", "--dataplane-token-file", "PATH",
         "file with the token that Kuma gave this Dataplane"}),
    value_of<[](auto& c) -> auto& { return c.kuma.ca_cert_file; }, parse_optional_file>(
        {"kuma.ca_cert_file", "--ca-cert-file", "PATH",
         "file with the certificates that Kuma's is checked against; empty: the system's"}),
    value_of<[](auto& c) -> auto& { return c.kuma.dataplane_file; }, parse_optional_file>(
        {"kuma.dataplane_file", "--dataplane-file", "PATH",
         "the Dataplane, to be registered with Kuma or our own control plane; empty: it is known there"}),
    value_of<[](auto& c) -> auto& { return c.kuma.dynamicconfig_socket; }, parse_kuma_socket>(
        {"kuma.dynamicconfig_socket", "--dynamicconfig-socket", "PATH",
         "the socket of a kuma-dp on this host, asked for the table instead of a control plane"}),
    value_of<[](auto& c) -> auto& { return c.kuma.dynamicconfig_interval; }, parse_poll_interval>(
        {"kuma.dynamicconfig_interval", "--dynamicconfig-interval", "DURATION",
         "how often it is asked"}),
    special({"kuma.readiness_port", "--readiness-port", "PORT|none",
             "where /ready is served as kuma-dp does"},
            set_readiness_port,
            [](const Config& c) {
              return SettingTexts{c.kuma.readiness_port ? std::to_string(*c.kuma.readiness_port) : "none"};
            }),

    list_of<[](auto& c) -> auto& { return c.xds.servers; }, parse_control_plane>(
        {"xds.servers", "--xds-server", "HOST:PORT|unix:/PATH",
         "any xDS control plane instead, for its clusters; with several, the first that answers"},
        kRestart),
    value_of<[](auto& c) -> auto& { return c.xds.node_id; }, parse_node_text>(
        {"xds.node_id", "--xds-node-id", "TEXT",
         "this resolver's node id towards it; empty: that of control_plane.node"}),
    value_of<[](auto& c) -> auto& { return c.xds.node_cluster; }, parse_node_text>(
        {"xds.node_cluster", "--xds-node-cluster", "TEXT", "the cluster of that node"}),
    boolean<[](auto& c) -> auto& { return c.xds.tls; }>("xds.tls", "--xds-tls",
                                                        "whether it is spoken to over TLS"),
    value_of<[](auto& c) -> auto& { return c.xds.ca_cert_file; }, parse_optional_file>(
        {"xds.ca_cert_file", "--xds-ca-cert-file", "PATH",
         "file with the certificates that its own is checked against; empty: the system's"}),

    list_of<[](auto& c) -> auto& { return c.istio.addresses; }, parse_istio_address>(
        {"istio.addresses", "--istio-address", "https://HOST:PORT|http://HOST:PORT",
         "an Istio control plane instead; with several, the first that answers"},
        kRestart),
    value_of<[](auto& c) -> auto& { return c.istio.workload; }, parse_optional_istio_name>(
        {"istio.workload", "--istio-workload", "NAME", "the name of this workload towards it"}),
    value_of<[](auto& c) -> auto& { return c.istio.name_space; }, parse_istio_name>(
        {"istio.namespace", "--istio-namespace", "NAME",
         "the namespace this workload counts to, whose services have one label"}),
    value_of<[](auto& c) -> auto& { return c.istio.domain; }, parse_istio_name>(
        {"istio.domain", "--istio-domain", "DOMAIN", "where Kubernetes services have their names"}),
    special(
        {"istio.instance_ip", "--istio-instance-ip", "ADDRESS|auto", "this host's address there"},
        set_instance_ip,
        [](const Config& c) {
          return SettingTexts{c.istio.instance_ip ? c.istio.instance_ip->to_string() : "auto"};
        }),
    value_of<[](auto& c) -> auto& { return c.istio.token_file; }, parse_optional_file>(
        {"istio.token_file", "--istio-token-file", "PATH",
         "file with the token of this workload's service account"}),
    value_of<[](auto& c) -> auto& { return c.istio.ca_cert_file; }, parse_optional_file>(
        {"istio.ca_cert_file", "--istio-ca-cert-file", "PATH",
         "file with the certificates that istiod's is checked against; empty: the system's"}),
    list_of<[](auto& c) -> auto& { return c.istio.metadata; }, parse_istio_metadata>(
        {"istio.metadata", "--istio-metadata", "KEY=VALUE",
         "what else istiod is told, as by istio-agent's variables ISTIO_META_KEY"},
        kRestart),

    special({"admin.listen", "--admin", "ADDRESS:PORT|none",
             "where /metrics, /healthz, /readyz, /config, /table, /vips, /cache and /upstreams are "
             "served"},
            set_admin_listen,
            [](const Config&
                   c) { return SettingTexts{c.admin_listen ? c.admin_listen->to_string() : "none"}; }),
    value_of<[](auto& c) -> auto& { return c.log.level; }, parse_level>(
        {"log.level", "--log-level", "debug|info|warn|error|off",
         "the least grave lines that are written"},
        kReload),
    special(
        {"log.format", "--log-format", "text|json", "how they are written"},
        [](Config& c, const std::string& t) { return store_parsed(choose_word(kFormats, t), c.log.format); },
        [](const Config& c) { return word_of(kFormats, c.log.format); }),

    special(
        {"query_log.file", "--query-log", "PATH|stderr|none",
         "where a line of JSON goes for each response to a client"},
        [](Config& c, const std::string& t) {
          return set_output(c.query_log.file, t, "stderr", {});
        },
        [](const Config& c) { return print_output(c.query_log.file); }),
    special(
        {"query_log.sample", "--query-log-sample", "NUMBER",
         "of so many responses one is logged, at random"},
        [](Config& c, const std::string& t) { return store_parsed(parse_sample(t), c.query_log.sample); },
        [](const Config& c) { return SettingTexts{std::to_string(c.query_log.sample)}; }),
    special(
        {"query_log.names", "--query-log-names", "escaped|hashed",
         "how names are written: as they are, or as hashes that change with every start"},
        [](Config& c, const std::string& t) { return store_parsed(choose_word(kNames, t), c.query_log.names); },
        [](const Config& c) { return word_of(kNames, c.query_log.names); }),
    special(
        {"dnstap.output", "--dnstap", "unix:/PATH|PATH|none",
         "where every message goes as dnstap: a socket that is listened on, or a file"},
        [](Config& c, const std::string& t) { return set_output(c.dnstap.output, t, {}, "unix:"); },
        [](const Config& c) { return print_output(c.dnstap.output); }),
    value_of<[](auto& c) -> auto& { return c.dnstap.identity; }, parse_optional_node>(
        {"dnstap.identity", "--dnstap-identity", "NAME",
         "the server's name in it; empty: that of control_plane.node"}),
};

}  // namespace

std::span<const Setting> settings() { return kSettings; }

bool is_secret(const Setting& setting) { return setting.key == kTokenKey; }

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
