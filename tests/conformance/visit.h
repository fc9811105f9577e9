// One run of a rule's probe against one server, over sockets: what it may ask, and what it found.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ip_address.h"
#include "tests/support/dns_client.h"
#include "tests/support/dns_message.h"
#include "tests/support/scripted_upstream.h"

namespace meshdns::conformance {

using support::DnsReply;
using support::DnsTransport;
using support::Octets;

class Visit {
 public:
  // `upstream` is where the server forwards to, and outlives the visit. `patience` is how long a
  // reply, or the end of a connection, may take.
  Visit(const SocketAddress& server, const support::ScriptedUpstream& upstream,
        std::chrono::milliseconds patience);

  // A finding unless `kept`.
  void expect(bool kept, std::string_view what);
  [[nodiscard]] const std::vector<std::string>& findings() const { return findings_; }

  // The next reply on a socket; a finding when ldns cannot read it.
  std::optional<Octets> receive(int socket, DnsTransport transport);
  std::optional<Octets> receive(int socket, DnsTransport transport,
                                std::chrono::milliseconds bound);
  // All that receive() gave.
  [[nodiscard]] const std::vector<Octets>& replies() const { return replies_; }
  // Sends one message on a socket of its own. Nothing, and a finding, when no reply comes that ldns
  // can read.
  std::optional<DnsReply> exchange(const Octets& query,
                                   DnsTransport transport = DnsTransport::kUdp);
  // Whether the message gets no reply: a good query that follows it on the same socket gets the
  // first. Over TCP an end of the connection is silence, too.
  [[nodiscard]] bool is_ignored(const Octets& message, DnsTransport transport = DnsTransport::kUdp);
  // exchange(), and a finding unless the rcode, EDNS's upper bits included, is this one.
  std::optional<DnsReply> expect_rcode(const Octets& query, unsigned rcode,
                                       DnsTransport transport = DnsTransport::kUdp);

  [[nodiscard]] const SocketAddress& server() const { return server_; }
  [[nodiscard]] std::chrono::milliseconds patience() const { return patience_; }
  // What the upstream was asked for `name` ("www.example.") since the visit began.
  [[nodiscard]] std::vector<support::UpstreamQuery> forwarded(std::string_view name) const;

 private:
  SocketAddress server_;
  const support::ScriptedUpstream& upstream_;
  std::chrono::milliseconds patience_;
  std::size_t upstream_queries_before_;
  std::vector<std::string> findings_;
  std::vector<Octets> replies_;
};

// The rcode with the upper bits that OPT carries (RFC 6891 section 6.1.3).
[[nodiscard]] unsigned full_rcode(const support::JudgedMessage& message);

}  // namespace meshdns::conformance
