// The driver behind Upstream that keeps one connection to its server, over TCP or TLS, and has many
// questions on it at once, answered in any order (RFC 7766 section 6.2.1.1, RFC 7858 section 3.4).
//
// A connection that dies takes no question with it: each is asked once more on a new one. One that
// says nothing until a question's deadline is given up. An idle one is closed.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>

#include "base/log.h"
#include "resolver/forward/metrics.h"
#include "resolver/forward/random_ids.h"
#include "resolver/forward/stream_connection.h"
#include "resolver/forward/upstream.h"
#include "resolver/forward/upstream_server.h"
#include "resolver/forward/upstream_tap.h"
#include "resolver/wire/query.h"

namespace boost::asio {
class io_context;
}

namespace meshdns::dns {

class StreamUpstream final : public Upstream, private StreamConnection::Owner {
 public:
  // Questions on the connection at a time; others wait, within their deadline.
  static constexpr std::size_t kMaxPipelined = 256;

  // Over TLS where the server has it, else over TCP. References outlive the upstream.
  StreamUpstream(PreparedServer server, boost::asio::io_context& io, Logger& log,
                 const UpstreamMetrics& metrics, UpstreamTap* tap = nullptr);
  StreamUpstream(const StreamUpstream&) = delete;
  StreamUpstream& operator=(const StreamUpstream&) = delete;
  ~StreamUpstream() override;

  [[nodiscard]] const UpstreamServer& server() const override { return server_.server; }
  AttemptId ask(const Query& query, std::chrono::milliseconds deadline, OnAttempt done) override;
  void cancel(AttemptId attempt) override;
  // Why there is no connection, for people; empty while nothing is wrong.
  [[nodiscard]] const std::string& last_failure() const { return last_failure_; }

 private:
  struct Attempt;
  using AttemptPtr = std::shared_ptr<Attempt>;

  void on_ready() override;
  void on_message(std::span<const std::uint8_t> message) override;
  void on_closed(const std::string& reason) override;

  void connect();
  // Sends what waits, as far as there is room.
  void send_waiting();
  void write(const AttemptPtr& attempt);
  [[nodiscard]] MessageTransport transport() const;
  void on_deadline(const AttemptPtr& attempt);
  // Nothing is to be sent or heard for it any more.
  void withdraw(const AttemptPtr& attempt);
  void complete(const AttemptPtr& attempt, AttemptResult result);
  // Closes the connection; its questions are asked again, or have failed.
  void lose_connection();
  void close_when_idle();
  [[nodiscard]] bool is_idle() const { return waiting_.empty() && asked_.empty(); }

  // Shared with its handler, which may run after the upstream is gone.
  struct IdleTimer;

  PreparedServer server_;
  boost::asio::io_context& io_;
  Logger& log_;
  UpstreamMetrics metrics_;
  UpstreamTap* tap_;  // null: nobody wants to know
  RandomIds ids_;
  std::shared_ptr<StreamConnection> connection_;  // null while nothing is asked
  AttemptId last_id_ = 0;
  std::unordered_map<AttemptId, AttemptPtr> open_;       // all whose `done` was not called
  std::deque<AttemptPtr> waiting_;                       // for the connection
  std::unordered_map<std::uint16_t, AttemptPtr> asked_;  // on the connection, by id
  std::shared_ptr<IdleTimer> idle_timer_;
  std::string last_failure_;  // said in the log, until it works again
};

}  // namespace meshdns::dns
