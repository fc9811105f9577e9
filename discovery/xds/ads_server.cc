#include "discovery/xds/ads_server.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <pthread.h>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <grpc/compression.h>
#include <grpc/grpc.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <grpcpp/support/status.h>

#include "base/ip_address.h"
#include "base/log.h"
#include "base/resident_memory.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "discovery/xds/ads_server_stream.h"
#include "discovery/xds/client_authenticator.h"
#include "discovery/xds/client_status_service.h"
#include "discovery/xds/connection_acceptor.h"
#include "discovery/xds/discovery_method.h"
#include "discovery/xds/metrics.h"
#include "discovery/xds/received_octets.h"
#include "discovery/xds/refused_call.h"
#include "discovery/xds/resource_set.h"
#include "discovery/xds/server_credentials.h"
#include "discovery/xds/server_session.h"
#include "discovery/xds/stream_status.h"
#include "discovery/xds/unfinished_requests.h"
#include "discovery/xds/watch_pace.h"

namespace meshdns::discovery {
namespace {

// Clients may ping this often; gRPC's default of 5 minutes would cut ours off.
constexpr int kMinimumPingIntervalMilliseconds = 5'000;

// How often it is looked whether the process grows: so long a client brings what it can.
constexpr std::chrono::milliseconds kWatchPeriod{100};

using StreamPtr = std::shared_ptr<AdsServerStream>;

std::vector<std::string> authorization_of(const grpc::GenericCallbackServerContext& context) {
  std::vector<std::string> values;
  const auto [begin, end] = context.client_metadata().equal_range("authorization");
  for (auto value = begin; value != end; ++value) {
    values.emplace_back(value->second.data(), value->second.size());
  }
  return values;
}

}  // namespace

// Lock order: a client status call's mutex, then a stream's, then `mutex`, then a ResourceSet's
// listeners, then `dirty_mutex`. That of `unfinished` is taken with any of them held, and none
// with it.
struct AdsServer::Impl final : public grpc::CallbackGenericService {
  struct Audience {
    std::shared_ptr<ResourceSet> resources;
    std::uint64_t listener = 0;
    std::set<StreamPtr> streams;
  };

  struct Place {
    StreamPtr stream;
    std::uint64_t number = 0;  // of streams, in their order
  };

  Impl(Options given, AudienceFor given_audience_for, Logger& given_logger,
       XdsServerMetrics& given_metrics)
      : options(std::move(given)),
        audience_for(std::move(given_audience_for)),
        credentials(make_server_credentials(options.certificates)),
        logger(given_logger),
        metrics(given_metrics),
        unfinished({.octets_of_one = options.max_unfinished_bytes_per_connection,
                    .octets_of_all = options.max_unfinished_bytes,
                    .patience = options.unfinished_timeout}),
        client_status(
            options,
            [this](std::size_t limit, const auto& wanted) { return statuses(limit, wanted); },
            logger, metrics, unfinished) {}

  grpc::ServerGenericBidiReactor* CreateReactor(
      grpc::GenericCallbackServerContext* context) override {
    if (const auto method = find_client_status_method(context->method())) {
      return client_status.open(*method, context->peer(), *context);
    }
    const auto method = find_discovery_method(context->method());
    if (!method) {
      return grpc::CallbackGenericService::CreateReactor(context);  // UNIMPLEMENTED
    }
    std::shared_ptr<const ClientIdentity> identity;
    if (options.authenticator != nullptr) {
      auto found = options.authenticator->authenticate(authorization_of(*context));
      if (!found) {
        metrics.streams_refused.add();
        logger.warn("client refused peer={} reason=\"{}\"", escape_name(context->peer()),
                    escape_text(found.error().message));
        return new RefusedCall({grpc::StatusCode::UNAUTHENTICATED, found.error().message});
      }
      identity = *std::move(found);
    }
    std::unique_lock lock(mutex);
    if (streams_of_peer(context->peer()) >= most_of_peer()) {
      metrics.streams_refused.add();
      return new RefusedCall(
          {grpc::StatusCode::RESOURCE_EXHAUSTED, "too many streams on one connection"});
    }
    const bool is_full = open_streams.size() >= options.max_streams;
    const StreamPtr displaced = is_full ? take_longest_silent() : nullptr;
    if (is_full && displaced == nullptr) {
      metrics.streams_refused.add();
      return new RefusedCall({grpc::StatusCode::RESOURCE_EXHAUSTED, "too many streams"});
    }
    auto session = std::make_unique<ServerSession>(
        method->variant, options, audience_for, logger, metrics,
        SessionTerms{.identity = std::move(identity), .only_type = method->type_url});
    const StreamPtr stream = AdsServerStream::open(
        std::move(session), *context,
        {[this](const StreamPtr& admitted) { admit(admitted); },
         [this] { metrics.streams_refused.add(); }, [this](AdsServerStream* done) { forget(done); },
         [this](std::int64_t more) { octets_past_due += more; }},
        options.first_request_timeout);
    metrics.streams_opened.add();
    open_streams.emplace(stream.get(), Place{.stream = stream, .number = ++last_number});
    silent_streams.emplace(last_number, stream);
    ++peers[stream->peer()];
    unfinished.add_call(stream->peer(), stream);
    metrics.streams.set(static_cast<double>(open_streams.size()));
    lock.unlock();
    if (displaced != nullptr) {
      displaced->end_if_silent();
    }
    return stream.get();
  }

