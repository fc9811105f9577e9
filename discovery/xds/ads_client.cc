#include "discovery/xds/ads_client.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/backoff.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/result.h"
#include "discovery/xds/ads_target.h"
#include "discovery/xds/ads_transport.h"
#include "discovery/xds/client_subscription.h"
#include "discovery/xds/grpc_transport.h"
#include "discovery/xds/held_versions.h"
#include "discovery/xds/metrics.h"
#include "discovery/xds/node.h"
#include "discovery/xds/refusal_pace.h"
#include "discovery/xds/request.h"
#include "discovery/xds/response.h"
#include "discovery/xds/type_urls.h"

namespace meshdns::discovery {
namespace {

// A response with more is not held up: the table that it begins or goes on with is waited for.
constexpr std::size_t kSmallResponse = 256;

// Of gRPC's servers, unless they are told otherwise: a larger request ends the stream.
constexpr std::size_t kStockReceiveBytes = 4UL << 20U;
// How long to wait for more of what a server tells anew.
constexpr std::chrono::seconds kRetelling{60};

// Times Options::fail_back_after.
constexpr int kLongestLookBack = 60;

}  // namespace

struct AdsClient::Impl {
  // A refusal, or an ACK, that waits.
  struct LateReply {
    TimePoint due;
    std::string request;
  };
  struct Subscriber {
    ClientSubscription state;
    OnResponse on_response;
    RefusalPace pace;
    std::optional<LateReply> late{};
    std::optional<TimePoint> replied_at{};  // on this stream
    std::optional<TimePoint> forget_at{};   // what is held and was not told anew by then
  };
  using TypeKey = std::pair<int, std::string>;  // type_order, type_url

  Impl(Options given, std::unique_ptr<AdsTransport> given_transport, Clock& given_clock,
       Logger& given_logger, XdsClientMetrics& given_metrics)
      : options(std::move(given)),
        clock(given_clock),
        logger(given_logger),
        metrics(given_metrics),
        backoff(options.backoff, std::random_device{}()),
        look_backs({.initial = options.fail_back_after,
                    .maximum = options.fail_back_after * kLongestLookBack,
                    .multiplier = 2},
                   std::random_device{}()),
        transport(std::move(given_transport)) {}

  static TypeKey key_of(std::string_view type_url) {
    return {type_order(type_url), std::string(type_url)};
  }

  void connect();
  void give_up_if_silent();
  [[nodiscard]] Result<AdsPeer> peer_of(const std::string& name) const;
  // Looks at the targets before the one that serves, one after the other.
  void look_back_later();
  void look_back(std::size_t at);
  void fail_back(std::size_t at);
  // Gives up the stream for one of the target `at`.
  void begin_anew(std::size_t at);
  void begin_all();
  void begin(Subscriber& subscriber);
  // Whether there is a stream that requests can go to.
  [[nodiscard]] bool can_send() const { return call != nullptr && stands; }
  void on_response(Result<DecodedResponse> response);
  void take(const DecodedResponse& response);
  [[nodiscard]] std::chrono::milliseconds note_reply(const DecodedResponse& response,
                                                     const ClientSubscription::Reply& reply,
                                                     RefusalPace& pace);
  // After a response, before which so many resources were untold.
  void note_retold(Subscriber& subscriber, std::size_t untold_before);
  // How long the ACK of the response is to wait.
  [[nodiscard]] std::chrono::milliseconds ack_delay(const DecodedResponse& response,
                                                    const Subscriber& subscriber) const;
  void send_reply(Subscriber& subscriber, std::string request);
  // Sends what the subscriber is late with, before anything else of its type.
  void catch_up(Subscriber& subscriber);
  void send(std::string request);
  void await_what_is_due();
  void do_what_is_due();
  void on_end(const AdsCallEnd& end);
  void lost(const std::string& reason);
  void stop();

  Options options;  // only the targets change
  Clock& clock;
  Logger& logger;
  XdsClientMetrics& metrics;
  OnConnection on_connection = [](bool) {};
  std::map<TypeKey, Subscriber> subscribers;

