#include "resolver/forward/udp_upstream.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "resolver/forward/metrics.h"
#include "resolver/forward/random_ids.h"
#include "resolver/forward/timer_queue.h"
#include "resolver/forward/udp_sockets.h"
#include "resolver/forward/upstream.h"
#include "resolver/forward/upstream_tap.h"
#include "resolver/wire/big_endian.h"
#include "resolver/wire/name.h"
#include "resolver/wire/protocol.h"
#include "resolver/wire/query.h"
#include "resolver/wire/upstream_reply.h"

namespace meshdns::dns {
namespace {

constexpr unsigned kCaseBit = 0x20;
// So often must lower case be heard where mixed case was not, for the server to be taken for one
// that drops the latter: a network loses some questions of either kind.
constexpr unsigned kSuspiciousAnswers = 3;
// For so long an answer to mixed case is waited for before lower case is tried: less than a policy
// waits before it asks again, so that the second try is heard where the first was not understood.
constexpr std::chrono::milliseconds kDeafAfter{150};
// Or twice as long as the server takes, if that is more; though never for longer than this, so that
// a question to one that drops mixed case from now on is heard within its time.
constexpr std::chrono::milliseconds kDeafAfterAtMost{1000};
constexpr int kUsualWeight = 8;

// RFC 6891 section 7 says FORMERR; some say NOTIMP.
bool refuses_edns(std::uint16_t rcode) {
  return rcode == rcode::kFormErr || rcode == rcode::kNotImp;
}

// By the server with TC, or without by one that cuts at the size it was told.
bool is_truncated(std::span<const std::uint8_t> datagram, const ReplyStatus& status) {
  const bool may_be_cut =
      datagram.size() == kPlainUdpOctets || datagram.size() == kOurUdpPayloadOctets;
  return status.truncated || (!status.parses && may_be_cut);
}

// Turns each letter of a folded name up or leaves it, by chance. Length octets are no letters.
void mix_case(std::span<std::uint8_t> name, RandomIds& random) {
  unsigned bits = 0;
  unsigned left = 0;
  for (std::uint8_t& octet : name) {
    if (octet < 'a' || octet > 'z') {
      continue;
    }
    if (left == 0) {
      bits = random.next();
      left = 16;
    }
    octet = static_cast<std::uint8_t>(octet ^ ((bits & 1U) * kCaseBit));
    bits >>= 1U;
    --left;
  }
}

}  // namespace

// One question to this server.
class UdpUpstream::Attempt final : public TimerQueue::Timer {
 public:
  Attempt(AttemptId given, UdpUpstream& upstream, const Query& question, TimePoint end,
          OnAttempt when_done)
      : Timer(upstream.environment_.timers),
        number(given),
        query(question),
        deadline(end),
        done(std::move(when_done)),
        owner_(upstream) {}

  void on_due() override { owner_.on_due(*this); }

  const AttemptId number;
  const Query& query;
  const TimePoint deadline;
  OnAttempt done;
  Port* port = nullptr;  // null before it is sent, and over the stream
  std::uint16_t id = 0;
  TimePoint sent;  // the last time
  Edns edns = Edns::kYes;
  bool mixed_case = false;
  bool lower_case = false;  // the mix was lost once
  bool unsendable = false;
  bool truncated = false;  // by a reply, so the server is there
  unsigned mismatches = 0;
  AttemptId on_stream = 0;
  std::uint8_t name_size = 0;
  std::array<std::uint8_t, kMaxNameOctets> name{};  // as it was sent

 private:
  UdpUpstream& owner_;
};

// A socket and who asks through it: one attempt, more only where sockets are short.
class UdpUpstream::Port final : public UdpSockets::User {
 public:
  explicit Port(UdpUpstream& upstream) : owner_(upstream) {}
  void on_datagram(std::span<const std::uint8_t> datagram) override {
    owner_.on_datagram(*this, datagram);
  }
  void on_error() override { owner_.on_error(*this); }

  UdpSockets::Socket* socket = nullptr;
  std::vector<Attempt*> attempts;
  std::size_t place = 0;  // among the owner's ports

