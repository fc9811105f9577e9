#include "discovery/xds/grpc_transport.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include <fmt/format.h>
#include <grpc/compression.h>
#include <grpc/grpc.h>
#include <grpcpp/alarm.h>
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/channel_arguments.h>
#include <grpcpp/support/client_callback.h>
#include <grpcpp/support/slice.h>
#include <grpcpp/support/status.h>

#include "base/result.h"
#include "discovery/xds/ads_client.h"
#include "discovery/xds/ads_transport.h"
#include "discovery/xds/request.h"
#include "discovery/xds/response.h"

namespace meshdns::discovery {
namespace {

constexpr const char* kSotwMethod =
    "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources";
constexpr const char* kDeltaMethod =
    "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";

using GenericStub = grpc::TemplatedGenericStub<grpc::ByteBuffer, grpc::ByteBuffer>;

// Requests that wait for the server to take them; names that are asked for come in one.
constexpr std::size_t kMostWaiting = 16;

std::shared_ptr<grpc::ChannelCredentials> channel_credentials(const AdsCredentials& credentials) {
  if (!credentials.tls) {
    return grpc::InsecureChannelCredentials();
  }
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = credentials.ca_certificates;
  options.pem_cert_chain = credentials.certificate;
  options.pem_private_key = credentials.key;
  return grpc::SslCredentials(options);
}

// A fresh channel for each attempt, with its own connections: so how long to wait is for our
// backoff alone to say, and never for a channel's.
std::shared_ptr<grpc::Channel> make_channel(const AdsPeer& peer,
                                            const AdsClient::Options& options) {
  const auto milliseconds = [](std::chrono::milliseconds value) {
    return static_cast<int>(value.count());
  };
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);  // no name of http_proxy= is ever resolved
  arguments.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  // The least backoff is also the time a connection attempt may take.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, milliseconds(options.connect_timeout));
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, milliseconds(options.backoff.initial));
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, milliseconds(options.backoff.maximum));
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, milliseconds(options.keepalive_time));
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, milliseconds(options.keepalive_timeout));
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  // It pings after every response, which wakes both ends; what is to be read makes its own room.
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  arguments.SetMaxReceiveMessageSize(
      static_cast<int>(std::min<std::size_t>(options.max_receive_bytes, 1UL << 30U)));
  arguments.SetMaxSendMessageSize(-1);
  // What is unpacked is measured too late: a small message could take all memory there is.
  arguments.SetInt(GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0);
  arguments.SetInt(GRPC_COMPRESSION_CHANNEL_ENABLED_ALGORITHMS_BITSET, 1U << GRPC_COMPRESS_NONE);
  if (!peer.authority.empty()) {
    arguments.SetString(GRPC_ARG_DEFAULT_AUTHORITY, peer.authority);
  }
  return grpc::CreateCustomChannel(peer.target, channel_credentials(peer.credentials), arguments);
}

// What a posted task needs to know to be void: whether its call still exists. Control thread only.
struct CallHandle {
  AdsCallEvents events;
};

// Set by the last of a call's callbacks. Shared, so that its setter may still hold the lock when
// the waiter has already destroyed everything else.
struct Done {
  std::mutex mutex;
  std::condition_variable changed;
  bool done = false;
};