  Backoff backoff;
  Backoff look_backs;                  // from one look at the targets before to the next
  std::set<std::string> sotw_targets;  // said UNIMPLEMENTED to delta
  // Did not take what a large table needs: they are not told what is held.
  std::set<std::string> untold_targets;
  std::size_t target = 0;
  std::vector<std::string> next_targets;  // for the next connection; empty: the same
  bool running = false;
  NodeInfo node;                    // of this attempt
  bool stands = false;              // the stream does, and each type has begun on it
  bool node_sent = false;           // on this stream
  bool connected = false;           // this stream has delivered
  std::size_t largest_request = 0;  // of this stream
  // The failures that were logged, by target, since something was delivered last.
  std::map<std::string, std::string> told_failures;
  std::optional<TimePoint> last_response_at;
  std::unique_ptr<AdsTransport> transport;
  XdsVariant variant = XdsVariant::kDelta;
  std::unique_ptr<AdsCall> call;
  std::optional<TimePoint> due_timer_at;  // when the call's timer rings for what is due
};

void AdsClient::Impl::connect() {
  if (!next_targets.empty()) {
    options.targets = std::exchange(next_targets, {});
    // NOLINTNEXTLINE(misc-include-cleaner): it knows only the erase_if of <vector>.
    std::erase_if(told_failures, [this](const auto& told) {
      return std::ranges::find(options.targets, told.first) == options.targets.end();
    });
    target = 0;
  }
  const std::string& name = options.targets.at(target);
  variant =
      options.sotw_only || sotw_targets.contains(name) ? XdsVariant::kSotw : XdsVariant::kDelta;
  metrics.connection_attempts.add();
  due_timer_at.reset();
  largest_request = 0;
  stands = false;
  node_sent = false;
  node = options.node;
  if (options.complete_node) {
    options.complete_node(node);
  }
  const auto peer = peer_of(name);
  if (!peer) {
    lost(peer.error().message);
    return;
  }
  call = transport->open(
      *peer, variant,
      {[this](Result<DecodedResponse> response) { on_response(std::move(response)); },
       [this](const AdsCallEnd& end) { on_end(end); }});
  call->when_standing([this] { begin_all(); });
  if (options.targets.size() > 1) {
    call->run_after(options.first_response_timeout, [this] { give_up_if_silent(); });
  }
  call->read();
}

void AdsClient::Impl::begin_all() {
  stands = true;
  for (auto& [key, subscriber] : subscribers) {
    begin(subscriber);
  }
}

void AdsClient::Impl::give_up_if_silent() {
  if (!connected) {
    lost(fmt::format("no response within {} ms", options.first_response_timeout.count()));
  }
}

Result<AdsPeer> AdsClient::Impl::peer_of(const std::string& name) const {
  auto named = AdsTarget::parse(name);
  if (!named) {
    return tl::unexpected(std::move(named.error()));
  }
  AdsPeer peer{.target = std::move(named->address),
               .authority = named->authority.empty() ? options.authority : named->authority,
               .credentials = {}};
  if (options.credentials) {
    auto credentials = options.credentials();
    if (!credentials) {
      return tl::unexpected(std::move(credentials.error()));
    }
    peer.credentials = *std::move(credentials);
    if (!peer.credentials.server_name.empty()) {
      peer.authority = peer.credentials.server_name;
    }
  }
  return peer;
}

void AdsClient::Impl::begin(Subscriber& subscriber) {
  subscriber.late.reset();
  subscriber.replied_at.reset();
  subscriber.pace.reset();
  subscriber.forget_at.reset();
  const auto claims = untold_targets.contains(options.targets.at(target))
                          ? ClientSubscription::Claims::kNone
                          : ClientSubscription::Claims::kAll;
  // The node goes with the first request of a stream only.
  for (std::string& request :
       subscriber.state.begin(variant, node_sent ? nullptr : &node, claims)) {
    node_sent = true;
    send(std::move(request));
  }
}

void AdsClient::Impl::send(std::string request) {
  largest_request = std::max(largest_request, request.size());
  call->send(std::move(request));
}

void AdsClient::Impl::on_response(Result<DecodedResponse> response) {
  if (!response) {
    lost(response.error().message);
    return;
  }
  backoff.reset();
  told_failures.clear();
  last_response_at = clock.now();
  metrics.response_bytes.add(response->size_bytes);
  take(*response);
  if (!running) {
    return;  // a subscriber stopped us
  }
  if (!std::exchange(connected, true)) {
    metrics.connected.set(1);
    logger.info("connected target={} variant={}", options.targets.at(target),
                variant == XdsVariant::kDelta ? "delta" : "state-of-the-world");
    look_back_later();
    on_connection(true);
  }
  if (running) {
    call->read();
  }
}

void AdsClient::Impl::look_back_later() {
  if (target == 0) {
    look_backs.reset();
  } else if (options.fail_back_after.count() > 0) {
    transport->run_after(look_backs.next(), [this] { look_back(0); });
  }
}

void AdsClient::Impl::look_back(std::size_t at) {
  if (at >= target) {
    look_backs.reset();  // none was reached: that costs next to nothing
    look_back_later();
    return;
  }
  const auto peer = peer_of(options.targets.at(at));
  if (!peer) {
    look_back_later();
    return;
  }
  transport->probe(&*peer, [this, at](bool reached) {
    if (reached) {
      fail_back(at);
    } else {
      look_back(at + 1);
    }
  });
}

// The stream that serves is given up for one that comes before it. Should that one not serve, the
// next ones are tried at once, as after any loss.
void AdsClient::Impl::fail_back(std::size_t at) {
  logger.info("going back to a control plane that comes first target={}", options.targets.at(at));
  begin_anew(at);
}

void AdsClient::Impl::begin_anew(std::size_t at) {
  call.reset();
  connected = false;
  target = at;
  connect();
  if (!connected) {
    metrics.connected.set(0);
    on_connection(false);
  }
}

void AdsClient::Impl::take(const DecodedResponse& response) {
  const auto at = subscribers.find(key_of(response.type_url));
  if (at == subscribers.end()) {
    // An answer would be a subscription; there is none to give.
    logger.warn("response of a type not asked for type={}", escape_name(response.type_url));
    return;
  }
  Subscriber& subscriber = at->second;
  catch_up(subscriber);
  const std::size_t untold = subscriber.state.untold();
  ClientSubscription::Reply reply = subscriber.state.take(response, subscriber.on_response);
  auto delay = note_reply(response, reply, subscriber.pace);
  if (!running) {
    return;
  }
  if (reply.rejected == 0) {
    delay = ack_delay(response, subscriber);
  }
  if (delay.count() == 0) {
    send_reply(subscriber, std::move(reply.request));
  } else {
    subscriber.late = LateReply{clock.now() + delay, std::move(reply.request)};
  }
  note_retold(subscriber, untold);
  await_what_is_due();
}

// Nobody marks the end of what is told anew.
void AdsClient::Impl::note_retold(Subscriber& subscriber, std::size_t untold_before) {
  const std::size_t untold = subscriber.state.untold();
  if (untold == 0) {
    subscriber.forget_at.reset();
  } else if (untold < untold_before || !subscriber.forget_at) {
    subscriber.forget_at = clock.now() + kRetelling;
  }
}

std::chrono::milliseconds AdsClient::Impl::ack_delay(const DecodedResponse& response,
                                                     const Subscriber& subscriber) const {
  const bool is_small = response.resources.size() + response.removed.size() <= kSmallResponse;
  if (!is_small || !subscriber.replied_at) {
    return std::chrono::milliseconds(0);
  }
  const auto left = *subscriber.replied_at + options.ack_pause - clock.now();
  return std::max(std::chrono::ceil<std::chrono::milliseconds>(left), std::chrono::milliseconds(0));
}

void AdsClient::Impl::send_reply(Subscriber& subscriber, std::string request) {
  subscriber.replied_at = clock.now();
  send(std::move(request));
}

// Returns how long the reply is to wait.
std::chrono::milliseconds AdsClient::Impl::note_reply(const DecodedResponse& response,
                                                      const ClientSubscription::Reply& reply,
                                                      RefusalPace& pace) {
  if (reply.rejected == 0) {
    metrics.acks.of(response.type_url).add();
    pace.reset();
    return std::chrono::milliseconds(0);
  }
  metrics.nacks.of(response.type_url).add();
  metrics.rejected_resources.of(response.type_url).add(reply.rejected);
  const auto delay = pace.next(response.version, reply.error);
  if (delay.count() == 0) {
    logger.warn("resources rejected type={} count={} error=\"{}\"", escape_name(response.type_url),
                reply.rejected, escape_text(reply.error));
  } else {
    logger.debug("the same resources rejected again type={} count={} reply_after_ms={}",
                 escape_name(response.type_url), reply.rejected, delay.count());
  }
  return delay;
}

void AdsClient::Impl::catch_up(Subscriber& subscriber) {
  if (subscriber.late) {
    send_reply(subscriber, std::move(subscriber.late->request));
    subscriber.late.reset();
  }
}

void AdsClient::Impl::await_what_is_due() {
  std::optional<TimePoint> next;
  for (const auto& [key, subscriber] : subscribers) {
    if (subscriber.late) {
      next = std::min(next.value_or(subscriber.late->due), subscriber.late->due);
    }
    if (subscriber.forget_at) {
      next = std::min(next.value_or(*subscriber.forget_at), *subscriber.forget_at);
    }
  }
  // A timer that rings too early is cheaper than another one.
  if (next && (!due_timer_at || *next < *due_timer_at)) {
    due_timer_at = next;
    const auto delay = std::chrono::ceil<std::chrono::milliseconds>(*next - clock.now());
    call->run_after(std::max(delay, std::chrono::milliseconds(0)), [this] { do_what_is_due(); });
  }
}

void AdsClient::Impl::do_what_is_due() {
  due_timer_at.reset();
  for (auto& [key, subscriber] : subscribers) {
    if (subscriber.late && subscriber.late->due <= clock.now()) {
      catch_up(subscriber);
    }
    if (subscriber.forget_at && *subscriber.forget_at <= clock.now()) {
      subscriber.forget_at.reset();
      if (subscriber.state.untold() == 0) {
        continue;  // nobody asks for it any more
      }
      logger.info("what the control plane did not tell anew is gone type={} count={}",
                  escape_name(key.second), subscriber.state.untold());
      subscriber.state.forget_untold(subscriber.on_response);
      if (!running) {
        return;  // a subscriber stopped us
      }
    }
  }
  await_what_is_due();
}

void AdsClient::Impl::on_end(const AdsCallEnd& end) {
  if (end.unimplemented && variant == XdsVariant::kDelta && !connected) {
    const std::string& name = options.targets.at(target);
    logger.info("delta is not implemented, state of the world from now on target={}", name);
    sotw_targets.insert(name);
    call.reset();
    connect();
    return;
  }
  if (end.exhausted && variant == XdsVariant::kDelta && largest_request > kStockReceiveBytes &&
      untold_targets.insert(options.targets.at(target)).second) {
    logger.warn(
        "the control plane did not take what is held in one request; from now on it is not told, "
        "and tells all at each connection: raise its receive limit target={} bytes={} "
        "reason=\"{}\"",
        options.targets.at(target), largest_request, escape_text(end.reason));
    begin_anew(target);
    return;
  }
  if (end.unimplemented) {
    // It knows neither, for now: what stands before it may only be starting.
    sotw_targets.erase(options.targets.at(target));
  }
  lost(end.reason);
}

// The stream is of no use any more: the next target at once, or the first one after a while.
void AdsClient::Impl::lost(const std::string& reason) {
  transport->probe(nullptr, nullptr);
  call.reset();
  const bool was_connected = std::exchange(connected, false);
  // Each reason once: the first one may be that it only starts, the next that it refuses us.
  std::string& told = told_failures[options.targets.at(target)];
  if (told != reason) {
    logger.warn("control plane lost target={} reason=\"{}\"", options.targets.at(target),
                escape_text(reason));
    told = reason;
  }
  if (options.on_loss) {
    options.on_loss(reason);
  }
  const bool more_to_try = !was_connected && target + 1 < options.targets.size();
  target = more_to_try ? target + 1 : 0;
  const auto delay = more_to_try ? std::chrono::milliseconds(0) : backoff.next();
  transport->run_after(delay, [this] { connect(); });
  if (was_connected) {
    metrics.connected.set(0);
    on_connection(false);
  }
}

void AdsClient::Impl::stop() {
  if (!std::exchange(running, false)) {
    return;
  }
  transport->cancel_timer();
  transport->probe(nullptr, nullptr);
  call.reset();
  transport->disconnect();
  connected = false;
  metrics.connected.set(0);
}

Result<std::unique_ptr<AdsClient>> AdsClient::create(const Options& options, ControlThread thread,
                                                     Clock& clock, Logger& logger,
                                                     XdsClientMetrics& metrics) {
  if (auto checked = check_targets(options.targets); !checked) {
    return tl::unexpected(std::move(checked.error()));
  }
  return std::make_unique<AdsClient>(options, make_grpc_transport(options, std::move(thread)),
                                     clock, logger, metrics);
}

AdsClient::AdsClient(Options options, std::unique_ptr<AdsTransport> transport, Clock& clock,
                     Logger& logger, XdsClientMetrics& metrics)
    : impl_(std::make_unique<Impl>(std::move(options), std::move(transport), clock, logger,
                                   metrics)) {}

AdsClient::~AdsClient() { stop(); }

void AdsClient::subscribe(std::string_view type_url, const Interest& interest,
                          OnResponse on_response, HeldVersions held) {
  const auto [at, added] = impl_->subscribers.try_emplace(
      Impl::key_of(type_url),
      Impl::Subscriber{ClientSubscription(type_url, interest, std::move(held)),
                       std::move(on_response), RefusalPace(std::random_device{}())});
  if (added && impl_->can_send()) {
    impl_->begin(at->second);
  }
}

void AdsClient::set_interest(std::string_view type_url, const Interest& interest) {
  const auto at = impl_->subscribers.find(Impl::key_of(type_url));
  if (at == impl_->subscribers.end()) {
    return;
  }
  ClientSubscription& state = at->second.state;
  if (!impl_->can_send()) {
    state.change_offline(interest);
    return;
  }
  impl_->catch_up(at->second);
  const NodeInfo* const node = impl_->node_sent ? nullptr : &impl_->node;
  for (std::string& request : state.change(interest, node)) {
    impl_->node_sent = true;
    impl_->send(std::move(request));
  }
}

Result<void> AdsClient::set_targets(const std::vector<std::string>& targets) {
  auto checked = check_targets(targets);
  if (checked) {
    impl_->next_targets = targets == impl_->options.targets ? std::vector<std::string>() : targets;
  }
  return checked;
}

void AdsClient::observe_connection(OnConnection on_connection) {
  impl_->on_connection = std::move(on_connection);
}

void AdsClient::reconnect() {
  if (impl_->running) {
    impl_->transport->cancel_timer();
    impl_->transport->probe(nullptr, nullptr);
    impl_->begin_anew(0);
  }
}

void AdsClient::start() {
  if (!std::exchange(impl_->running, true)) {
    impl_->connect();
  }
}

void AdsClient::stop() { impl_->stop(); }

bool AdsClient::connected() const { return impl_->connected; }

std::optional<TimePoint> AdsClient::last_response_at() const { return impl_->last_response_at; }

}  // namespace meshdns::discovery
