#include "tests/support/scripted_ads.h"

#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/slice.h>
#include <grpcpp/support/status.h>

#include "base/ip_address.h"
#include "envoy/service/discovery/v3/discovery.pb.h"
#include "tests/support/dns_client.h"

namespace meshdns::support {
namespace {

using envoy::service::discovery::v3::DeltaDiscoveryRequest;
using envoy::service::discovery::v3::DiscoveryRequest;

constexpr const char* kDeltaMethod =
    "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";
constexpr const char* kSotwMethod =
    "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources";

// What the test's thread and gRPC's threads share. Outlives the streams.
struct Desk {
  std::mutex mutex;  // guards what follows
  std::condition_variable changed;
  int streams = 0;  // so far
  int refusals = 0;
  std::string authorization;  // of the newest
};

class Stream final : public grpc::ServerGenericBidiReactor {
 public:
  explicit Stream(std::shared_ptr<Desk> desk) : desk_(std::move(desk)) { StartRead(&incoming_); }

  void OnReadDone(bool ok) override {
    const std::lock_guard lock(desk_->mutex);
    if (!ok) {
      is_over_ = true;
      finish_locked(grpc::Status::OK);
    } else {
      grpc::Slice slice;
      if (incoming_.DumpToSingleSlice(&slice).ok()) {
        requests_.emplace_back(slice.begin(), slice.end());
      }
      incoming_.Clear();
      StartRead(&incoming_);
    }
    desk_->changed.notify_all();
  }
  void OnWriteDone(bool ok) override {
    const std::lock_guard lock(desk_->mutex);
    writing_ = false;
    if (!ok) {
      messages_.clear();
    }
    write_locked();
  }
  void OnCancel() override {
    const std::lock_guard lock(desk_->mutex);
    is_over_ = true;
    finish_locked(grpc::Status::CANCELLED);
    desk_->changed.notify_all();
  }
  void OnDone() override { self_.reset(); }

  // The rest under the desk's mutex.
  void hold(std::shared_ptr<Stream> self) { self_ = std::move(self); }
  void send_locked(const std::string& message) {
    messages_.push_back(message);
    write_locked();
  }
  void finish_locked(const grpc::Status& status) {
    if (!end_) {
      end_ = status;
      write_locked();
    }
  }
  std::optional<std::string> take_locked() {
    if (requests_.empty()) {
      return std::nullopt;
    }
    std::string request = std::move(requests_.front());
    requests_.pop_front();
    return request;
  }
  [[nodiscard]] bool is_over_locked() const { return is_over_; }

 private:
  void write_locked() {
    if (writing_ || finished_) {
      return;
    }
    if (!messages_.empty() && !is_over_) {
      const grpc::Slice slice(messages_.front());
      outgoing_ = grpc::ByteBuffer(&slice, 1);
      messages_.pop_front();
      writing_ = true;
      StartWrite(&outgoing_);
    } else if (end_) {
      finished_ = true;
      Finish(*end_);
    }
  }

  std::shared_ptr<Desk> desk_;
  std::shared_ptr<Stream> self_;  // until gRPC lets go of it
  grpc::ByteBuffer incoming_;
  grpc::ByteBuffer outgoing_;
  std::deque<std::string> requests_;
  std::deque<std::string> messages_;
  std::optional<grpc::Status> end_;
  bool writing_ = false;
  bool finished_ = false;
  bool is_over_ = false;
};

class Refusal final : public grpc::ServerGenericBidiReactor {
 public:
  Refusal() { Finish({grpc::StatusCode::UNIMPLEMENTED, "nobody here knows that"}); }
  void OnDone() override { delete this; }  // NOLINT(*-owning-memory): gRPC held it till now
};

}  // namespace

struct ScriptedAds::Impl final : public grpc::CallbackGenericService {
  grpc::ServerGenericBidiReactor* CreateReactor(
      grpc::GenericCallbackServerContext* context) override {
    const std::lock_guard lock(desk->mutex);
    if (context->method() != method || desk->refusals > 0) {
      desk->refusals -= desk->refusals > 0 ? 1 : 0;
      return new Refusal();
    }
    const auto& metadata = context->client_metadata();
    const auto authorization = metadata.find("authorization");
    desk->authorization =
        authorization == metadata.end()
            ? "none"
            : std::string(authorization->second.data(), authorization->second.size());
    stream = std::make_shared<Stream>(desk);
    stream->hold(stream);
    ++desk->streams;
    desk->changed.notify_all();
    return stream.get();
  }

