#include "resolver/forward/stream_upstream.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include "base/clock.h"
#include "base/log.h"
#include "resolver/forward/metrics.h"
#include "resolver/forward/stream_connection.h"
#include "resolver/forward/timer_queue.h"
#include "resolver/forward/upstream.h"
#include "resolver/forward/upstream_server.h"
#include "resolver/forward/upstream_tap.h"
#include "resolver/wire/protocol.h"
#include "resolver/wire/query.h"
#include "resolver/wire/upstream_reply.h"

namespace meshdns::dns {
namespace {

// A handshake costs more than a socket that is kept.
constexpr std::chrono::seconds kIdle{30};
// Connections that a question may be on. So often one is written and not answered with a server
// that answers one question on each connection; one that ends them all would cost the others many.
constexpr unsigned kMostLosses = 8;
// RFC 8467 section 4.1: queries over TLS are padded to whole blocks, so that their size tells
// little.
constexpr std::size_t kPaddingBlock = 128;
constexpr std::uint16_t kPaddingOption = 12;  // RFC 7830
constexpr std::size_t kOptionHeader = 4;

// RFC 6891 section 7 says FORMERR; some say NOTIMP.
bool refuses_edns(const ReplyStatus& status) {
  return status.parses && !status.has_edns &&
         (status.rcode == rcode::kFormErr || status.rcode == rcode::kNotImp);
}

// Puts a padding option into the OPT that ends the message of `size` octets; returns its new size.
std::size_t pad(std::span<std::uint8_t> message, std::size_t size) {
  const std::size_t padded =
      (size + kOptionHeader + kPaddingBlock - 1) / kPaddingBlock * kPaddingBlock;
  const std::size_t octets = padded - size - kOptionHeader;
  message[size - 1] = static_cast<std::uint8_t>(kOptionHeader + octets);  // RDLENGTH, below 256
  message[size] = 0;
  message[size + 1] = kPaddingOption;
  message[size + 2] = 0;
  message[size + 3] = static_cast<std::uint8_t>(octets);
  return padded;
}

}  // namespace

struct StreamUpstream::Attempt {
  class Deadline final : public TimerQueue::Timer {
   public:
    Deadline(StreamUpstream& upstream, Attempt& attempt)
        : Timer(upstream.environment_.timers), upstream_(upstream), attempt_(attempt) {}
    void on_due() override { upstream_.on_deadline(upstream_.open_.at(attempt_.number)); }

   private:
    StreamUpstream& upstream_;
    Attempt& attempt_;
  };

  Attempt(AttemptId given, const Query& question, OnAttempt when_done)
      : number(given), query(&question), done(std::move(when_done)) {}

  // It is over, whatever `done` is told yet.
  void end() {
    query = nullptr;
    deadline.reset();
  }

