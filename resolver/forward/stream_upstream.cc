#include "resolver/forward/stream_upstream.h"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/log.h"
#include "resolver/forward/metrics.h"
#include "resolver/forward/stream_connection.h"
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
  Attempt(boost::asio::io_context& io, AttemptId given, const Query& question, OnAttempt when_done)
      : number(given), query(&question), done(std::move(when_done)), timer(io) {}

  const AttemptId number;
  const Query* query;  // null once it is over
  OnAttempt done;
  boost::asio::steady_timer timer;
  std::uint16_t id = 0;
  bool is_asked = false;
  std::uint64_t received_before = 0;  // on its connection when it was asked
  bool asked_again = false;           // its first connection died
  bool edns = true;
};

struct StreamUpstream::IdleTimer {
  IdleTimer(boost::asio::io_context& io, StreamUpstream& upstream) : timer(io), owner(&upstream) {}
  boost::asio::steady_timer timer;
  StreamUpstream* owner;
};

StreamUpstream::StreamUpstream(PreparedServer server, boost::asio::io_context& io, Logger& log,
                               const UpstreamMetrics& metrics, UpstreamTap* tap)
    : server_(std::move(server)),
      io_(io),
      log_(log),
      metrics_(metrics),
      tap_(tap),
      idle_timer_(std::make_shared<IdleTimer>(io, *this)) {}

StreamUpstream::~StreamUpstream() {
  idle_timer_->owner = nullptr;
  idle_timer_->timer.cancel();
  if (connection_) {
    connection_->close();
  }
  for (const auto& [number, attempt] : open_) {
    attempt->query = nullptr;
    attempt->done = {};
    attempt->timer.cancel();
  }
}

AttemptId StreamUpstream::ask(const Query& query, std::chrono::milliseconds deadline,
                              OnAttempt done) {
  const auto attempt = std::make_shared<Attempt>(io_, ++last_id_, query, std::move(done));
  open_.emplace(attempt->number, attempt);
  attempt->timer.expires_after(deadline);
  attempt->timer.async_wait([this, attempt](const boost::system::error_code& error) {
    if (!error && attempt->query != nullptr) {
      on_deadline(attempt);
    }
  });
  waiting_.push_back(attempt);
  if (!connection_) {
    connect();
  } else if (connection_->is_ready()) {
    send_waiting();
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
    attempt->query = nullptr;
    attempt->timer.cancel();
    if (is_idle()) {
      close_when_idle();
    }
  }
}

void StreamUpstream::withdraw(const AttemptPtr& attempt) {
  if (attempt->is_asked) {
    asked_.erase(attempt->id);
  } else {
    std::erase(waiting_, attempt);
  }
}

void StreamUpstream::connect() {
  StreamConnection::Owner& owner = *this;
  connection_ = std::make_shared<StreamConnection>(io_, server_.tls.get(), owner);
  connection_->start(server_.server.address);
}

void StreamUpstream::on_ready() {
  if (!last_failure_.empty()) {
    log_.info("upstream connected again server={}", server_.server.label());
    last_failure_.clear();
  }
  send_waiting();
}

void StreamUpstream::send_waiting() {
  while (!waiting_.empty() && asked_.size() < kMaxPipelined) {
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
  attempt->received_before = connection_->received();
  metrics_.queries.add();
  std::array<std::uint8_t, kMaxUpstreamQueryOctets + kOptionHeader + kPaddingBlock> buffer{};
  std::size_t size = write_upstream_query(*attempt->query, attempt->id,
                                          attempt->edns ? kOurUdpPayloadOctets : 0, buffer);
  if (server_.tls && attempt->edns) {
    size = pad(buffer, size);
  }
  const auto message = std::span(buffer).first(size);
  connection_->send(message);
  if (tap_ != nullptr) {
    tap_->on_upstream_query(server_.server.address, transport(), message);
  }
}

MessageTransport StreamUpstream::transport() const {
  return server_.tls ? MessageTransport::kTls : MessageTransport::kTcp;
}

void StreamUpstream::on_message(std::span<const std::uint8_t> message) {
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
  if (tap_ != nullptr) {
    tap_->on_upstream_reply(server_.server.address, transport(), message);
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
  if (is_idle()) {
    connection_.reset();  // the server may end a connection that nobody uses
    return;
  }
  if (asked_.empty()) {
    // No connection came about.
    metrics_.network_errors.add();
    if (std::exchange(last_failure_, reason) != reason) {
      log_.warn("upstream cannot be used server={} reason={}", server_.server.label(),
                escape_text(reason));
    }
  }
  lose_connection();
}

void StreamUpstream::lose_connection() {
  connection_->close();
  connection_.reset();
  std::deque<AttemptPtr> failed;
  if (asked_.empty()) {
    failed.swap(waiting_);
  }
  for (auto& [id, attempt] : std::exchange(asked_, {})) {
    attempt->is_asked = false;
    (std::exchange(attempt->asked_again, true) ? failed : waiting_).push_back(std::move(attempt));
  }
  for (const AttemptPtr& attempt : failed) {
    complete(attempt, {AttemptStatus::kNetworkError, 0, {}});
  }
  if (!waiting_.empty()) {
    connect();
  }
}

void StreamUpstream::on_deadline(const AttemptPtr& attempt) {
  metrics_.timeouts.add();
  withdraw(attempt);
  complete(attempt, {AttemptStatus::kTimeout, 0, {}});
  if (!connection_) {
    return;
  }
  if (attempt->is_asked ? connection_->received() == attempt->received_before
                        : !connection_->is_ready() && is_idle()) {
    // Nothing at all has come since it was asked, or nobody waits for a connection that does not
    // come about: that is no slow answer but a dead connection.
    lose_connection();
  }
}

void StreamUpstream::complete(const AttemptPtr& attempt, AttemptResult result) {
  attempt->query = nullptr;
  attempt->timer.cancel();
  if (is_idle()) {
    close_when_idle();
  }
  // Not from here: ask() may be on the stack.
  boost::asio::post(io_, [this, attempt, outcome = std::move(result)]() mutable {
    if (attempt->done) {  // else it was cancelled, or the upstream is gone
      open_.erase(attempt->number);
      auto done = std::move(attempt->done);
      done(std::move(outcome));
    }
  });
}

void StreamUpstream::close_when_idle() {
  idle_timer_->timer.expires_after(kIdle);
  idle_timer_->timer.async_wait([timer = idle_timer_](const boost::system::error_code& error) {
    StreamUpstream* const owner = timer->owner;
    if (!error && owner != nullptr && owner->is_idle() && owner->connection_) {
      owner->connection_->close();
      owner->connection_.reset();
    }
  });
}

}  // namespace meshdns::dns
