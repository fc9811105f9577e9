#include "discovery/xds/grpc_transport.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include <grpc/compression.h>
#include <grpc/grpc.h>
#include <grpcpp/channel.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>

#include "discovery/xds/ads_client.h"
#include "discovery/xds/ads_transport.h"
#include "discovery/xds/grpc_queue.h"
#include "discovery/xds/grpc_stream.h"
#include "discovery/xds/request.h"

namespace meshdns::discovery {
namespace {

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

// With its own connections.
std::shared_ptr<grpc::Channel> make_channel(const AdsPeer& peer,
                                            const AdsClient::Options& options) {
  const auto milliseconds = [](std::chrono::milliseconds value) {
    return static_cast<int>(value.count());
  };
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);  // no name of http_proxy= is ever resolved
  arguments.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  // AdsClient begins anew by itself. And while gRPC 1.51.1 may try a call again, one whose
  // connection ends before its headers came is never told so.
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
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

// A fresh channel for each attempt: so how long to wait is for our backoff alone to say, and never
// for a channel's. But one whose connection was there and has ended connects once more: it alone
// knows whether the server took our keepalive for abuse (GOAWAY with too_many_pings: gRPC's servers
// allow one ping in 5 minutes unless they are told to allow more), and then pings half as often
// (gRPC proposal A8).
class Channels {
 public:
  explicit Channels(AdsClient::Options options) : options_(std::move(options)) {}

  [[nodiscard]] std::shared_ptr<grpc::Channel> next(const AdsPeer& peer) {
    const bool has_ended = last_ != nullptr && last_->GetState(false) == GRPC_CHANNEL_IDLE;
    if (!has_ended || peer != last_peer_) {
      last_ = make_channel(peer, options_);
      last_peer_ = peer;
    }
    return last_;
  }
  void forget() { last_.reset(); }

 private:
  AdsClient::Options options_;
  std::shared_ptr<grpc::Channel> last_;
  AdsPeer last_peer_;
};

class GrpcCall final : public AdsCall {
 public:
  GrpcCall(std::shared_ptr<grpc::Channel> channel, const std::string& token, XdsVariant variant,
           std::shared_ptr<GrpcQueue> queue, const AdsClient::ControlThread& thread,
           AdsCallEvents events)
      : queue_(std::move(queue)),
        thread_(thread),
        events_(std::make_shared<AdsCallEvents>(std::move(events))),
        stream_(std::move(channel), token, variant, queue_->queue(), thread.post, events_) {}

  void when_standing(std::function<void()> task) override {
    stream_.when_standing(std::move(task));
  }
  void send(std::string request) override { stream_.send(std::move(request)); }
  void read() override { stream_.read(); }
  void run_after(std::chrono::milliseconds delay, std::function<void()> task) override {
    timer_ = thread_.run_after(delay, std::move(task));
  }

 private:
  std::shared_ptr<GrpcQueue> queue_;
  AdsClient::ControlThread thread_;
  std::shared_ptr<AdsCallEvents> events_;
  GrpcStream stream_;  // gone before the events, which posted tasks look for later
  std::shared_ptr<void> timer_;
};

// Connects on a thread of its own, which ends within a tenth of a second once nobody waits for it.
class Probe {
 public:
  Probe(std::shared_ptr<grpc::Channel> channel, std::chrono::milliseconds bound,
        std::function<void(std::function<void()>)> post, std::function<void(bool)> done)
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
  GrpcTransport(AdsClient::Options options, AdsClient::ControlThread thread)
      : options_(std::move(options)), thread_(std::move(thread)), channels_(options_) {}

  std::unique_ptr<AdsCall> open(const AdsPeer& peer, XdsVariant variant,
                                AdsCallEvents events) override {
    return std::make_unique<GrpcCall>(channels_.next(peer), peer.credentials.token, variant, queue_,
                                      thread_, std::move(events));
  }
  void probe(const AdsPeer* peer, std::function<void(bool)> done) override {
    probe_.reset();
    if (peer != nullptr) {
      probe_ = std::make_unique<Probe>(make_channel(*peer, options_), options_.connect_timeout,
                                       thread_.post, std::move(done));
    }
  }
  void run_after(std::chrono::milliseconds delay, std::function<void()> task) override {
    timer_ = thread_.run_after(delay, std::move(task));
  }
  void cancel_timer() override { timer_.reset(); }
  void disconnect() override { channels_.forget(); }

 private:
  AdsClient::Options options_;
  AdsClient::ControlThread thread_;
  Channels channels_;
  std::shared_ptr<GrpcQueue> queue_ = std::make_shared<GrpcQueue>();  // its calls hold it as well
  std::shared_ptr<void> timer_;
  std::unique_ptr<Probe> probe_;
};

}  // namespace

std::unique_ptr<AdsTransport> make_grpc_transport(const AdsClient::Options& options,
                                                  AdsClient::ControlThread thread) {
  return std::make_unique<GrpcTransport>(options, std::move(thread));
}

}  // namespace meshdns::discovery