  // Who has said nothing gives way to a newcomer, who may. Under the mutex, as it is to be ended
  // without. Null: all have spoken, or too many of those that gave way do not go.
  [[nodiscard]] StreamPtr take_longest_silent() {
    if (silent_streams.empty() || open_streams.size() >= 2 * options.max_streams) {
      return nullptr;
    }
    StreamPtr longest = std::move(silent_streams.begin()->second);
    silent_streams.erase(silent_streams.begin());
    return longest;
  }

  // gRPC 1.51 believes a client that acknowledges no settings, and one that does before they are
  // sent, to have been told of no limit.
  [[nodiscard]] std::size_t most_of_peer() const {
    return 2 * static_cast<std::size_t>(options.max_streams_per_connection);
  }
  // On a unix socket all clients are called the same.
  [[nodiscard]] std::size_t streams_of_peer(const std::string& peer) const {
    const auto found = peers.find(peer);
    return found == peers.end() || peer.starts_with("unix:") ? 0 : found->second;
  }

  // From now on the stream is pushed to when its audience changes.
  void admit(const StreamPtr& stream) {
    const std::lock_guard lock(mutex);
    silent_streams.erase(open_streams.at(stream.get()).number);
    ResourceSet* const resources = stream->audience().get();
    Audience& audience = audiences[resources];
    if (audience.resources == nullptr) {
      audience.resources = stream->audience();
      audience.listener = resources->add_listener([this, resources] { mark_dirty(resources); });
    }
    audience.streams.insert(stream);
  }

  void forget(AdsServerStream* stream) {
    const std::lock_guard lock(mutex);
    const auto open = open_streams.find(stream);
    unfinished.remove_call(stream->peer(), stream);
    if (const auto at = audiences.find(stream->audience().get()); at != audiences.end()) {
      at->second.streams.erase(open->second.stream);
      if (at->second.streams.empty()) {
        at->second.resources->remove_listener(at->second.listener);
        audiences.erase(at);
      }
    }
    if (const auto peer = peers.find(stream->peer()); --peer->second == 0) {
      peers.erase(peer);
    }
    silent_streams.erase(open->second.number);
    open_streams.erase(open);
    metrics.streams.set(static_cast<double>(open_streams.size()));
  }

  // The watching thread.
  void run_watcher() {
    std::unique_lock lock(watch_mutex);
    while (!stop_watcher_changed.wait_for(lock, kWatchPeriod, [this] { return stop_watcher; })) {
      cut_past_due();
      const auto now = std::chrono::steady_clock::now();
      if (watch_pace.is_due(now, resident_octets())) {
        look_for_unfinished(now);
      }
    }
  }

  // Those first that keep most; as long as they are there, no others.
  void cut_past_due() {
    std::int64_t past_limit =
        octets_past_due - static_cast<std::int64_t>(options.max_subscription_bytes);
    if (past_limit <= 0) {
      return;
    }
    std::multimap<std::int64_t, StreamPtr, std::greater<>> most_first;
    for (StreamPtr& stream : some_streams(std::numeric_limits<std::size_t>::max())) {
      most_first.emplace(stream->octets_past_due(), std::move(stream));
    }
    for (const auto& [octets, stream] : most_first) {
      if (past_limit <= 0) {
        break;
      }
      past_limit -= octets;
      const Error reason{ErrorCode::kExhausted,
                         fmt::format("{} octets of subscriptions to names that are not there, "
                                     "while all together have too many",
                                     octets)};
      logger.warn("client cut peer={} calls=1 reason=\"{}\"", escape_name(stream->peer()),
                  reason.message);
      metrics.streams_refused.add();
      stream->cut(reason);
    }
  }

