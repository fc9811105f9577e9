// What the rules are probed against: both programs, a few services, and an upstream whose replies
// are known.
#pragma once

#include <optional>

#include <sys/types.h>

#include "tests/support/programs.h"
#include "tests/support/scripted_upstream.h"

namespace meshdns::conformance {

// Services: web, and leaf.x.y.z, so that x.y.z.mesh, y.z.mesh and z.mesh are empty non-terminals.
//
// The upstream gives any name the address 192.0.2.1, apart from these below example.:
//   nx, refused, servfail         that rcode
//   slow                          no reply
//   big                           TXT of 4,000 octets, truncated over UDP
//   opaque                        TYPE65280 whose RDATA looks like a compression pointer
//   mail                          MX whose exchange is compressed against the question
//   high-ttl                      a TTL with the top bit set
//   badvers                       the extended rcode 16
//   forged                        four replies that do not belong to the query, then the true one
//   options                       OPT with a cookie, an unknown option and padding
//   plain-only                    FORMERR without OPT to a query with OPT
//   authentic                     AD
class World {
 public:
  World();

  [[nodiscard]] SocketAddress server() const { return resolver_.dns(); }
  [[nodiscard]] const support::ScriptedUpstream& upstream() const { return upstream_; }
  // The same process as at the start: one that was started again has crashed.
  [[nodiscard]] bool server_is_running() {
    return server_pid_ && resolver_.resolver_pid() == server_pid_;
  }
  [[nodiscard]] std::string log() const { return resolver_.log(); }

 private:
  support::ScriptedUpstream upstream_;
  support::ControlPlaneProgram control_plane_;
  support::ResolverProgram resolver_;
  std::optional<pid_t> server_pid_;
};

}  // namespace meshdns::conformance
