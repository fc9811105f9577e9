// Name servers that we did not write, started by a test with a configuration of its own.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/ip_address.h"
#include "tests/support/process.h"
#include "tests/support/temporary_directory.h"

namespace meshdns::support {

struct ZoneFile {
  std::string zone;  // "example.org"
  std::string text;
};

// A program from Debian that serves DNS on one port of 127.0.0.1.
class PeerServer {
 public:
  // unbound; `lines` go into its server clause, e.g. `local-data: "a.example.org. A 192.0.2.1"`,
  // and `clauses` after it, e.g. a forward-zone.
  [[nodiscard]] static std::unique_ptr<PeerServer> unbound(const std::string& lines,
                                                           const std::string& clauses = "");
  // knotd, authoritative for these zones.
  [[nodiscard]] static std::unique_ptr<PeerServer> knot(const std::vector<ZoneFile>& zones);
  // dnsmasq that forwards everything to `server`.
  [[nodiscard]] static std::unique_ptr<PeerServer> dnsmasq(const SocketAddress& server);

  [[nodiscard]] SocketAddress address() const;
  [[nodiscard]] Process& process() { return *process_; }

 private:
  PeerServer();
  // Starts it and waits until it answers anything at all; throws std::runtime_error if it ends.
  void start(const ProcessOptions& options);

  TemporaryDirectory folder_;
  std::uint16_t port_;
  std::unique_ptr<Process> process_;
};

}  // namespace meshdns::support
