// An upstream name server whose every reply the test writes: late, truncated, wrong or none.
//
// Serves UDP and TCP on one address from a thread of its own. The script runs on that thread.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "base/ip_address.h"
#include "base/unique_fd.h"
#include "tests/support/dns_client.h"
#include "tests/support/stop_signal.h"

namespace meshdns::support {

// What came in, for a script and for assertions.
struct UpstreamQuery {
  std::vector<std::uint8_t> octets;
  DnsTransport transport = DnsTransport::kUdp;
  std::string name;  // "www.example.org."
  std::string type;
  std::uint16_t client_port = 0;
};

class ScriptedUpstream {
 public:
  using Script = std::function<std::vector<std::vector<std::uint8_t>>(const UpstreamQuery&)>;

  // Port 0: any. Each message that the script returns is sent, in order; none leaves the client
  // waiting.
  explicit ScriptedUpstream(Script script, const std::string& address = "127.0.0.1",
                            std::uint16_t port = 0);
  ScriptedUpstream(const ScriptedUpstream&) = delete;
  ScriptedUpstream& operator=(const ScriptedUpstream&) = delete;
  ~ScriptedUpstream();

  [[nodiscard]] SocketAddress address() const { return address_; }
  // Every query so far.
  [[nodiscard]] std::vector<UpstreamQuery> queries() const;
  [[nodiscard]] std::size_t count(DnsTransport transport) const;

 private:
  void serve();
  void serve_datagram();
  // Answers one message; false when the connection is over.
  [[nodiscard]] bool serve_connection(int connection);
  [[nodiscard]] std::vector<std::vector<std::uint8_t>> take(UpstreamQuery query);

  const Script script_;
  SocketAddress address_;
  UniqueFd udp_;
  UniqueFd tcp_;
  StopSignal stop_;
  mutable std::mutex mutex_;  // guards queries_
  std::vector<UpstreamQuery> queries_;
  std::thread thread_;
};

enum class Truncated : std::uint8_t { kNo, kYes };

// A reply to `query`: the rcode ("NOERROR") and records in zone file form.
[[nodiscard]] std::vector<std::uint8_t> make_reply(const UpstreamQuery& query,
                                                   const std::string& rcode,
                                                   const std::vector<std::string>& answers,
                                                   Truncated truncated = Truncated::kNo);
// A script that gives every A question this address, and NODATA to the rest.
[[nodiscard]] ScriptedUpstream::Script always_address(const std::string& address);
// A script that takes every question and never replies.
[[nodiscard]] ScriptedUpstream::Script silence();

}  // namespace meshdns::support