  void look_for_unfinished(UnfinishedRequests::Time now) {
    const UnfinishedRequests::Findings findings = unfinished.look(now);
    for (const auto& call : findings.to_ask) {
      call->ask_for_sign_of_life();
    }
    for (const auto& cut : findings.to_cut) {
      logger.warn("client cut peer={} calls={} reason=\"{}\"", cut.peer.to_string(),
                  cut.calls.size(), cut.reason.message);
      for (const auto& call : cut.calls) {
        metrics.streams_refused.add();
        call->cut(cut.reason);
      }
    }
  }

  void mark_dirty(ResourceSet* resources) {
    const std::lock_guard lock(dirty_mutex);
    dirty.insert(resources);
    dirty_changed.notify_one();
  }

  // The pushing thread: commits made while it is busy are one push.
  void run_pusher() {
    std::unique_lock lock(dirty_mutex);
    while (!stop_pusher) {
      if (dirty.empty()) {
        dirty_changed.wait(lock);
        continue;
      }
      const std::set<ResourceSet*> due = std::exchange(dirty, {});
      lock.unlock();
      for (ResourceSet* const resources : due) {
        for (const StreamPtr& stream : streams_of(resources)) {
          stream->push();
        }
      }
      lock.lock();
    }
  }

  std::vector<StreamPtr> streams_of(ResourceSet* resources) {
    const std::lock_guard lock(mutex);
    const auto at = audiences.find(resources);
    if (at == audiences.end()) {
      return {};
    }
    return {at->second.streams.begin(), at->second.streams.end()};
  }

  std::vector<StreamPtr> some_streams(std::size_t limit) {
    const std::lock_guard lock(mutex);
    std::vector<StreamPtr> some;
    some.reserve(std::min(limit, open_streams.size()));
    for (const auto& [key, place] : open_streams) {
      if (some.size() == limit) {
        break;
      }
      some.push_back(place.stream);
    }
    return some;
  }

  // Of streams whose node's id is `wanted`. Without the server's lock while a stream is asked,
  // which may wait for it while it holds its own.
  std::vector<StreamStatus> statuses(std::size_t limit,
                                     const std::function<bool(std::string_view)>& wanted) {
    std::vector<StreamStatus> statuses;
    for (const StreamPtr& stream : some_streams(std::numeric_limits<std::size_t>::max())) {
      if (statuses.size() == limit) {
        break;
      }
      if (wanted(stream->node_id())) {
        statuses.push_back(stream->status());
      }
    }
    return statuses;
  }

  Result<void> listen();
  // Any thread.
  void hand_over(UniqueFd connection, const SocketAddress& peer);
  void shut_down();

  const Options options;
  const AudienceFor audience_for;
  const std::shared_ptr<grpc::ServerCredentials> credentials;
  Logger& logger;
  XdsServerMetrics& metrics;
  UnfinishedRequests unfinished;
  std::atomic<std::int64_t> octets_past_due = 0;  // of all streams
  ClientStatusService client_status;

  std::mutex mutex;  // guards the four maps
  std::unordered_map<AdsServerStream*, Place> open_streams;
  std::uint64_t last_number = 0;
  std::map<std::uint64_t, StreamPtr> silent_streams;   // that gave no first request, by number
  std::unordered_map<std::string, std::size_t> peers;  // how many of them, by connection
  std::unordered_map<ResourceSet*, Audience> audiences;

  std::mutex dirty_mutex;  // guards what follows
  std::condition_variable dirty_changed;
  std::set<ResourceSet*> dirty;
  bool stop_pusher = false;

  std::mutex watch_mutex;  // guards stop_watcher
  std::condition_variable stop_watcher_changed;
  bool stop_watcher = false;
  WatchPace watch_pace;  // the watching thread's

