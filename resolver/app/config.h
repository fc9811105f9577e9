// What the resolver runs by: every setting as a plain value, with its default.
//
// A Config comes from load_config() (config_loader.h), which merges flags, environment, file and
// defaults and checks the whole. docs/CONFIGURATION.md describes each key for users.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/ip_address.h"
#include "base/log.h"
#include "discovery/service.h"
#include "resolver/answer/special_names.h"
#include "resolver/app/route_text.h"
#include "resolver/cache/answer_cache.h"
#include "resolver/forward/upstream_server.h"
#include "resolver/snapshot/port_lists.h"

namespace meshdns::dns {

enum class Mode : std::uint8_t { kSidecar, kVm };

// What an unusable state folder means at start.
enum class StatePolicy : std::uint8_t {
  kRequired,    // the program does not start
  kBestEffort,  // leases live in memory: warned about, visible in /readyz and a gauge
};

// How names stand in the query log.
enum class QueryLogNames : std::uint8_t {
  kEscaped,
  kHashed,  // who reads it learns which are equal, and no more
};

struct Config {
  Config();  // every default, the addresses included

  Mode mode = Mode::kSidecar;
  std::string instance = "default";  // names the state folder; letters, digits, '.', '_', '-'

  std::vector<SocketAddress> listen;  // UDP and TCP each
  // Nobody chose `listen`: an address that the host lacks (::1, say) is then no error.
  bool listen_is_default = true;
  std::vector<IpPrefix> allow;  // clients beyond loopback and the host itself
  unsigned workers = 1;         // 0: as many as the CPUs this process may use
  std::string user;             // whom root becomes once its sockets are bound; empty: nobody
  std::chrono::milliseconds watchdog{3'000};  // of the supervisor; 0: none

  std::string mesh = "default";
  std::string zone;                        // where this resolver runs, told to the control plane
  std::vector<std::string> zones{"mesh"};  // DNS zones answered here and nowhere else
  std::chrono::seconds ttl{30};
  discovery::Answers answers = discovery::Answers::kVip;  // of services that do not say
  bool instance_names = false;  // INSTANCE.HOSTNAME for each endpoint: the endpoints are subscribed
  HttpsRecords https_records = HttpsRecords::kTlsPorts;

  // What comes before every feed; see StaticRecords.
  struct Records {
    std::vector<std::string> zone_files;
    std::vector<std::string> hosts_files;
  } records;

  struct Upstreams {
    std::string resolv_conf = "/etc/resolv.conf";
    std::vector<UpstreamServer> servers;      // when there are any, resolv_conf is not read
    std::chrono::milliseconds timeout{1500};  // of one attempt at one server
    std::vector<ConfiguredGroup> groups;      // names are unique
    std::vector<ConfiguredRoute> routes;      // suffixes are unique, groups exist
  } upstreams;

  CacheOptions cache;  // of answers of upstream

  SpecialNames::Options special_names;

  struct Vip {
    IpPrefix ipv4_pool;
    bool ipv6 = false;  // IPv6 VIPs are given only where something intercepts them
    IpPrefix ipv6_pool;
    std::chrono::milliseconds quarantine{std::chrono::minutes(5)};
  } vip;

  struct State {
    std::string directory;              // load_config() puts the default of `instance` here
    std::optional<StatePolicy> policy;  // load_config() puts the default of `mode` here
  } state;

  // How old a table may be: time since a connected control plane last confirmed it.
  struct Table {
    std::optional<std::chrono::milliseconds> stale_after{std::chrono::hours(1)};
    std::optional<std::chrono::milliseconds> expire_after;  // nothing: never
  } table;

  struct ControlPlane {
    std::string address = "127.0.0.1:5678";  // HOST:PORT or unix:PATH
    std::string node;                        // this resolver's name; load_config(): the host's
    bool tls = false;
    std::string server_name;   // in TLS; empty: the address's host
    std::string ca_cert_file;  // empty: the system's
    std::string cert_file;     // shown to the control plane; empty: none is
    std::string key_file;      // of that certificate
    std::string token_file;    // empty: none is sent
    bool allow_plaintext_token = false;
  } control_plane;

  // A file instead, where it is given: see docs/SERVICES_FILE.md.
  struct Services {
    std::string file;
  } services;
  [[nodiscard]] bool uses_file() const { return !services.file.empty(); }

  // A Kuma control plane instead, where it has an address, or a kuma-dp where it has a socket.
  struct Kuma {
    std::vector<std::string> cp_addresses;  // https://HOST:PORT, in order
    std::string name;                  // of the Dataplane; load_config(): its file's, the host's
    std::string dataplane_token;       // itself; empty: that of the file
    std::string dataplane_token_file;  // empty: none is sent
    std::string ca_cert_file;          // empty: the system's
    std::string dataplane_file;        // empty: the Dataplane is there already
    std::string dataplane;             // load_config(): what is in that file
    std::string dynamicconfig_socket;  // of a kuma-dp; empty: none is asked
    std::chrono::milliseconds dynamicconfig_interval{1'000};
    std::optional<std::uint16_t> readiness_port;
    bool readiness_for_all = false;  // beyond loopback; load_config(): in a pod
  } kuma;
  // An Istio control plane instead, where it has an address: see docs/ISTIO.md.
  struct Istio {
    std::vector<std::string> addresses;  // https://HOST:PORT or http://HOST:PORT, in order
    std::string workload;                // load_config(): the host's name
    std::string name_space = "default";
    std::string domain = "svc.cluster.local";
    std::optional<IpAddress> instance_ip;  // nothing: one of the host's
    std::string token_file;                // empty: none is sent
    std::string ca_cert_file;              // empty: the system's
    std::vector<std::string> metadata;     // KEY=VALUE
  } istio;
  [[nodiscard]] bool uses_istio() const { return !istio.addresses.empty(); }
  [[nodiscard]] bool uses_kuma_socket() const { return !kuma.dynamicconfig_socket.empty(); }
  [[nodiscard]] bool uses_kuma() const { return !kuma.cp_addresses.empty() || uses_kuma_socket(); }

  // Any control plane that speaks xDS instead, where it has a server: see docs/XDS.md.
  struct Xds {
    std::vector<std::string> servers;  // HOST:PORT or unix:PATH, in order
    std::string node_id;               // empty: control_plane.node
    std::string node_cluster = "meshdns";
    bool tls = false;
    std::string ca_cert_file;  // empty: the system's
  } xds;
  [[nodiscard]] bool uses_xds() const { return !xds.servers.empty(); }

  std::optional<SocketAddress> admin_listen;  // nothing: no admin HTTP
  LogOptions log;

  // See QueryLog.
  struct QueryLog {
    std::string file;          // "stderr" is standard error; empty: there is none
    std::uint32_t sample = 1;  // of so many responses one is logged
    QueryLogNames names = QueryLogNames::kEscaped;
  } query_log;

  // See DnstapOutput.
  struct Dnstap {
    std::string output;    // "unix:/PATH" or "/PATH"; empty: there is none
    std::string identity;  // empty: control_plane.node
  } dnstap;
};

}  // namespace meshdns::dns