 private:
  UdpUpstream& owner_;
};

UdpUpstream::UdpUpstream(std::unique_ptr<Upstream> stream, const Environment& environment,
                         const UpstreamMetrics& metrics)
    : stream_(std::move(stream)), environment_(environment), metrics_(metrics) {}

UdpUpstream::~UdpUpstream() {
  for (const auto& port : ports_) {
    if (port->socket != nullptr) {
      environment_.sockets.close(*port->socket);
    }
  }
}

AttemptId UdpUpstream::ask(const Query& query, std::chrono::milliseconds deadline, OnAttempt done) {
  Attempt& attempt =
      attempts_.emplace(*this, query, environment_.timers.now() + deadline, std::move(done));
  try {
    environment_.timers.schedule(attempt, attempt.deadline);
    send(attempt);
  } catch (...) {
    cancel(attempt.number);
    throw;
  }
  return attempt.number;
}

void UdpUpstream::cancel(AttemptId number) {
  if (Attempt* const attempt = attempts_.find(number); attempt != nullptr) {
    leave_port(*attempt);
    stream_->cancel(attempt->on_stream);
    attempts_.erase(number);
  }
}

// A question that is not heard for long may have been lost; or its case was not understood. One
// that is slow, or that nobody answers, says nothing of those that are asked beside it.
bool UdpUpstream::keeps_case() const {
  const TimePoint now = environment_.timers.now();
  const auto patience =
      std::clamp<std::chrono::nanoseconds>(2 * usual_, kDeafAfter, kDeafAfterAtMost);
  const bool may_be_deaf = unheard_since_ && now - *unheard_since_ >= patience;
  return !may_be_deaf && now >= lower_case_until_;
}

void UdpUpstream::send(Attempt& attempt) {
  leave_port(attempt);
  Port* const port = take_port();
  if (port != nullptr) {
    do {
      attempt.id = environment_.random.next();
    } while (std::ranges::find(port->attempts, attempt.id, &Attempt::id) != port->attempts.end());
    attempt.port = port;
    port->attempts.push_back(&attempt);
    attempt.sent = environment_.timers.now();
    attempt.mixed_case = !attempt.lower_case && keeps_case();
    std::array<std::uint8_t, kMaxUpstreamQueryOctets> buffer{};
    const std::size_t size = write_upstream_query(
        attempt.query, attempt.id, attempt.edns == Edns::kYes ? kOurUdpPayloadOctets : 0, buffer);
    const auto name = std::span(buffer).subspan(kHeaderOctets, attempt.query.asked_name().size());
    if (attempt.mixed_case) {
      mix_case(name, environment_.random);
      unheard_since_ = unheard_since_.value_or(attempt.sent);
    }
    attempt.name_size = static_cast<std::uint8_t>(name.size());
    std::ranges::copy(name, attempt.name.begin());
    metrics_.queries.add();
    if (environment_.sockets.send(*port->socket, std::span(buffer).first(size))) {
      if (environment_.tap != nullptr) {
        environment_.tap->on_upstream_query(server().address, MessageTransport::kUdp,
                                            std::span(buffer).first(size));
      }
      return;
    }
  }
  // ask() may be on the stack: the timer tells.
  attempt.unsendable = true;
  environment_.timers.schedule(attempt, environment_.timers.now());
}

UdpUpstream::Port* UdpUpstream::take_port() {
  if (idle_ports_.empty()) {
    if (ports_.size() == ports_.capacity()) {
      // For all of them in either: nothing fails once a socket is open, nor when it is left.
      idle_ports_.reserve(2 * ports_.size() + 1);
      ports_.reserve(2 * ports_.size() + 1);
    }
    idle_ports_.push_back(std::make_unique<Port>(*this));
  }
  Port& port = *idle_ports_.back();
  port.socket = environment_.sockets.open(server().address, port);
  if (port.socket == nullptr) {
    return ports_.empty() ? nullptr : ports_[environment_.random.next() % ports_.size()].get();
  }
  port.place = ports_.size();
  ports_.push_back(std::move(idle_ports_.back()));
  idle_ports_.pop_back();
  return &port;
}

void UdpUpstream::leave_port(Attempt& attempt) {
  Port* const port = std::exchange(attempt.port, nullptr);
  if (port == nullptr) {
    return;
  }
  std::erase(port->attempts, &attempt);
  if (port->attempts.empty()) {
    environment_.sockets.close(*port->socket);
    const std::size_t place = port->place;
    std::swap(ports_[place], ports_.back());
    ports_[place]->place = place;
    idle_ports_.push_back(std::move(ports_.back()));
    ports_.pop_back();
  }
}

void UdpUpstream::go_to_stream(Attempt& attempt) {
  leave_port(attempt);
  const auto left =
      std::chrono::ceil<std::chrono::milliseconds>(attempt.deadline - environment_.timers.now());
  attempt.on_stream = stream_->ask(attempt.query, left, [this, &attempt](AttemptResult result) {
    attempt.on_stream = 0;
    if (attempt.truncated && result.status == AttemptStatus::kNetworkError) {
      result.status = AttemptStatus::kBadReply;  // whoever drops TCP alone
    }
    finish(attempt, std::move(result));
  });
}

void UdpUpstream::on_datagram(Port& port, std::span<const std::uint8_t> datagram) {
  if (datagram.size() < kHeaderOctets) {
    on_mismatch(port);
    return;
  }
  const auto match = std::ranges::find(port.attempts, load_u16(datagram, 0), &Attempt::id);
  const std::uint16_t flags = load_u16(datagram, 2);
  if (match == port.attempts.end() || (flags & flag::kResponse) == 0 ||
      (flags & flag::kOpcodeMask) != 0) {
    on_mismatch(port);
    return;
  }
  Attempt& attempt = **match;
  // Old servers refuse with a bare header what they do not understand, EDNS above all.
  if (load_u16(datagram, 4) == 0 && (flags & flag::kRcodeMask) != 0) {
    on_header_alone(attempt);
    return;
  }
  if (!reply_matches(datagram, attempt.query, attempt.id)) {
    on_mismatch(port);
    return;
  }
  if (!std::ranges::equal(datagram.subspan(kHeaderOctets, attempt.name_size),
                          std::span(attempt.name).first(attempt.name_size))) {
    // A forger who was lucky twice, or a server that writes names its own way: asked in lower
    // case, most of the latter will answer, and the former has to be lucky again. Over TCP the case
    // does not matter.
    metrics_.mismatches.add();
    if (std::exchange(attempt.lower_case, true)) {
      go_to_stream(attempt);
    } else {
      metrics_.case_retries.add();
      send(attempt);
    }
    return;
  }
  on_reply(attempt, datagram);
}

void UdpUpstream::on_mismatch(const Port& port) {
  metrics_.mismatches.add();
  for (Attempt* const attempt : std::vector(port.attempts)) {
    if (++attempt->mismatches >= kMaxMismatches) {
      go_to_stream(*attempt);
    }
  }
}

void UdpUpstream::on_header_alone(Attempt& attempt) {
  if (attempt.edns == Edns::kYes) {
    metrics_.plain_retries.add();
    attempt.edns = Edns::kNo;
    send(attempt);
    return;
  }
  metrics_.failures.add();
  finish(attempt, {AttemptStatus::kBadReply, 0, {}});
}

void UdpUpstream::on_reply(Attempt& attempt, std::span<const std::uint8_t> reply) {
  note_answer(attempt);
  if (environment_.tap != nullptr) {
    environment_.tap->on_upstream_reply(server().address, MessageTransport::kUdp, reply);
  }
  const ReplyStatus status = inspect_reply(reply);
  if (attempt.edns == Edns::kYes && status.parses && !status.has_edns &&
      refuses_edns(status.rcode)) {
    metrics_.plain_retries.add();
    attempt.edns = Edns::kNo;
    send(attempt);
  } else if (is_truncated(reply, status)) {
    attempt.truncated = true;
    go_to_stream(attempt);
  } else if (!status.parses) {
    metrics_.failures.add();
    finish(attempt, {AttemptStatus::kBadReply, 0, {}});
  } else {
    std::vector<std::uint8_t> message(reply.begin(), reply.end());
    // The mix was between us and the server; names compressed onto the question's lose it too.
    std::ranges::copy(attempt.query.asked_name().octets(), message.begin() + kHeaderOctets);
    finish(attempt, {AttemptStatus::kReply, status.rcode, std::move(message)});
  }
}

void UdpUpstream::note_answer(const Attempt& attempt) {
  // One that was asked before the mixed one says nothing of it: all answers may be slow.
  const bool overtook = unheard_since_ && attempt.sent >= *unheard_since_;
  if (attempt.mixed_case) {
    lower_after_mixed_ = 0;
    const std::chrono::nanoseconds took = environment_.timers.now() - attempt.sent;
    usual_ = std::max(took, usual_ - (usual_ - took) / kUsualWeight);
  } else if (attempt.lower_case || (overtook && ++lower_after_mixed_ >= kSuspiciousAnswers)) {
    lower_case_until_ = environment_.timers.now() + kLowerCaseHold;
    lower_after_mixed_ = 0;
  }
  unheard_since_.reset();
}

void UdpUpstream::on_error(const Port& port) {
  std::vector<AttemptId> ended;  // one that ends may cancel others
  std::ranges::transform(port.attempts, std::back_inserter(ended), &Attempt::number);
  for (const AttemptId number : ended) {
    if (Attempt* const attempt = attempts_.find(number); attempt != nullptr) {
      metrics_.network_errors.add();
      finish(*attempt, {AttemptStatus::kNetworkError, 0, {}});
    }
  }
}

void UdpUpstream::on_due(Attempt& attempt) {
  if (attempt.unsendable) {
    metrics_.network_errors.add();
    finish(attempt, {AttemptStatus::kNetworkError, 0, {}});
  } else {
    finish(attempt, {AttemptStatus::kTimeout, 0, {}});
  }
}

void UdpUpstream::finish(Attempt& attempt, AttemptResult result) {
  leave_port(attempt);
  stream_->cancel(attempt.on_stream);
  auto done = std::move(attempt.done);
  attempts_.erase(attempt.number);
  done(std::move(result));
}

}  // namespace meshdns::dns
