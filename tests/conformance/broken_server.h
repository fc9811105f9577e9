// Servers that break a rule on purpose. They stand between a probe and the real server, so that
// everything else about them is right.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "base/ip_address.h"
#include "base/unique_fd.h"
#include "tests/support/dns_message.h"
#include "tests/support/scripted_upstream.h"

namespace meshdns::conformance {

using support::Octets;

// What a broken server can turn to.
struct Behind {
  SocketAddress server;    // the real one
  SocketAddress upstream;  // where it forwards to

  // Asks once over the transport that the query came by; nothing when no reply comes at once.
  [[nodiscard]] std::optional<Octets> ask(const SocketAddress& address,
                                          const support::UpstreamQuery& query) const;
};

// The messages that go back for a query.
using Breakage =
    std::function<std::vector<Octets>(const Behind& behind, const support::UpstreamQuery& query)>;

// Changes each reply of the real server.
[[nodiscard]] Breakage edits_reply(std::function<void(Octets& reply)> edit);
// Changes each query on its way to the real server.
[[nodiscard]] Breakage edits_query(std::function<void(Octets& query)> edit);
// Sets bits of the octet at `offset` of each reply, or clears them.
[[nodiscard]] Breakage sets_bits(std::size_t offset, unsigned bits);
[[nodiscard]] Breakage clears_bits(std::size_t offset, unsigned bits);
// Puts this rcode into each reply's header.
[[nodiscard]] Breakage says_rcode(unsigned rcode);
// Sends each query on to the upstream, octet for octet, and its first reply back: what a packet
// filter does, and no DNS forwarder may.
[[nodiscard]] Breakage copies_packets();
// The same, after a change of the query.
[[nodiscard]] Breakage copies_packets(std::function<void(Octets& query)> edit);
// Turns every message into a reply, whatever it is.
[[nodiscard]] Breakage answers_everything();
// Answers over UDP only.
[[nodiscard]] Breakage ignores_tcp();
// Never answers, never closes.
[[nodiscard]] Breakage is_silent();

// Serves a breakage on a port of 127.0.0.1, over UDP and TCP.
class BrokenServer {
 public:
  BrokenServer(const Breakage& breakage, const Behind& behind);
  [[nodiscard]] SocketAddress address() const { return server_.address(); }

 private:
  support::ScriptedUpstream server_;
};

}  // namespace meshdns::conformance
