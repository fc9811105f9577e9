#include "tests/support/peers.h"

#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "base/ip_address.h"
#include "tests/support/dns_client.h"
#include "tests/support/process.h"
#include "tests/support/programs.h"
#include "tests/support/wait_until.h"

namespace meshdns::support {

PeerServer::PeerServer() : port_(free_port()) {}

SocketAddress PeerServer::address() const { return loopback(port_); }

void PeerServer::start(const ProcessOptions& options) {
  process_ = std::make_unique<Process>(options);
  constexpr std::chrono::milliseconds kOneTry{500};
  const bool up = wait_until([&] {
    return ask(address(), {.name = "version.bind", .type = "TXT"}, DnsTransport::kUdp, kOneTry)
               .has_value() ||
           !process_->is_running();
  });
  if (!up || !process_->is_running()) {
    throw std::runtime_error(options.argv.front() + " did not start: " +
                             process_->standard_output() + process_->standard_error());
  }
}

std::unique_ptr<PeerServer> PeerServer::unbound(const std::string& lines,
                                                const std::string& clauses) {
  std::unique_ptr<PeerServer> server(new PeerServer());
  const std::string path =
      server->folder_.write("unbound.conf", fmt::format("server:\n"
                                                        "  interface: 127.0.0.1@{}\n"
                                                        "  do-daemonize: no\n"
                                                        "  username: \"\"\n"
                                                        "  chroot: \"\"\n"
                                                        "  pidfile: \"\"\n"
                                                        "  use-syslog: no\n"
                                                        "  module-config: \"iterator\"\n"
                                                        "  do-not-query-localhost: no\n"
                                                        "{}\n"
                                                        "{}\n"
                                                        "remote-control:\n"
                                                        "  control-enable: no\n",
                                                        server->port_, lines, clauses));
  server->start({.argv = {"/usr/sbin/unbound", "-c", path}});
  return server;
}

std::unique_ptr<PeerServer> PeerServer::knot(const std::vector<ZoneFile>& zones) {
  std::unique_ptr<PeerServer> server(new PeerServer());
  std::string config = fmt::format(
      "server:\n"
      "  listen: 127.0.0.1@{}\n"
      "  rundir: {}\n"
      "database:\n"
      "  storage: {}\n"
      "log:\n"
      "  - target: stderr\n"
      "    any: info\n"
      "zone:\n",
      server->port_, server->folder_.path(), server->folder_.path());
  for (const ZoneFile& zone : zones) {
    const std::string path = server->folder_.write(zone.zone + ".zone", zone.text);
    config += fmt::format("  - domain: {}\n    file: {}\n", zone.zone, path);
  }
  server->start({.argv = {"/usr/sbin/knotd", "-c", server->folder_.write("knot.conf", config)}});
  return server;
}

std::unique_ptr<PeerServer> PeerServer::dnsmasq(const SocketAddress& server_address) {
  std::unique_ptr<PeerServer> server(new PeerServer());
  server->start({.argv = {"/usr/sbin/dnsmasq", "--no-daemon", "--no-resolv", "--no-hosts",
                          "--conf-file=/dev/null", "--pid-file=", "--listen-address=127.0.0.1",
                          "--bind-interfaces", fmt::format("--port={}", server->port_),
                          fmt::format("--server={}#{}", server_address.ip.to_string(),
                                      server_address.port)}});
  return server;
}

}  // namespace meshdns::support