// The gRPC side of a call. Destroyed on the control thread after OnDone: gRPC's threads must never
// release the last reference to a channel, because that joins them.
class Stream final : public grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  Stream(std::shared_ptr<grpc::Channel> channel, const std::string& token, XdsVariant variant,
         AdsClient::Post post, std::weak_ptr<CallHandle> handle)
      : stub_(std::move(channel)),
        variant_(variant),
        post_(std::move(post)),
        handle_(std::move(handle)) {
    if (!token.empty()) {
      context_.AddMetadata("authorization", token);
    }
  }

  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  ~Stream() override {
    cancel();
    std::unique_lock lock(done_->mutex);
    done_->changed.wait(lock, [this] { return done_->done; });
  }

  // Once, before anything else.
  void start() {
    stub_.PrepareBidiStreamingCall(
        &context_, variant_ == XdsVariant::kSotw ? kSotwMethod : kDeltaMethod, {}, this);
    AddHold();  // reads and writes start outside of reactions; released by close_locked()
    StartCall();
  }

  void send(std::string request) {
    const std::lock_guard lock(mutex_);
    if (closed_) {
      return;
    }
    requests_.push_back(std::move(request));
    if (!writing_) {
      write_locked();
    }
  }

  void read() {
    const std::lock_guard lock(mutex_);
    read_is_due_ = true;
    read_locked();
  }

 private:
  void cancel() {
    context_.TryCancel();
    const std::lock_guard lock(mutex_);
    cancelled_ = true;
    if (!reading_) {
      close_locked();
    }
  }

  void OnReadDone(bool ok) override {
    if (ok) {
      post_response(decode());
    }
    const std::lock_guard lock(mutex_);
    reading_ = false;
    if (!ok || cancelled_) {  // a read may still succeed after the cancellation
      close_locked();
    }
  }

  void OnWriteDone(bool ok) override {
    const std::lock_guard lock(mutex_);
    writing_ = false;
    if (ok && !closed_ && !requests_.empty()) {
      write_locked();
    }
    read_locked();
  }

  void OnDone(const grpc::Status& status) override {
    AdsCallEnd end{
        status.error_code() == grpc::StatusCode::UNIMPLEMENTED,
        fmt::format("{} (code {})", status.error_message(), static_cast<int>(status.error_code()))};
    post_([handle = handle_, end = std::move(end)] {
      if (const auto alive = handle.lock()) {
        alive->events.on_end(end);
      }
    });
    const std::shared_ptr<Done> done = done_;  // `this` may be gone once it is set
    const std::lock_guard lock(done->mutex);
    done->done = true;
    done->changed.notify_all();
  }

  Result<DecodedResponse> decode() {
    grpc::Slice slice;
    if (!incoming_.TrySingleSlice(&slice).ok() && !incoming_.DumpToSingleSlice(&slice).ok()) {
      return fail(ErrorCode::kInternal, "a response could not be read");
    }
    incoming_.Clear();
    // Octets as characters: the same bytes under the name protobuf's API gives them.
    const auto* const bytes = reinterpret_cast<const char*>(slice.begin());  // NOLINT(*-cast)
    return decode_response(variant_, std::string_view(bytes, slice.size()));
  }

  void post_response(Result<DecodedResponse> response) {
    // Shared, because a std::function must be copyable and a response is big.
    auto shared = std::make_shared<Result<DecodedResponse>>(std::move(response));
    post_([handle = handle_, shared] {
      if (const auto alive = handle.lock()) {
        alive->events.on_response(std::move(*shared));
      }
    });
  }

  // Each response begets a request: a server that takes none is not listened to.
  void read_locked() {
    if (read_is_due_ && !closed_ && !cancelled_ && requests_.size() <= kMostWaiting) {
      read_is_due_ = false;
      reading_ = true;
      StartRead(&incoming_);
    }
  }

  void write_locked() {
    const grpc::Slice slice(requests_.front());
    outgoing_ = grpc::ByteBuffer(&slice, 1);
    requests_.pop_front();
    writing_ = true;
    StartWrite(&outgoing_);
  }

  // No read or write starts from now on.
  void close_locked() {
    if (!std::exchange(closed_, true)) {
      RemoveHold();
    }
  }

  GenericStub stub_;
  grpc::ClientContext context_;
  XdsVariant variant_;
  AdsClient::Post post_;
  std::weak_ptr<CallHandle> handle_;
  std::shared_ptr<Done> done_ = std::make_shared<Done>();
  grpc::ByteBuffer incoming_;  // owned by gRPC while reading_
  grpc::ByteBuffer outgoing_;  // owned by gRPC while writing_

  std::mutex mutex_;  // guards what follows
  std::deque<std::string> requests_;
  bool read_is_due_ = false;
  bool reading_ = false;
  bool writing_ = false;
  bool cancelled_ = false;
  bool closed_ = false;
};

// A timer whose callback, on a thread of gRPC's, only posts.
class Timer {
 public:
  Timer(std::chrono::milliseconds delay, AdsClient::Post post, std::function<void()> task)
      : task_(std::make_shared<std::function<void()>>(std::move(task))), post_(std::move(post)) {
    alarm_.Set(std::chrono::system_clock::now() + delay,
               [post = post_, weak = std::weak_ptr(task_), rung = rung_](bool rang) {
                 ring(rang, post, weak, rung);
               });
  }
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  ~Timer() {
    task_.reset();
    alarm_.Cancel();
    std::unique_lock lock(rung_->mutex);
    rung_->changed.wait(lock, [this] { return rung_->done; });
  }