  int port = 0;
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> connections;
  std::unique_ptr<grpc::Server> server;
  std::unique_ptr<ConnectionAcceptor> acceptor;  // null: gRPC listens, on a unix socket
  std::thread pusher;
  std::thread watcher;
};

Result<void> AdsServer::Impl::listen() {
  // gRPC would resolve a name; we take none.
  const auto address = SocketAddress::parse(options.listen);
  if (!address && !options.listen.starts_with("unix:")) {
    return fail("xDS listen address", address.error());
  }
  const auto milliseconds = [](std::chrono::milliseconds value) {
    return static_cast<int>(value.count());
  };
  const int receive_bytes =
      static_cast<int>(std::min<std::size_t>(options.max_receive_bytes, 1UL << 30U));
  grpc::ServerBuilder builder;
  builder.RegisterCallbackGenericService(this)
      .SetMaxReceiveMessageSize(receive_bytes)
      .SetMaxSendMessageSize(-1)
      // What is unpacked is measured too late: a small request could take all memory there is.
      .AddChannelArgument(GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0)
      .AddChannelArgument(GRPC_COMPRESSION_CHANNEL_ENABLED_ALGORITHMS_BITSET,
                          1 << GRPC_COMPRESS_NONE)
      .AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS,
                          milliseconds(options.handshake_timeout))
      .AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS, milliseconds(options.idle_timeout))
      .AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, options.max_streams_per_connection)
      .AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, milliseconds(options.keepalive_time))
      .AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, milliseconds(options.keepalive_timeout))
      .AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1)
      .AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0)
      // Whose pings after every request wake the client; what is to be read makes its own room.
      .AddChannelArgument(GRPC_ARG_HTTP2_BDP_PROBE, 0)
      .AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                          kMinimumPingIntervalMilliseconds);
  if (address) {
    auto listening = ConnectionAcceptor::listen(*address, options.keepalive_timeout, logger);
    if (!listening) {
      return fail(fmt::format("cannot listen for xDS on {}", options.listen), listening.error());
    }
    acceptor = *std::move(listening);
    port = acceptor->port();
    connections = builder.experimental().AddExternalConnectionAcceptor(
        grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD, credentials);
  } else {
    builder.AddListeningPort(options.listen, credentials);
  }
  server = builder.BuildAndStart();
  if (server == nullptr) {
    return fail(ErrorCode::kNetwork, fmt::format("cannot listen for xDS on {}", options.listen));
  }
  if (acceptor) {
    acceptor->start([this](UniqueFd connection, const SocketAddress& peer) {
      hand_over(std::move(connection), peer);
    });
  }
  pusher = std::thread([this] { run_pusher(); });
  watcher = std::thread([this] { run_watcher(); });
  pthread_setname_np(watcher.native_handle(), "xds-watch");  // for `top -H`
  return {};
}

void AdsServer::Impl::hand_over(UniqueFd connection, const SocketAddress& peer) {
  if (const auto octets = ReceivedOctets::of(connection.get())) {
    unfinished.add_connection(peer, [octets = *octets] { return octets.read(); });
  }
  grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters taken;
  taken.fd = connection.release();
  connections->HandleNewConnection(&taken);
}

void AdsServer::Impl::shut_down() {
  if (!pusher.joinable()) {
    return;
  }
  if (acceptor) {
    acceptor->stop();
  }
  {
    const std::lock_guard lock(watch_mutex);
    stop_watcher = true;
    stop_watcher_changed.notify_one();
  }
  watcher.join();
  for (const StreamPtr& stream : some_streams(std::numeric_limits<std::size_t>::max())) {
    stream->end({grpc::StatusCode::UNAVAILABLE, "shutting down"});
  }
  client_status.end_calls();
  server->Shutdown(std::chrono::system_clock::now() + options.shutdown_grace);
  server->Wait();
  {
    const std::lock_guard lock(dirty_mutex);
    stop_pusher = true;
    dirty_changed.notify_one();
  }
  pusher.join();
  server.reset();
}

AdsServer::AdsServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

AdsServer::~AdsServer() { shutdown(); }

Result<std::unique_ptr<AdsServer>> AdsServer::start(const Options& options,
                                                    AudienceFor audience_for, Logger& logger,
                                                    XdsServerMetrics& metrics) {
  auto impl = std::make_unique<Impl>(options, std::move(audience_for), logger, metrics);
  if (auto listening = impl->listen(); !listening) {
    return tl::unexpected(std::move(listening.error()));
  }
  return std::unique_ptr<AdsServer>(new AdsServer(std::move(impl)));
}

std::uint16_t AdsServer::port() const { return static_cast<std::uint16_t>(impl_->port); }

std::size_t AdsServer::streams() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->open_streams.size();
}

std::vector<StreamStatus> AdsServer::statuses(std::size_t limit) const {
  return impl_->statuses(limit, [](std::string_view) { return true; });
}

void AdsServer::recheck_clients() {
  for (const StreamPtr& stream : impl_->some_streams(std::numeric_limits<std::size_t>::max())) {
    stream->recheck_client();
  }
}

void AdsServer::shutdown() { impl_->shut_down(); }

}  // namespace meshdns::discovery
