#include "discovery/control/run_flags.h"

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/log.h"
#include "base/utf8.h"
#include "discovery/control/api_server.h"
#include "discovery/control/control_plane.h"
#include "discovery/control/envoy_resources.h"
#include "discovery/control/xds_access.h"
#include "discovery/dns_name.h"

namespace meshdns::discovery {
namespace {

void add_access_flags(CLI::App& verb, XdsAccess::Options& access) {
  verb.add_option("--tls-cert-file", access.tls.certificate,
                  "serve xDS over TLS with this certificate (PEM, its chain behind it); watched")
      ->envname("MESHDNS_CP_TLS_CERT_FILE");
  verb.add_option("--tls-key-file", access.tls.key, "the certificate's key (PEM); watched")
      ->envname("MESHDNS_CP_TLS_KEY_FILE");
  verb.add_option("--tls-client-ca-file", access.tls.client_ca,
                  "clients show a certificate that one of these has signed (PEM); watched")
      ->envname("MESHDNS_CP_TLS_CLIENT_CA_FILE");
  verb.add_flag("--allow-plaintext", access.allow_plaintext,
                "serve xDS without TLS to other hosts, too")
      ->envname("MESHDNS_CP_ALLOW_PLAINTEXT");
  verb.add_option_function<std::string>(
          "--auth",
          [&access](const std::string& word) {
            access.auth = word == "token" ? ClientAuth::kToken : ClientAuth::kNone;
          },
          "what clients have to show besides: a token of `meshdns-cp token`, or none; token with "
          "TLS, none without, unless given")
      ->check(CLI::IsMember({"none", "token"}))
      ->envname("MESHDNS_CP_AUTH");
}

// Who gives services their addresses, and what Envoys get to serve them.
void add_listener_flags(CLI::App& verb, ControlPlane::Options& options) {
  static const std::map<std::string, std::optional<ListenerBinding>> kBindings = {
      {"none", std::nullopt},
      {"bound", ListenerBinding::kBound},
      {"redirected", ListenerBinding::kRedirected}};
  verb.add_option_function<std::string>(
          "--listeners",
          [&options](const std::string& word) { options.listeners = kBindings.at(word); },
          "listeners for Envoys on virtual addresses, which are then given here and not by "
          "resolvers: bound to the address, or reached by redirection to one port")
      ->check(CLI::IsMember(kBindings))
      ->default_str("none")
      ->envname("MESHDNS_CP_LISTENERS");
  verb.add_flag("--name-tables", options.name_tables,
                "serve each mesh's names as a name table, too, for clients of Istio's NDS")
      ->envname("MESHDNS_CP_NAME_TABLES");
  verb.add_option("--vip-pool", options.vip_pool,
                  "IPv4 pool of virtual addresses, with --listeners")
      ->capture_default_str()
      ->envname("MESHDNS_CP_VIP_POOL");
  verb.add_option("--vip-pool-ipv6", options.vip_pool_ipv6,
                  "IPv6 pool of virtual addresses, with --listeners; none unless given")
      ->envname("MESHDNS_CP_VIP_POOL_IPV6");
  verb.add_option(
          "--redirect-port", options.redirect_port,
          "port on loopback that connections are redirected to, with --listeners redirected")
      ->capture_default_str()
      ->check(CLI::Range(1, 65535))
      ->envname("MESHDNS_CP_REDIRECT_PORT");
}

void add_api_flags(CLI::App& verb, ApiServer::Options& api) {
  verb.add_option("--api", api.listen,
                  "the API, ADDRESS:PORT, or off; it asks nobody who they are, so whoever reaches "
                  "the address can change the mesh")
      ->capture_default_str()
      ->envname("MESHDNS_CP_API");
  verb.add_flag("--allow-remote-api", api.allow_remote,
                "listen for the API on an address that other hosts reach, too")
      ->envname("MESHDNS_CP_ALLOW_REMOTE_API");
}

// Resolvers refuse all endpoints of a service of which one has another zone.
std::string fault_of_zone(std::string_view zone) {
  const bool is_fine = zone.size() <= kMaxNameOctets && is_utf8(zone);
  return is_fine ? "" : fmt::format("a zone is UTF-8 of at most {} octets", kMaxNameOctets);
}

}  // namespace

void add_run_flags(CLI::App& verb, ControlPlane::Options& options, LogOptions& log) {
  verb.add_option("--dataplanes", options.dataplanes,
                  "folder of Dataplane files (*.yaml, *.yml), watched for changes")
      ->required()
      ->envname("MESHDNS_CP_DATAPLANES");
  verb.add_option("--listen", options.listen,
                  "xDS over gRPC, ADDRESS:PORT; port 0 takes a free one")
      ->capture_default_str()
      ->envname("MESHDNS_CP_LISTEN");
  verb.add_option("--admin", options.admin,
                  "admin HTTP: /healthz /readyz /metrics /streams /vips, ADDRESS:PORT")
      ->capture_default_str()
      ->envname("MESHDNS_CP_ADMIN");
  verb.add_option("--zone", options.zone, "zone of inbounds without kuma.io/zone")
      ->capture_default_str()
      ->check([](const std::string& zone) { return fault_of_zone(zone); })
      ->envname("MESHDNS_CP_ZONE");
  verb.add_option_function<unsigned>(
          "--deregistration-delay",
          [&options](unsigned seconds) {
            options.deregistration_delay = std::chrono::seconds(seconds);
          },
          "seconds that a Dataplane which registered itself stays when its stream has ended")
      ->default_str("10")
      ->check(CLI::Range(0, 86'400))
      ->envname("MESHDNS_CP_DEREGISTRATION_DELAY");
  verb.add_option("--state-dir", options.state_dir,
                  "folder for what must outlive the process; made when there is a need")
      ->capture_default_str()
      ->envname("MESHDNS_CP_STATE_DIR");
  add_access_flags(verb, options.access);
  add_listener_flags(verb, options);
  add_api_flags(verb, options.api);
  verb.add_option("--port-file", options.port_file,
                  R"(write the ports taken to this file: {"xds":N,"admin":N,"api":N})")
      ->envname("MESHDNS_CP_PORT_FILE");
  verb.add_option("--log-level", log.level, "debug, info, warn, error or off")
      ->capture_default_str()
      ->envname("MESHDNS_CP_LOG_LEVEL");
  verb.add_flag_callback(
          "--log-json", [&log] { log.format = LogFormat::kJson; }, "log lines as JSON")
      ->envname("MESHDNS_CP_LOG_JSON");
}

}  // namespace meshdns::discovery