 private:
  static void ring(bool rang, const AdsClient::Post& post,
                   const std::weak_ptr<std::function<void()>>& weak,
                   const std::shared_ptr<Done>& rung) {
    if (rang) {
      post([weak] {
        if (const auto task = weak.lock()) {
          (*task)();
        }
      });
    }
    const std::lock_guard lock(rung->mutex);
    rung->done = true;
    rung->changed.notify_all();
  }

  std::shared_ptr<std::function<void()>> task_;
  AdsClient::Post post_;
  std::shared_ptr<Done> rung_ = std::make_shared<Done>();
  grpc::Alarm alarm_;
};

class GrpcCall final : public AdsCall {
 public:
  GrpcCall(std::shared_ptr<grpc::Channel> channel, const std::string& token, XdsVariant variant,
           const AdsClient::Post& post, AdsCallEvents events)
      : post_(post),
        handle_(std::make_shared<CallHandle>(std::move(events))),
        stream_(std::move(channel), token, variant, post, handle_) {
    stream_.start();
  }

  void send(std::string request) override { stream_.send(std::move(request)); }
  void read() override { stream_.read(); }
  void run_after(std::chrono::milliseconds delay, std::function<void()> task) override {
    timer_ = std::make_unique<Timer>(delay, post_, std::move(task));
  }

 private:
  AdsClient::Post post_;
  std::shared_ptr<CallHandle> handle_;
  Stream stream_;  // gone before the handle, which posted tasks look for later
  std::unique_ptr<Timer> timer_;
};

// Connects on a thread of its own, which ends within a tenth of a second once nobody waits for it.
class Probe {
 public:
  Probe(std::shared_ptr<grpc::Channel> channel, std::chrono::milliseconds bound,
        AdsClient::Post post, std::function<void(bool)> done)
      : done_(std::make_shared<std::function<void(bool)>>(std::move(done))),
        thread_([this, channel = std::move(channel), bound, post = std::move(post),
                 weak = std::weak_ptr(done_)] {
          const bool reached = connect(*channel, bound);
          post([weak, reached] {
            if (const auto told = weak.lock()) {
              const auto call = *told;  // it may replace this probe
              call(reached);
            }
          });
        }) {}
  Probe(const Probe&) = delete;
  Probe& operator=(const Probe&) = delete;
  ~Probe() {
    done_.reset();
    stopped_ = true;
    thread_.join();
  }

 private:
  [[nodiscard]] bool connect(grpc::Channel& channel, std::chrono::milliseconds bound) const {
    constexpr std::chrono::milliseconds kSlice{100};
    for (auto waited = kSlice; waited <= bound && !stopped_; waited += kSlice) {
      if (channel.WaitForConnected(std::chrono::system_clock::now() + kSlice)) {
        return true;
      }
    }
    return false;
  }

  std::shared_ptr<std::function<void(bool)>> done_;
  std::atomic<bool> stopped_{false};
  std::thread thread_;  // last
};

class GrpcTransport final : public AdsTransport {
 public:
  GrpcTransport(AdsClient::Options options, AdsClient::Post post)
      : options_(std::move(options)), post_(std::move(post)) {}

  std::unique_ptr<AdsCall> open(const AdsPeer& peer, XdsVariant variant,
                                AdsCallEvents events) override {
    return std::make_unique<GrpcCall>(make_channel(peer, options_), peer.credentials.token, variant,
                                      post_, std::move(events));
  }
  void probe(const AdsPeer* peer, std::function<void(bool)> done) override {
    probe_.reset();
    if (peer != nullptr) {
      probe_ = std::make_unique<Probe>(make_channel(*peer, options_), options_.connect_timeout,
                                       post_, std::move(done));
    }
  }
  void run_after(std::chrono::milliseconds delay, std::function<void()> task) override {
    timer_ = std::make_unique<Timer>(delay, post_, std::move(task));
  }
  void cancel_timer() override { timer_.reset(); }

 private:
  AdsClient::Options options_;
  AdsClient::Post post_;
  std::unique_ptr<Timer> timer_;
  std::unique_ptr<Probe> probe_;
};

}  // namespace

std::unique_ptr<AdsTransport> make_grpc_transport(const AdsClient::Options& options,
                                                  AdsClient::Post post) {
  return std::make_unique<GrpcTransport>(options, std::move(post));
}

}  // namespace meshdns::discovery
