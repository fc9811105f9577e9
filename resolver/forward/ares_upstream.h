// The first driver behind Upstream: c-ares on the worker's io_context. UDP, then TCP when the reply
// is truncated; EDNS with 1232 octets, then without when the server refuses it (RFC 6891 section
// 7).
//
// Source ports: c-ares keeps one per channel while the channel is busy, so questions are spread
// over a pool of channels, and one is left alone to drain, and so to get a new port, after
// kQuestionsPerPort questions. Below kMaxChannels questions at a time each question has its own
// port.
//
// TCP: each question has a connection of its own, so that a server that closes after one answer, or
// resets, fails nobody else's. At most kMaxConnections at a time; others wait for one, within their
// deadline.
#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <list>
#include <memory>
#include <vector>

#include "base/ip_address.h"
#include "base/socket_layer.h"
#include "resolver/forward/ares_channel.h"
#include "resolver/forward/metrics.h"
#include "resolver/forward/random_ids.h"
#include "resolver/forward/upstream.h"
#include "resolver/wire/query.h"

namespace boost::asio {
class io_context;
}

namespace meshdns::dns {

class AresUpstream final : public Upstream {
 public:
  static constexpr std::size_t kMaxChannels = 16;  // of some 70 KiB each, made as needed
  static constexpr std::size_t kQuestionsPerPort = 64;
  static constexpr std::size_t kMaxConnections = 32;  // as large, given back when idle

  // `longest_attempt` bounds the deadlines that ask() will be given.
  AresUpstream(const SocketAddress& server, std::chrono::milliseconds longest_attempt,
               boost::asio::io_context& io, SocketLayer& sockets, const UpstreamMetrics& metrics);
  AresUpstream(const AresUpstream&) = delete;
  AresUpstream& operator=(const AresUpstream&) = delete;
  ~AresUpstream() override;

  [[nodiscard]] const SocketAddress& server() const override { return server_; }
  void ask(const Query& query, std::chrono::milliseconds deadline, OnAttempt done) override;

 private:
  class Attempt;
  struct ExpiryTimer;
  using ChannelPool = std::vector<std::unique_ptr<AresChannel>>;

  void send(const std::shared_ptr<Attempt>& attempt, Edns edns);
  void send_over_tcp(const std::shared_ptr<Attempt>& attempt);
  // Writes the question and hands it to c-ares.
  void write(const std::shared_ptr<Attempt>& attempt, AresChannel& channel);
  [[nodiscard]] AresChannel& pick_channel(Edns edns);
  // Null when all connections are in use.
  [[nodiscard]] AresChannel* pick_connection();
  // Gives connections to those who wait for one.
  void serve_waiting();
  void on_reply(const std::shared_ptr<Attempt>& attempt, const ChannelReply& reply);
  void complete(const std::shared_ptr<Attempt>& attempt, AttemptResult result);
  void arm_expiry();
  void expire();

  SocketAddress server_;
  std::chrono::milliseconds longest_attempt_;
  boost::asio::io_context& io_;
  SocketLayer& sockets_;
  UpstreamMetrics metrics_;
  RandomIds ids_;
  std::list<std::shared_ptr<Attempt>> attempts_;  // open ones
  ChannelPool edns_channels_;
  ChannelPool plain_channels_;
  ChannelPool connections_;
  std::deque<std::shared_ptr<Attempt>> waiting_;  // for a connection
  std::shared_ptr<ExpiryTimer> expiry_;
};

}  // namespace meshdns::dns
