// A plain DNS client: octets over UDP or TCP sockets, and replies that ldns decodes. Nothing of the
// resolver's own code takes part, so it is a judge of it.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/ip_address.h"
#include "base/unique_fd.h"
#include "tests/support/ldns_judge.h"
#include "tests/support/wait_until.h"

namespace meshdns::support {

struct DnsQuestion {
  std::string name;        // presentation form
  std::string type = "A";  // as ldns spells it
  bool edns = true;        // an OPT record with the size below
  std::uint16_t udp_payload_octets = 1232;
  bool recursion_desired = true;
  std::uint16_t id = 0;  // 0: one that differs from question to question
};

// One reply, decoded by ldns.
class DnsReply {
 public:
  // Nothing when ldns finds the octets malformed.
  [[nodiscard]] static std::optional<DnsReply> decode(std::span<const std::uint8_t> octets);

  [[nodiscard]] const JudgedMessage& message() const { return message_; }
  [[nodiscard]] const std::vector<std::uint8_t>& octets() const { return octets_; }
  [[nodiscard]] std::string rcode() const;  // "NOERROR", "NXDOMAIN", ...
  // What follows the type in each answer of `type`.
  [[nodiscard]] std::vector<std::string> answer_data(const std::string& type) const;
  // The code of the extended error (RFC 8914 section 4); -1 without one.
  [[nodiscard]] int extended_error_code() const;

 private:
  JudgedMessage message_;
  std::vector<std::uint8_t> octets_;
};

enum class DnsTransport : std::uint8_t { kUdp, kTcp };

// The octets of a query.
[[nodiscard]] std::vector<std::uint8_t> encode(const DnsQuestion& question);

// Asks once; nothing when no well-formed reply to this very question came within `bound`. A UDP
// reply counts only when it comes from the address that was asked.
[[nodiscard]] std::optional<DnsReply> ask(const SocketAddress& server, const DnsQuestion& question,
                                          DnsTransport transport = DnsTransport::kUdp,
                                          std::chrono::milliseconds bound = kHangBound);

// The pieces, for tests that keep a socket. Every call blocks until `bound`.
[[nodiscard]] UniqueFd connect_socket(const SocketAddress& server, DnsTransport transport);
// A listening TCP socket or a bound UDP one; throws std::system_error.
[[nodiscard]] UniqueFd bind_socket(const SocketAddress& address, DnsTransport transport);
[[nodiscard]] std::uint16_t port_of(int socket);
// A port of 127.0.0.1 that is free for UDP and TCP at this moment, below those that the kernel
// gives to outgoing connections (ip_local_port_range), so that none of them takes it meanwhile.
[[nodiscard]] std::uint16_t free_port();

[[nodiscard]] bool send_message(int socket, DnsTransport transport,
                                std::span<const std::uint8_t> octets);
// A reply. The test fails when ldns finds it malformed, and it goes to log_reply().
[[nodiscard]] std::optional<std::vector<std::uint8_t>> receive_message(
    int socket, DnsTransport transport, std::chrono::milliseconds bound = kHangBound);
// The same for what is no reply of ours: queries, and servers that break rules.
[[nodiscard]] std::optional<std::vector<std::uint8_t>> receive_octets(
    int socket, DnsTransport transport, std::chrono::milliseconds bound = kHangBound);

}  // namespace meshdns::support
