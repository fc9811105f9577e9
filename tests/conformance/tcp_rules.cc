// DNS over TCP.
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <sys/socket.h>

#include "base/unique_fd.h"
#include "tests/conformance/broken_server.h"
#include "tests/conformance/rule.h"
#include "tests/conformance/visit.h"
#include "tests/support/dns_client.h"
#include "tests/support/dns_message.h"
#include "tests/support/scripted_upstream.h"

namespace meshdns::conformance {
namespace {

using support::connect_socket;
using support::make_query;
using support::MessageBytes;
using support::send_message;

constexpr unsigned kA = 1;
constexpr int kPipelined = 60;

// A message with its length (RFC 1035 section 4.2.2).
Octets frame(const Octets& message) {
  return MessageBytes().u16(static_cast<unsigned>(message.size())).octets(message).bytes();
}

bool send_octets(int socket, const Octets& octets) {
  return ::send(socket, octets.data(), octets.size(), MSG_NOSIGNAL) ==
         static_cast<ssize_t>(octets.size());
}

// Whether the peer ends the connection, once what it sends has been read.
bool ends(Visit& visit, int socket) {
  const auto deadline = std::chrono::steady_clock::now() + visit.patience();
  while (std::chrono::steady_clock::now() < deadline) {
    if (!visit.receive(socket, DnsTransport::kTcp, std::chrono::milliseconds(200))) {
      char octet = 0;
      const auto count = ::recv(socket, &octet, 1, MSG_DONTWAIT | MSG_PEEK);
      if (count == 0 || (count < 0 && errno != EAGAIN)) {
        return true;
      }
    }
  }
  return false;
}

void serves_tcp(Visit& visit) {
  for (const char* const name : {"web.mesh", "nope.mesh", "www.example"}) {
    if (!visit.exchange(make_query(name, kA), DnsTransport::kTcp)) {
      return;
    }
  }
}

void pipelining(Visit& visit) {
  const UniqueFd socket = connect_socket(visit.server(), DnsTransport::kTcp);
  Octets segment;
  for (int i = 0; i < kPipelined; ++i) {
    const Octets next = frame(make_query(i % 2 == 0 ? "web.mesh" : "www.example", kA,
                                         {.id = static_cast<std::uint16_t>(i)}));
    segment.insert(segment.end(), next.begin(), next.end());
  }
  visit.expect(send_octets(socket.get(), segment), "the queries could not be sent");
  std::set<unsigned> answered;
  while (answered.size() < kPipelined) {
    const auto octets = visit.receive(socket.get(), DnsTransport::kTcp);
    const auto reply = octets ? DnsReply::decode(*octets) : std::nullopt;
    if (!reply) {
      break;
    }
    visit.expect(answered.insert(reply->message().id).second, "one query was answered twice");
  }
  visit.expect(answered.size() == kPipelined,
               fmt::format("{} of {} were answered", answered.size(), kPipelined));
}

void out_of_order(Visit& visit) {
  const UniqueFd socket = connect_socket(visit.server(), DnsTransport::kTcp);
  (void)send_message(socket.get(), DnsTransport::kTcp, make_query("slow.example", kA, {.id = 1}));
  (void)send_message(socket.get(), DnsTransport::kTcp, make_query("web.mesh", kA, {.id = 2}));
  const auto octets = visit.receive(socket.get(), DnsTransport::kTcp);
  const auto reply = octets ? DnsReply::decode(*octets) : std::nullopt;
  visit.expect(reply && reply->message().id == 2, "a slow query holds up the next");
}

void half_close(Visit& visit) {
  for (const char* const name : {"web.mesh", "www.example"}) {
    const UniqueFd socket = connect_socket(visit.server(), DnsTransport::kTcp);
    (void)send_message(socket.get(), DnsTransport::kTcp, make_query(name, kA));
    ::shutdown(socket.get(), SHUT_WR);
    visit.expect(visit.receive(socket.get(), DnsTransport::kTcp).has_value(),
                 "no reply after the client ended its side");
  }
}

void frame_in_pieces(Visit& visit) {
  const UniqueFd socket = connect_socket(visit.server(), DnsTransport::kTcp);
  for (const std::uint8_t octet : frame(make_query("web.mesh", kA))) {
    visit.expect(send_octets(socket.get(), {octet}), "the connection was closed");
  }
  visit.expect(visit.receive(socket.get(), DnsTransport::kTcp).has_value(),
               "a query that came octet by octet is not answered");
}

void closes_idle(Visit& visit) {
  const UniqueFd idle = connect_socket(visit.server(), DnsTransport::kTcp);
  const UniqueFd half = connect_socket(visit.server(), DnsTransport::kTcp);
  (void)send_octets(half.get(), {0, 40, 1});
  visit.expect(ends(visit, idle.get()), "an idle connection stays open");
  visit.expect(ends(visit, half.get()), "a connection with half a frame stays open");
}

void closes_dripping(Visit& visit) {
  const UniqueFd socket = connect_socket(visit.server(), DnsTransport::kTcp);
  const Octets octets = frame(Octets(4000, 0));
  const auto deadline = std::chrono::steady_clock::now() + visit.patience();
  for (std::size_t i = 0; std::chrono::steady_clock::now() < deadline; ++i) {
    if (!send_octets(socket.get(), {octets[i]})) {
      return;  // Closed.
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(250));
  }
  visit.expect(false, "a frame may take for ever");
}

void unread_output(Visit& visit) {
  constexpr int kUnread = 20'000;
  const UniqueFd socket = connect_socket(visit.server(), DnsTransport::kTcp);
  const timeval wait{.tv_sec = 0, .tv_usec = 200'000};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
  const Octets query = frame(make_query("web.mesh", kA));
  for (int i = 0; i < kUnread && send_octets(socket.get(), query); ++i) {
  }
  for (const auto transport : {DnsTransport::kUdp, DnsTransport::kTcp}) {
    (void)visit.exchange(make_query("web.mesh", kA), transport);
  }
}

void many_connections(Visit& visit) {
  std::vector<UniqueFd> connections;
  for (int i = 0; i < 1000; ++i) {
    connections.push_back(connect_socket(visit.server(), DnsTransport::kTcp));
    if (i % 2 == 0) {
      (void)send_octets(connections.back().get(), {0, 40, 1});
    }
  }
  for (int i = 0; i < 20 && visit.findings().empty(); ++i) {
    (void)visit.exchange(make_query("web.mesh", kA));
  }
}

void bad_keepalive(Visit& visit) {
  MessageBytes query;
  query.header(9, 0x0100, 1, 0, 0, 1).question("web.mesh", kA);
  query.opt(1232, 0, Octets{0, 11, 0, 2, 0, 100});
  (void)visit.expect_rcode(query.bytes(), 1, DnsTransport::kTcp);
}

// Answers only the first query of each 50 ms.
Breakage answers_the_first() {
  return [last = std::make_shared<std::chrono::steady_clock::time_point>()](
             const Behind& behind, const support::UpstreamQuery& query) {
    std::vector<Octets> replies;
    if (std::chrono::steady_clock::now() - *last > std::chrono::milliseconds(50)) {
      if (auto reply = behind.ask(behind.server, query)) {
        replies.push_back(*reply);
      }
    }
    *last = std::chrono::steady_clock::now();
    return replies;
  };
}

// Waits for each reply before it takes the next query, and gives up on none.
Breakage keeps_order() {
  return [](const Behind& behind, const support::UpstreamQuery& query) {
    auto reply = behind.ask(behind.server, query);
    return std::vector<Octets>{reply.has_value() ? *reply : query.octets};
  };
}

}  // namespace

std::vector<Rule> tcp_rules() {
  return {
      {"ServesTcp", "Every query may come over TCP.", "RFC 7766 section 5", Verdict::kMust,
       serves_tcp, ignores_tcp()},
      {"TakesPipelinedQueries", "Queries that follow each other without waiting are all answered.",
       "RFC 7766 section 6.2.1.1", Verdict::kMust, pipelining, answers_the_first()},
      {"AnswersOutOfOrder", "A query that takes long does not hold up those after it.",
       "RFC 7766 section 6.2.1.1", Verdict::kShould, out_of_order, keeps_order()},
      {"AnswersAfterHalfClose", "A client that has ended its side still gets its replies.",
       "RFC 7766 section 6.2.4", Verdict::kMust, half_close, ignores_tcp()},
      {"TakesFramesInPieces", "A message may come in any number of segments.", "RFC 7766 section 8",
       Verdict::kMust, frame_in_pieces, ignores_tcp()},
      {"ClosesIdleConnections", "A connection on which nothing happens for seconds is closed.",
       "RFC 7766 section 6.2.3", Verdict::kShould, closes_idle, is_silent()},
      {"ClosesDrippingConnections", "A message that does not get whole within seconds ends it.",
       "RFC 9210 section 4.3", Verdict::kShould, closes_dripping, is_silent()},
      {"DoesNotWaitForReaders", "A client that does not read holds up nobody else.",
       "RFC 9210 section 4.3", Verdict::kShould, unread_output, is_silent()},
      {"AnswersUdpBesideManyConnections", "1,000 idle connections leave UDP answered.",
       "RFC 9210 section 4.2", Verdict::kShould, many_connections, is_silent()},
      {"RejectsAKeepaliveWithATimeout", "A query's keepalive option has no timeout, else FORMERR.",
       "RFC 7828 section 3.2.1", Verdict::kMust, bad_keepalive, says_rcode(0)},
  };
}

}  // namespace meshdns::conformance
