// The driver behind Upstream that keeps one connection to its server, over TCP or TLS, and has many
// questions on it at once, answered in any order (RFC 7766 section 6.2.1.1, RFC 7858 section 3.4).
//
// A connection that dies takes no question with it: each is asked once more on a new one. So it is
// with one that says nothing although something was asked (stream_patience.h), or nothing that
// answers a question, or that does not come about: that is no slow answer but a server, or a way to
// it, that is gone. A question that was on two of them has met a network error. A connection that
// the server closed after it had answered on it does not count: the server may take so many
// questions on a connection and no more (RFC 7766 section 6.2.3), and hardly more are sent on the
// next. An idle connection is closed.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>

#include "base/clock.h"
#include "base/log.h"
#include "resolver/forward/metrics.h"
#include "resolver/forward/random_ids.h"
#include "resolver/forward/stream_connection.h"
#include "resolver/forward/stream_patience.h"
#include "resolver/forward/timer_queue.h"
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

  struct Environment {
    boost::asio::io_context& io;
    TimerQueue& timers;
    Logger& log;
    UpstreamTap* tap = nullptr;  // nobody wants to know
  };

  // Over TLS where the server has it, else over TCP. References outlive the upstream.
  StreamUpstream(PreparedServer server, const Environment& environment,
                 const UpstreamMetrics& metrics);
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
  // One of ours; runs a function of ours.
  class Alarm final : public TimerQueue::Timer {
   public:
    Alarm(StreamUpstream& upstream, void (StreamUpstream::*handle)())
        : Timer(upstream.environment_.timers), upstream_(upstream), handle_(handle) {}
    void on_due() override { (upstream_.*handle_)(); }

   private:
    StreamUpstream& upstream_;
    void (StreamUpstream::*handle_)();
  };
  enum class Ending : std::uint8_t { kClosed, kSilent };

  void on_accepted() override;
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
  // From now on the server is to say something.
  void expect_something(std::chrono::nanoseconds within);
  void on_silence();
  void note_failure(const std::string& reason);
  void note_message();
  void drop_connection();
  // Its questions are asked again, or have failed.
  void lose_connection(Ending ending);
  void close_when_idle();
  void on_idle();
  [[nodiscard]] bool is_idle() const { return waiting_.empty() && asked_.empty(); }

  PreparedServer server_;
  Environment environment_;
  UpstreamMetrics metrics_;
  RandomIds ids_;
  StreamPatience patience_;
  std::shared_ptr<StreamConnection> connection_;  // null while nothing is asked
  AttemptId last_id_ = 0;
  std::unordered_map<AttemptId, AttemptPtr> open_;       // all whose `done` was not called
  std::deque<AttemptPtr> waiting_;                       // for the connection
  std::unordered_map<std::uint16_t, AttemptPtr> asked_;  // on the connection, by id
  std::size_t replies_ = 0;                              // on the connection
  std::size_t room_ = kMaxPipelined;                     // for questions on the connection
  Alarm silence_{*this, &StreamUpstream::on_silence};
  bool expects_ = false;               // it is set
  std::uint64_t received_before_ = 0;  // on the connection when it was set
  TimePoint replied_at_{};             // the last reply that answered a question
  Alarm idle_{*this, &StreamUpstream::on_idle};
  std::string last_failure_;  // said in the log, until it works again
};

}  // namespace meshdns::dns