  template <typename Request>
  std::optional<Request> next_request(std::chrono::milliseconds bound) {
    std::unique_lock lock(desk->mutex);
    std::optional<std::string> octets;
    static_cast<void>(desk->changed.wait_for(lock, bound, [&] {
      octets = stream->take_locked();
      return octets || stream->is_over_locked();
    }));
    Request request;
    return octets && request.ParseFromString(*octets) ? std::optional(std::move(request))
                                                      : std::nullopt;
  }

  std::string method = kDeltaMethod;
  std::shared_ptr<Desk> desk = std::make_shared<Desk>();
  std::shared_ptr<Stream> stream;  // the newest; guarded by the desk's mutex
  int seen = 0;
  SocketAddress address{IpAddress::parse("127.0.0.1").value(), free_port(), 0};
  std::unique_ptr<grpc::Server> server;
};

ScriptedAds::ScriptedAds(const Options& options) : impl_(std::make_unique<Impl>()) {
  if (options.port != 0) {
    impl_->address.port = options.port;
  }
  if (options.sotw) {
    impl_->method = kSotwMethod;
  }
  auto credentials = grpc::InsecureServerCredentials();
  if (!options.certificate.empty()) {
    grpc::SslServerCredentialsOptions tls;
    tls.pem_key_cert_pairs.push_back({options.key, options.certificate});
    credentials = grpc::SslServerCredentials(tls);
  }
  grpc::ServerBuilder builder;
  builder.AddListeningPort(impl_->address.to_string(), credentials, nullptr)
      .SetMaxReceiveMessageSize(-1)
      .SetMaxSendMessageSize(-1)
      .RegisterCallbackGenericService(impl_.get());
  impl_->server = builder.BuildAndStart();
}

ScriptedAds::~ScriptedAds() {
  impl_->server->Shutdown(std::chrono::system_clock::now());
  impl_->server.reset();
}

SocketAddress ScriptedAds::address() const { return impl_->address; }

std::string ScriptedAds::authorization() const {
  const std::lock_guard lock(impl_->desk->mutex);
  return impl_->desk->authorization;
}

bool ScriptedAds::await_stream(std::chrono::milliseconds bound) {
  std::unique_lock lock(impl_->desk->mutex);
  const bool came = impl_->desk->changed.wait_for(
      lock, bound, [this] { return impl_->desk->streams > impl_->seen; });
  impl_->seen = impl_->desk->streams;
  return came;
}

std::optional<DeltaDiscoveryRequest> ScriptedAds::next_request(std::chrono::milliseconds bound) {
  return impl_->next_request<DeltaDiscoveryRequest>(bound);
}

std::optional<DiscoveryRequest> ScriptedAds::next_sotw_request(std::chrono::milliseconds bound) {
  return impl_->next_request<DiscoveryRequest>(bound);
}

void ScriptedAds::send(const std::string& message) {
  const std::lock_guard lock(impl_->desk->mutex);
  impl_->stream->send_locked(message);
}

void ScriptedAds::end(int status_code, const std::string& text) {
  const std::lock_guard lock(impl_->desk->mutex);
  impl_->stream->finish_locked({static_cast<grpc::StatusCode>(status_code), text});
}

void ScriptedAds::know_nothing(int streams) {
  const std::lock_guard lock(impl_->desk->mutex);
  impl_->desk->refusals = streams;
}

}  // namespace meshdns::support
