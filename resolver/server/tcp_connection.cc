#include "resolver/server/tcp_connection.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/clock.h"
#include "base/ip_address.h"
#include "base/metrics.h"
#include "base/unique_fd.h"
#include "resolver/answer/outcome.h"
#include "resolver/answer/query_handler.h"
#include "resolver/forward/upstream_tap.h"
#include "resolver/resolve/cached_answers.h"
#include "resolver/resolve/resolver.h"
#include "resolver/resolve/shared_question.h"
#include "resolver/server/dns_event.h"
#include "resolver/server/metrics.h"
#include "resolver/server/query_recorder.h"
#include "resolver/server/worker_context.h"
#include "resolver/wire/protocol.h"
#include "resolver/wire/query.h"
#include "resolver/wire/transport.h"

namespace meshdns::dns {
namespace {

using boost::asio::posix::stream_descriptor;

// One read; what it holds is processed before the next.
constexpr std::size_t kReadOctets = 16384;
// Room that an idle connection may keep for its next answers.
constexpr std::size_t kKeptOutputOctets = 4096;

bool would_block(int error) { return error == EAGAIN || error == EINTR; }

}  // namespace

struct TcpConnection::Socket {
  Socket(boost::asio::io_context& io, UniqueFd fd) : descriptor(io, fd.release()) {}
  stream_descriptor descriptor;
};

TcpConnection::TcpConnection(WorkerContext& context, Owner& owner, const Timeouts& timeouts,
                             UniqueFd socket, const SocketAddress& client)
    : context_(context),
      owner_(owner),
      timeouts_(timeouts),
      client_(client),
      counted_as_(context.access->counted_as(client.ip)),
      socket_(std::make_unique<Socket>(context.io, std::move(socket))),
      last_activity_(context.clock.now()),
      last_written_(last_activity_) {}

TcpConnection::~TcpConnection() = default;

void TcpConnection::start() { wait_readable(); }

void TcpConnection::close(Counter* reason) {
  if (std::exchange(closed_, true)) {
    return;
  }
  if (reason != nullptr) {
    reason->add();
  }
  for (const QuestionId question : questions_) {
    context_.resolver.cancel(question);
  }
  questions_.clear();
  socket_->descriptor.close();
  owner_.on_closed(*this);
}

void TcpConnection::finish() {
  finishing_ = true;
  go_on();
}

bool TcpConnection::has_unread() const {
  std::uint8_t octet = 0;
  return context_.sockets.recvfrom(socket_->descriptor.native_handle(), &octet, 1, MSG_PEEK,
                                   nullptr, nullptr) >= 0;
}

bool TcpConnection::is_idle() const {
  return questions_.empty() && unsent() == 0 && frames_.buffered() == 0;
}

std::optional<TimePoint> TcpConnection::half_frame_since() const {
  return questions_.empty() && unsent() == 0 ? frame_started_ : std::nullopt;
}

std::optional<TimePoint> TcpConnection::unread_since() const {
  return unsent() != 0 ? std::optional(unread_since_) : std::nullopt;
}

void TcpConnection::check_timeouts(TimePoint now) {
  const bool idle = is_idle() && now - last_activity_ >= timeouts_.idle;
  const bool half = frame_started_ && now - *frame_started_ >= timeouts_.frame;
  const bool unread = unsent() != 0 && now - last_written_ >= timeouts_.write;
  if (idle || half || unread) {
    close(&context_.metrics.tcp_timeouts);
  }
}

bool TcpConnection::may_process() const {
  return !closed_ && questions_.size() < kMaxQuestions && unsent() < kPauseOctets;
}

void TcpConnection::wait_readable() {
  if (reads_ || at_end_ || !may_process()) {
    return;
  }
  reads_ = true;
  socket_->descriptor.async_wait(stream_descriptor::wait_read,
                                 [self = shared_from_this()](const auto& /*error*/) {
                                   self->reads_ = false;
                                   self->take_step(&TcpConnection::read);
                                 });
}

void TcpConnection::wait_writable() {
  if (std::exchange(writes_, true)) {
    return;
  }
  socket_->descriptor.async_wait(stream_descriptor::wait_write,
                                 [self = shared_from_this()](const auto& /*error*/) {
                                   self->writes_ = false;
                                   self->take_step(&TcpConnection::on_writable);
                                 });
}

// One read may ask for tens of megabytes, and who takes them quickly has no claim to all our time.
void TcpConnection::yield() {
  if (std::exchange(yields_, true)) {
    return;
  }
  boost::asio::post(context_.io, [self = shared_from_this()] {
    self->yields_ = false;
    self->take_step(&TcpConnection::go_on);
  });
}

// One that failed waits for nothing any more: its client is told by the end.
void TcpConnection::take_step(void (TcpConnection::*step)()) {
  if (closed_) {
    return;
  }
  try {
    (this->*step)();
  } catch (...) {
    close();
    throw;
  }
}

void TcpConnection::on_writable() {
  flush();
  go_on();
}

void TcpConnection::read() {
  if (at_end_) {
    return;
  }
  const auto room = std::span(context_.stream_buffer).first(kReadOctets);
  const ssize_t received = context_.sockets.recvfrom(socket_->descriptor.native_handle(),
                                                     room.data(), room.size(), 0, nullptr, nullptr);
  if (received < 0 && !would_block(errno)) {
    close();  // reset by the client
    return;
  }
  if (received == 0) {
    at_end_ = true;
  } else if (received > 0) {
    frames_.append(room.first(static_cast<std::size_t>(received)));
  }
  go_on();
}

// One turn: answer what is there and may be answered, send, then wait for what is missing.
void TcpConnection::go_on() {
  process_frames();
  flush();
  if (closed_) {
    return;
  }
  // Frames were left because answers waited; if they could be sent, there is room again.
  if (may_process() && !frame_started_ && frames_.buffered() != 0) {
    yield();
    return;
  }
  // Half a frame will not become whole after the end.
  const bool all_processed = frames_.buffered() == 0 || frame_started_;
  if (at_end_ && all_processed && questions_.empty() && unsent() == 0) {
    close();
    return;
  }
  if (finishing_ && asked_ && is_idle() && !has_unread()) {
    close();
    return;
  }
  frames_.release();
  wait_readable();
}

void TcpConnection::process_frames() {
  context_.snapshot.refresh();
  while (may_process()) {
    const auto frame = frames_.next();
    if (!frame) {
      break;
    }
    frame_started_.reset();
    answer(*frame);
  }
  if (!may_process()) {
    frame_started_.reset();  // what is left waits for us, not for the client
  } else if (frames_.buffered() != 0 && !frame_started_) {
    frame_started_ = context_.clock.now();
  }
}

void TcpConnection::answer(std::span<const std::uint8_t> request) {
  ServerMetrics& metrics = context_.metrics;
  metrics.tcp_queries.add();
  asked_ = true;
  const ClientAccess access = context_.access->check(client_.ip);
  if (access == ClientAccess::kRefused) {
    metrics.refused.add();
  }
  const auto response = std::span(context_.stream_buffer).first(kMaxMessageOctets);
  if (context_.recorder != nullptr) {
    context_.recorder->begin();
    context_.recorder->record_query(client_, MessageTransport::kTcp, request);
  }
  Query query;
  const Outcome outcome = context_.handler->handle(context_.snapshot.current(), request,
                                                   Transport::kTcp, access, response, query);
  if (outcome.verdict == Verdict::kDrop) {
    metrics.dropped_unanswerable.add();
    return;
  }
  last_activity_ = context_.clock.now();
  if (outcome.verdict == Verdict::kAnswer) {
    metrics.count_answer(AnswerSource::kLocal, outcome.rcode);
    metrics.count_question(QuestionOwner::kLocal, query.qtype);
    record({.source = EventSource::kLocal, .message = response.first(outcome.size)});
    put(response.first(outcome.size));
    return;
  }
  const auto found = context_.resolver.find_cached(query, Transport::kTcp, response);
  if (found.outcome == CachedAnswers::Outcome::kRouted) {
    metrics.count_answer(AnswerSource::kLocal, found.rcode);
    metrics.count_question(QuestionOwner::kLocal, query.qtype);
    record({.source = EventSource::kLocal, .message = response.first(found.size)});
    put(response.first(found.size));
    return;
  }
  metrics.count_question(QuestionOwner::kUpstream, query.qtype);
  if (found.outcome == CachedAnswers::Outcome::kAnswered) {
    metrics.count_answer(AnswerSource::kCache, found.rcode);
    record({.source = found.is_stale ? EventSource::kStale : EventSource::kCache,
            .message = response.first(found.size)});
    put(response.first(found.size));
    return;
  }
  const QuestionId question =
      context_.resolver.resolve(query, Transport::kTcp, counted_as_, found.outcome,
                                [weak = weak_from_this()](const ResolvedReply& reply) {
                                  if (const auto self = weak.lock()) {
                                    self->on_resolved(reply);
                                  }
                                });
  if (question != 0) {
    questions_.insert(question);
  }
}

// As in take_step(): there is no other way to tell that an answer is lost.
void TcpConnection::on_resolved(const ResolvedReply& reply) {
  try {
    take_reply(reply);
  } catch (...) {
    close();
    throw;
  }
}

void TcpConnection::take_reply(const ResolvedReply& reply) {
  const bool was_open = questions_.erase(reply.question) != 0;
  context_.metrics.count_answer(AnswerSource::kUpstream, reply.rcode);
  context_.metrics.answer_seconds.observe(std::chrono::duration<double>(reply.elapsed).count());
  last_activity_ = context_.clock.now();
  record({.source = reply.is_stale ? EventSource::kStale : EventSource::kUpstream,
          .server = reply.server,
          .elapsed = reply.elapsed,
          .message = reply.message});
  put(reply.message);
  if (was_open && !closed_) {
    flush();
    go_on();
  }
}

void TcpConnection::record(QueryRecorder::Response response) {
  if (context_.recorder != nullptr) {
    response.client = client_;
    response.transport = MessageTransport::kTcp;
    context_.recorder->record_response(response);
  }
}

// Length and message stay together, and so leave in one write (RFC 7766 section 8).
void TcpConnection::put(std::span<const std::uint8_t> message) {
  if (closed_) {
    return;
  }
  if (unsent() + message.size() > kMaxOutputOctets) {
    close(&context_.metrics.tcp_overflows);
    return;
  }
  if (unsent() == 0) {
    last_written_ = context_.clock.now();
    unread_since_ = last_written_;
  }
  const std::size_t at = output_.size();
  output_.resize(at + 2 + message.size());  // all of it, or nothing
  output_[at] = static_cast<std::uint8_t>(message.size() >> 8U);
  output_[at + 1] = static_cast<std::uint8_t>(message.size());
  std::ranges::copy(message, output_.begin() + static_cast<std::ptrdiff_t>(at + 2));
}

void TcpConnection::flush() {
  while (!closed_ && unsent() != 0) {
    iovec part{output_.data() + sent_, unsent()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    const ssize_t written =
        context_.sockets.sendmsg(socket_->descriptor.native_handle(), &message, MSG_NOSIGNAL);
    if (written < 0) {
      if (errno == EAGAIN) {
        // A client that goes on asking, and reads slowly, may never have read all of it.
        if (sent_ >= kPauseOctets) {
          output_.erase(output_.begin(), output_.begin() + static_cast<std::ptrdiff_t>(sent_));
          sent_ = 0;
        }
        wait_writable();
        return;
      }
      if (errno != EINTR) {
        close();
      }
      continue;
    }
    sent_ += static_cast<std::size_t>(written);
    last_written_ = context_.clock.now();
  }
  if (unsent() == 0) {
    output_.clear();
    sent_ = 0;
    if (output_.capacity() > kKeptOutputOctets) {
      output_.shrink_to_fit();
    }
  }
}

}  // namespace meshdns::dns