  const AttemptId number;
  const Query* query;  // null once it is over
  OnAttempt done;
  std::optional<Deadline> deadline;
  std::uint16_t id = 0;
  bool is_asked = false;
  TimePoint asked_at{};
  bool asked_again = false;  // its first connection died
  unsigned losses = 0;       // connections that it was on and that ended
  bool edns = true;
};

StreamUpstream::StreamUpstream(PreparedServer server, const Environment& environment,
                               const UpstreamMetrics& metrics)
    : server_(std::move(server)), environment_(environment), metrics_(metrics) {}

StreamUpstream::~StreamUpstream() {
  if (connection_) {
    connection_->close();
  }
  for (const auto& [number, attempt] : open_) {
    attempt->done = {};
    attempt->end();
  }
}

AttemptId StreamUpstream::ask(const Query& query, std::chrono::milliseconds deadline,
                              OnAttempt done) {
  const auto attempt = std::make_shared<Attempt>(++last_id_, query, std::move(done));
  open_.emplace(attempt->number, attempt);
  try {
    environment_.timers.schedule(attempt->deadline.emplace(*this, *attempt),
                                 environment_.timers.now() + deadline);
    environment_.timers.cancel(idle_);
    waiting_.push_back(attempt);
    if (!connection_) {
      connect();
    } else if (connection_->is_ready()) {
      send_waiting();
    }
  } catch (...) {
    cancel(attempt->number);
    throw;
  }
  return attempt->number;
}

void StreamUpstream::cancel(AttemptId number) {
  const auto found = open_.find(number);
  if (found == open_.end()) {
    return;
  }
  const AttemptPtr attempt = std::move(found->second);
  open_.erase(found);
  attempt->done = {};
  if (attempt->query != nullptr) {  // else its result is on the way
    withdraw(attempt);
    attempt->end();
  }
}

void StreamUpstream::withdraw(const AttemptPtr& attempt) {
  if (attempt->is_asked) {
    asked_.erase(attempt->id);
  } else {
    std::erase(waiting_, attempt);
  }
  close_when_idle();
}

void StreamUpstream::connect() {
  StreamConnection::Owner& owner = *this;
  connection_ = std::make_shared<StreamConnection>(environment_.io, server_.tls.get(), owner);
  replies_ = 0;
  try {
    connection_->start(server_.server.address);
    expect_something(patience_.for_set_up());
  } catch (...) {  // or nobody would ever try again
    drop_connection();
    throw;
  }
}

void StreamUpstream::on_accepted() { expect_something(patience_.for_set_up()); }

void StreamUpstream::on_ready() {
  expects_ = false;
  environment_.timers.cancel(silence_);
  send_waiting();
}

void StreamUpstream::expect_something(std::chrono::nanoseconds within) {
  expects_ = true;
  received_before_ = connection_->received();
  environment_.timers.schedule(silence_, environment_.timers.now() + within);
}

// Whoever asked may have gone meanwhile: it is silent all the same.
void StreamUpstream::on_silence() {
  expects_ = false;
  if (connection_->received() != received_before_) {
    return;
  }
  metrics_.silences.add();
  patience_.note_silence();
  note_failure(connection_->is_ready() ? "it says nothing" : "no connection comes about");
  lose_connection(Ending::kSilent);
}

void StreamUpstream::note_failure(const std::string& reason) {
  if (std::exchange(last_failure_, reason) != reason) {
    environment_.log.warn("upstream cannot be used server={} reason={}", server_.server.label(),
                          escape_text(reason));
  }
}

void StreamUpstream::note_message() {
  patience_.note_message();
  if (!last_failure_.empty()) {
    environment_.log.info("upstream connected again server={}", server_.server.label());
    last_failure_.clear();
  }
}

void StreamUpstream::send_waiting() {
  while (!waiting_.empty() && asked_.size() < room_) {
    const AttemptPtr attempt = std::move(waiting_.front());
    waiting_.pop_front();
    write(attempt);
  }
}

void StreamUpstream::write(const AttemptPtr& attempt) {
  do {
    attempt->id = ids_.next();
  } while (asked_.contains(attempt->id));
  asked_.emplace(attempt->id, attempt);
  attempt->is_asked = true;
  attempt->asked_at = environment_.timers.now();
  metrics_.queries.add();
  std::array<std::uint8_t, kMaxUpstreamQueryOctets + kOptionHeader + kPaddingBlock> buffer{};
  std::size_t size = write_upstream_query(*attempt->query, attempt->id,
                                          attempt->edns ? kOurUdpPayloadOctets : 0, buffer);
  if (server_.tls && attempt->edns) {
    size = pad(buffer, size);
  }
  const auto message = std::span(buffer).first(size);
  connection_->send(message);
  if (!expects_ || connection_->received() != received_before_) {
    expect_something(patience_.for_reply());
  }
  if (environment_.tap != nullptr) {
    environment_.tap->on_upstream_query(server_.server.address, transport(), message);
  }
}

MessageTransport StreamUpstream::transport() const {
  return server_.tls ? MessageTransport::kTls : MessageTransport::kTcp;
}

void StreamUpstream::on_message(std::span<const std::uint8_t> message) {
  note_message();
  const auto id = message.size() < 2 ? std::uint16_t{0}
                                     : static_cast<std::uint16_t>(message[0] << 8U | message[1]);
  const auto found = asked_.find(id);
  if (found == asked_.end() || !reply_matches(message, *found->second->query, id)) {
    metrics_.mismatches.add();  // of a question given up, as a rule
    return;
  }
  const AttemptPtr attempt = std::move(found->second);
  asked_.erase(found);
  attempt->is_asked = false;
  ++replies_;
  room_ = std::min(room_ + 1, kMaxPipelined);
  replied_at_ = environment_.timers.now();
  patience_.note_reply(replied_at_ - attempt->asked_at);
  if (environment_.tap != nullptr) {
    environment_.tap->on_upstream_reply(server_.server.address, transport(), message);
  }
  const ReplyStatus status = inspect_reply(message);
  if (attempt->edns && refuses_edns(status)) {
    metrics_.plain_retries.add();
    attempt->edns = false;
    waiting_.push_front(attempt);
  } else if (!status.parses) {
    metrics_.failures.add();
    complete(attempt, {AttemptStatus::kBadReply, 0, {}});
  } else {
    complete(attempt, {AttemptStatus::kReply, status.rcode, {message.begin(), message.end()}});
  }
  send_waiting();
}

void StreamUpstream::on_closed(const std::string& reason) {
  if (!is_idle() && asked_.empty()) {
    // No connection came about. Nobody minds the end of one that nobody uses.
    metrics_.network_errors.add();
    note_failure(reason);
  }
  lose_connection(Ending::kClosed);
}

void StreamUpstream::drop_connection() {
  connection_->close();
  connection_.reset();
  environment_.timers.cancel(silence_);
  expects_ = false;
}

void StreamUpstream::lose_connection(Ending ending) {
  drop_connection();
  // On one that did not come about nothing was asked; a refusal is final.
  const bool is_refusal = asked_.empty() && ending == Ending::kClosed;
  std::deque<AttemptPtr> concerned;
  if (asked_.empty()) {
    concerned.swap(waiting_);
  } else if (ending == Ending::kClosed) {
    room_ = std::clamp<std::size_t>(replies_, 1, kMaxPipelined);
  }
  for (auto& [id, attempt] : std::exchange(asked_, {})) {
    attempt->is_asked = false;
    concerned.push_back(std::move(attempt));
  }
  const bool counts = ending == Ending::kSilent || replies_ == 0;
  for (AttemptPtr& attempt : concerned) {
    if (is_refusal || ++attempt->losses > kMostLosses ||
        (counts && std::exchange(attempt->asked_again, true))) {
      complete(attempt, {AttemptStatus::kNetworkError, 0, {}});
    } else {
      waiting_.push_back(std::move(attempt));
    }
  }
  if (!waiting_.empty()) {
    connect();
  }
}

void StreamUpstream::on_deadline(const AttemptPtr& attempt) {
  metrics_.timeouts.add();
  const bool was_asked = attempt->is_asked;
  withdraw(attempt);
  complete(attempt, {AttemptStatus::kTimeout, 0, {}});
  // What comes over it, if anything does, answers nobody: its framing is lost, or its server is.
  if (was_asked && replied_at_ < attempt->asked_at &&
      environment_.timers.now() - attempt->asked_at >= StreamPatience::kLongest) {
    patience_.note_silence();
    note_failure("what it says answers no question");
    lose_connection(Ending::kSilent);
  }
}

void StreamUpstream::complete(const AttemptPtr& attempt, AttemptResult result) {
  attempt->end();
  close_when_idle();
  // Not from here: ask() may be on the stack.
  boost::asio::post(environment_.io, [this, attempt, outcome = std::move(result)]() mutable {
    if (attempt->done) {  // else it was cancelled, or the upstream is gone
      open_.erase(attempt->number);
      auto done = std::move(attempt->done);
      done(std::move(outcome));
    }
  });
}

void StreamUpstream::close_when_idle() {
  if (is_idle()) {
    environment_.timers.schedule(idle_, environment_.timers.now() + kIdle);
  }
}

void StreamUpstream::on_idle() {
  if (is_idle() && connection_) {
    drop_connection();
  }
}

}  // namespace meshdns::dns
