#include "resolver/forward/ares_upstream.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/ip_address.h"
#include "base/socket_layer.h"
#include "resolver/forward/ares_channel.h"
#include "resolver/forward/metrics.h"
#include "resolver/forward/upstream.h"
#include "resolver/wire/protocol.h"
#include "resolver/wire/query.h"
#include "resolver/wire/transport.h"
#include "resolver/wire/upstream_reply.h"

namespace meshdns::dns {
namespace {

// How often c-ares is let clear out what is past its timeout; attempts have timers of their own.
constexpr std::chrono::milliseconds kExpiryInterval{250};

// RFC 6891 section 7 says FORMERR; some say NOTIMP.
bool refuses_edns(std::uint16_t rcode) {
  return rcode == rcode::kFormErr || rcode == rcode::kNotImp;
}

// By the server, or by c-ares because it is longer than was asked for.
bool is_truncated(std::span<const std::uint8_t> datagram, const ReplyStatus& status) {
  const bool may_be_cut =
      datagram.size() == kPlainUdpOctets || datagram.size() == kOurUdpPayloadOctets;
  return status.truncated || (!status.parses && may_be_cut);
}

}  // namespace

// One question to this server. Shared by the list of open ones, its timer and the channel.
class AresUpstream::Attempt final : public ChannelClient,
                                    public std::enable_shared_from_this<Attempt> {
 public:
  Attempt(AresUpstream& upstream, const Query& question, OnAttempt when_done)
      : owner(&upstream), query(question), done(std::move(when_done)), timer(upstream.io_) {}

  void on_channel_reply(const ChannelReply& reply) override {
    if (owner != nullptr && !completed) {
      owner->on_reply(shared_from_this(), reply);
    }
  }

  AresUpstream* owner;  // null once it is over
  const Query& query;   // not to be touched once it is over
  OnAttempt done;
  boost::asio::steady_timer timer;
  std::list<std::shared_ptr<Attempt>>::iterator place;
  Edns edns = Edns::kYes;
  Transport transport = Transport::kUdp;
  bool completed = false;  // its result is on the way
};

// Shared with its handler, which may run after the upstream is gone.
struct AresUpstream::ExpiryTimer {
  ExpiryTimer(boost::asio::io_context& io, AresUpstream& upstream) : timer(io), owner(&upstream) {}
  boost::asio::steady_timer timer;
  AresUpstream* owner;
  bool armed = false;
};

AresUpstream::AresUpstream(const SocketAddress& server, std::chrono::milliseconds longest_attempt,
                           boost::asio::io_context& io, SocketLayer& sockets,
                           const UpstreamMetrics& metrics)
    : server_(server),
      longest_attempt_(longest_attempt),
      io_(io),
      sockets_(sockets),
      metrics_(metrics),
      expiry_(std::make_shared<ExpiryTimer>(io, *this)) {}

AresUpstream::~AresUpstream() {
  expiry_->owner = nullptr;
  expiry_->timer.cancel();
  for (const auto& attempt : attempts_) {
    attempt->owner = nullptr;
    attempt->done = {};
    attempt->timer.cancel();
  }
}

void AresUpstream::ask(const Query& query, std::chrono::milliseconds deadline, OnAttempt done) {
  const auto attempt = std::make_shared<Attempt>(*this, query, std::move(done));
  attempt->place = attempts_.insert(attempts_.end(), attempt);
  attempt->timer.expires_after(deadline);
  attempt->timer.async_wait([attempt](const boost::system::error_code& error) {
    if (!error && attempt->owner != nullptr && !attempt->completed) {
      attempt->owner->metrics_.timeouts.add();
      attempt->owner->complete(attempt, {AttemptStatus::kTimeout, 0, {}});
    }
  });
  send(attempt, Edns::kYes);
}

void AresUpstream::send(const std::shared_ptr<Attempt>& attempt, Edns edns) {
  attempt->edns = edns;
  attempt->transport = Transport::kUdp;
  write(attempt, pick_channel(edns));
}

void AresUpstream::send_over_tcp(const std::shared_ptr<Attempt>& attempt) {
  attempt->transport = Transport::kTcp;
  if (AresChannel* const connection = pick_connection()) {
    write(attempt, *connection);
  } else {
    waiting_.push_back(attempt);
  }
}

void AresUpstream::write(const std::shared_ptr<Attempt>& attempt, AresChannel& channel) {
  metrics_.queries.add();
  std::array<std::uint8_t, kMaxUpstreamQueryOctets> buffer{};
  const std::uint16_t payload = attempt->edns == Edns::kYes ? kOurUdpPayloadOctets : 0;
  const std::size_t size = write_upstream_query(attempt->query, ids_.next(), payload, buffer);
  channel.send(std::span(buffer).first(size), attempt);
  arm_expiry();
}

AresChannel& AresUpstream::pick_channel(Edns edns) {
  ChannelPool& pool = edns == Edns::kYes ? edns_channels_ : plain_channels_;
  std::erase_if(
      pool, [](const auto& channel) { return channel->worn_out() && channel->in_flight() == 0; });
  // An idle channel, else a new one, else the one that has used its port least, else whichever has
  // least to do.
  const auto wear = [](const std::unique_ptr<AresChannel>& channel) {
    if (channel->in_flight() == 0) {
      return std::size_t{0};
    }
    const bool spent = channel->worn_out() || channel->sent_from_port() >= kQuestionsPerPort;
    return spent ? kQuestionsPerPort + channel->in_flight() : channel->sent_from_port();
  };
  const auto best = std::ranges::min_element(pool, {}, wear);
  if (best != pool.end() && (wear(*best) == 0 || pool.size() >= kMaxChannels)) {
    return **best;
  }
  pool.push_back(std::make_unique<AresChannel>(
      AresChannel::Options{server_, Transport::kUdp, edns, longest_attempt_}, io_, sockets_,
      metrics_.mismatches));
  return *pool.back();
}

AresChannel* AresUpstream::pick_connection() {
  for (const auto& connection : connections_) {
    if (connection->in_flight() == 0) {
      return connection.get();
    }
  }
  if (connections_.size() >= kMaxConnections) {
    return nullptr;
  }
  connections_.push_back(std::make_unique<AresChannel>(
      AresChannel::Options{server_, Transport::kTcp, Edns::kNo, longest_attempt_}, io_, sockets_,
      metrics_.mismatches));
  return connections_.back().get();
}

void AresUpstream::serve_waiting() {
  while (!waiting_.empty()) {
    const std::shared_ptr<Attempt> attempt = waiting_.front();
    if (attempt->owner != nullptr && !attempt->completed) {
      AresChannel* const connection = pick_connection();
      if (connection == nullptr) {
        return;
      }
      write(attempt, *connection);
    }
    waiting_.pop_front();
  }
}

void AresUpstream::on_reply(const std::shared_ptr<Attempt>& attempt, const ChannelReply& reply) {
  if (attempt->transport == Transport::kTcp && !waiting_.empty()) {
    // Not from here: c-ares closes the connection only after this.
    boost::asio::post(io_, [timer = expiry_] {
      if (timer->owner != nullptr) {
        timer->owner->serve_waiting();
      }
    });
  }
  switch (reply.status) {
    case ChannelReply::Status::kTimeout:
      metrics_.timeouts.add();
      complete(attempt, {AttemptStatus::kTimeout, 0, {}});
      return;
    case ChannelReply::Status::kNetworkError:
      metrics_.network_errors.add();
      complete(attempt, {AttemptStatus::kNetworkError, 0, {}});
      return;
    case ChannelReply::Status::kHeaderOnly:
    case ChannelReply::Status::kMessage:
      break;
  }
  const ReplyStatus status = inspect_reply(reply.message);
  if (attempt->edns == Edns::kYes && status.parses && !status.has_edns &&
      refuses_edns(status.rcode)) {
    metrics_.plain_retries.add();
    send(attempt, Edns::kNo);
    return;
  }
  if (attempt->transport == Transport::kUdp && is_truncated(reply.message, status)) {
    send_over_tcp(attempt);
    return;
  }
  if (reply.status == ChannelReply::Status::kHeaderOnly || !status.parses ||
      !reply_matches(reply.message, attempt->query, std::nullopt)) {
    metrics_.failures.add();
    complete(attempt, {AttemptStatus::kBadReply, 0, {}});
    return;
  }
  complete(attempt,
           {AttemptStatus::kReply, status.rcode, {reply.message.begin(), reply.message.end()}});
}

void AresUpstream::complete(const std::shared_ptr<Attempt>& attempt, AttemptResult result) {
  attempt->completed = true;
  attempt->timer.cancel();
  // Not from here: c-ares or ask() may be on the stack.
  boost::asio::post(io_, [attempt, outcome = std::move(result)]() mutable {
    if (attempt->done) {
      attempt->owner->attempts_.erase(attempt->place);
      attempt->owner = nullptr;
      auto done = std::move(attempt->done);
      done(std::move(outcome));
    }
  });
}

void AresUpstream::arm_expiry() {
  if (expiry_->armed) {
    return;
  }
  expiry_->armed = true;
  expiry_->timer.expires_after(kExpiryInterval);
  expiry_->timer.async_wait([timer = expiry_](const boost::system::error_code& /*error*/) {
    if (timer->owner != nullptr) {
      timer->owner->expire();
    }
  });
}

void AresUpstream::expire() {
  expiry_->armed = false;
  bool busy = false;
  for (const ChannelPool* pool : {&edns_channels_, &plain_channels_, &connections_}) {
    for (const auto& channel : *pool) {
      if (channel->in_flight() != 0) {
        channel->expire();
      }
      busy = busy || channel->in_flight() != 0;
    }
  }
  serve_waiting();
  std::erase_if(connections_, [](const auto& channel) { return channel->in_flight() == 0; });
  if (busy || !waiting_.empty()) {
    arm_expiry();
  }
}

}  // namespace meshdns::dns
