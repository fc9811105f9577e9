// The driver behind Upstream for clients' questions: UDP, made not to be forged (RFC 5452).
//
// Each question has a socket of its own, and with it a port that nobody can foretell, an id from
// the kernel's generator, and its name in a mix of cases that the reply must repeat (0x20). What is
// not from the server's address and port, or has another id or question, never ends a question:
// after kMaxMismatches of it the question goes over the stream, where it cannot be forged.
//
// A server that does not keep the case is asked again in lower case, and so for a while before the
// mix is tried again; where it loses that, too, it is asked over the stream; one that does not
// understand EDNS is asked again without (RFC 6891 section 7); a truncated reply is fetched over
// the stream.
//
// Without descriptors for more sockets, questions to one server share those it has.
//
// Belongs to one worker's thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/clock.h"
#include "base/slot_map.h"
#include "resolver/forward/metrics.h"
#include "resolver/forward/random_ids.h"
#include "resolver/forward/timer_queue.h"
#include "resolver/forward/udp_sockets.h"
#include "resolver/forward/upstream.h"
#include "resolver/forward/upstream_server.h"
#include "resolver/forward/upstream_tap.h"
#include "resolver/wire/query.h"
#include "resolver/wire/upstream_reply.h"

namespace meshdns::dns {

class UdpUpstream final : public Upstream {
 public:
  static constexpr unsigned kMaxMismatches = 10;
  // How long a server that lost the case is asked in lower case.
  static constexpr std::chrono::minutes kLowerCaseHold{10};

  struct Environment {
    UdpSockets& sockets;
    TimerQueue& timers;
    RandomIds& random;
    UpstreamTap* tap = nullptr;  // nobody wants to know
  };

  // `stream` asks the same server over TCP. References outlive the upstream.
  UdpUpstream(std::unique_ptr<Upstream> stream, const Environment& environment,
              const UpstreamMetrics& metrics);
  UdpUpstream(const UdpUpstream&) = delete;
  UdpUpstream& operator=(const UdpUpstream&) = delete;
  ~UdpUpstream() override;

  [[nodiscard]] const UpstreamServer& server() const override { return stream_->server(); }
  AttemptId ask(const Query& query, std::chrono::milliseconds deadline, OnAttempt done) override;
  void cancel(AttemptId attempt) override;

 private:
  enum class Edns : std::uint8_t { kYes, kNo };
  class Attempt;
  class Port;

  // Sends it from a port of its own; without success it ends at once, though not from within.
  void send(Attempt& attempt);
  [[nodiscard]] Port* take_port();
  void leave_port(Attempt& attempt);
  void go_to_stream(Attempt& attempt);

  void on_datagram(Port& port, std::span<const std::uint8_t> datagram);
  void on_mismatch(const Port& port);
  void on_reply(Attempt& attempt, std::span<const std::uint8_t> reply);
  void on_header_alone(Attempt& attempt);
  void on_error(const Port& port);
  void on_due(Attempt& attempt);
  void finish(Attempt& attempt, AttemptResult result);

  // Whether to mix the case of the next question.
  [[nodiscard]] bool keeps_case() const;
  void note_answer(const Attempt& attempt);

  std::unique_ptr<Upstream> stream_;
  Environment environment_;
  UpstreamMetrics metrics_;
  SlotMap<Attempt> attempts_;
  std::vector<std::unique_ptr<Port>> ports_;       // in use
  std::vector<std::unique_ptr<Port>> idle_ports_;  // for the next questions
  TimePoint lower_case_until_{};
  // When the first question in mixed case was sent since the last answer; nothing where none was.
  std::optional<TimePoint> unheard_since_;
  std::chrono::nanoseconds usual_{0};  // that answers to mixed case take, the slower ones of late
  unsigned lower_after_mixed_ = 0;     // answers in lower case alone, where mixed ones went unheard
};

}  // namespace meshdns::dns
