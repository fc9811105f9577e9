// One client's TCP connection (RFC 7766): queries as they come, answers as they are ready, in any
// order.
//
// What bounds it:
//  - It reads no further while kMaxQuestions forwarded questions are open or kPauseOctets of
//  answers
//    wait to be read, so that a client that pipelines without reading waits for itself alone.
//  - It answers no more than about kPauseOctets at a turn: others come in between.
//  - It ends when more than kMaxOutputOctets wait, since forwarded answers still arrive then.
//  - It ends when it was idle, sat on half a frame, or read none of its answers for
//    Timeouts::idle, frame or write; the frame's time counts from its first octet, so that
//    dripping does not help. Octets that are no queries do not count as activity.
// After the client's half-close what it asked is still answered.
//
// Belongs to the worker's thread. Owned by its TcpServer and by its open waits.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <vector>

#include "base/clock.h"
#include "base/ip_address.h"
#include "base/metrics.h"
#include "base/unique_fd.h"
#include "resolver/resolve/resolver.h"
#include "resolver/server/query_recorder.h"
#include "resolver/server/worker_context.h"
#include "resolver/wire/frame_reader.h"

namespace meshdns::dns {

class TcpConnection : public std::enable_shared_from_this<TcpConnection> {
 public:
  static constexpr std::size_t kMaxQuestions = 100;
  static constexpr std::size_t kPauseOctets = std::size_t{64} << 10U;
  static constexpr std::size_t kMaxOutputOctets = std::size_t{256} << 10U;

  struct Timeouts {
    std::chrono::milliseconds idle{10'000};
    std::chrono::milliseconds frame{10'000};
    std::chrono::milliseconds write{10'000};
  };
  // Told once, when the connection has ended.
  class Owner {
   public:
    Owner() = default;
    Owner(const Owner&) = delete;
    Owner& operator=(const Owner&) = delete;
    virtual ~Owner() = default;
    virtual void on_closed(TcpConnection& connection) = 0;
  };

  TcpConnection(WorkerContext& context, Owner& owner, const Timeouts& timeouts, UniqueFd socket,
                const SocketAddress& client);
  TcpConnection(const TcpConnection&) = delete;
  TcpConnection& operator=(const TcpConnection&) = delete;
  ~TcpConnection();

  void start();
  // Ends it now, unless it has ended; `reason` counts it.
  void close(Counter* reason = nullptr);
  // Ends as soon as it was asked something and all of that is answered: one that has just been
  // opened still gets its answer.
  void finish();
  // Ends it if it is over one of its times.
  void check_timeouts(TimePoint now);

  // The address that it counts against (AccessList).
  [[nodiscard]] const IpAddress& counted_as() const { return counted_as_; }
  // Nothing asked, nothing half said, nothing to say.
  [[nodiscard]] bool is_idle() const;
  [[nodiscard]] TimePoint idle_since() const { return last_activity_; }
  // Since when half a frame is all there is; nothing while there is more, or less.
  [[nodiscard]] std::optional<TimePoint> half_frame_since() const;
  // Since when there have been answers that the client has not read, read as it may meanwhile.
  [[nodiscard]] std::optional<TimePoint> unread_since() const;

 private:
  struct Socket;

  void wait_readable();
  void wait_writable();
  // Goes on when others have had their turn.
  void yield();
  void take_step(void (TcpConnection::*step)());
  void on_writable();
  void read();
  void process_frames();
  void answer(std::span<const std::uint8_t> request);
  void on_resolved(const ResolvedReply& reply);
  void take_reply(const ResolvedReply& reply);
  // Tells the recorder, if there is one; it fills in the client.
  void record(QueryRecorder::Response response);
  void put(std::span<const std::uint8_t> message);
  void flush();
  void go_on();
  [[nodiscard]] std::size_t unsent() const { return output_.size() - sent_; }
  [[nodiscard]] bool may_process() const;
  // Whether octets, or the end, wait to be read.
  [[nodiscard]] bool has_unread() const;

  WorkerContext& context_;
  Owner& owner_;
  Timeouts timeouts_;
  SocketAddress client_;
  IpAddress counted_as_;
  std::unique_ptr<Socket> socket_;
  FrameReader frames_;
  std::vector<std::uint8_t> output_;  // framed answers
  std::size_t sent_ = 0;              // octets of output_ that the kernel has
  std::set<QuestionId> questions_;    // forwarded and open
  TimePoint last_activity_;
  TimePoint last_written_;
  TimePoint unread_since_;                  // of what output_ holds
  std::optional<TimePoint> frame_started_;  // set while half a frame is there
  bool reads_ = false;                      // a wait is open
  bool writes_ = false;
  bool yields_ = false;  // has more to do, and lets others go first
  bool at_end_ = false;  // the client sends no more
  bool asked_ = false;   // a question, ever
  bool finishing_ = false;
  bool closed_ = false;
};

}  // namespace meshdns::dns
