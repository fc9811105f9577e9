#include "tests/support/xds_stream.h"

#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>
#include <grpcpp/support/sync_stream.h>

#include "envoy/service/discovery/v3/ads.grpc.pb.h"
#include "envoy/service/discovery/v3/discovery.pb.h"

namespace meshdns::support {

using envoy::service::discovery::v3::AggregatedDiscoveryService;
using envoy::service::discovery::v3::DeltaDiscoveryRequest;
using envoy::service::discovery::v3::DeltaDiscoveryResponse;
using envoy::service::discovery::v3::DiscoveryRequest;
using envoy::service::discovery::v3::DiscoveryResponse;

template <typename Request, typename Response>
struct XdsStream<Request, Response>::Impl {
  explicit Impl(const std::string& address) {
    grpc::ChannelArguments arguments;
    arguments.SetInt("grpc.use_local_subchannel_pool", 1);
    stub = AggregatedDiscoveryService::NewStub(
        grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments));
    context.set_wait_for_ready(true);
    if constexpr (std::is_same_v<Request, DeltaDiscoveryRequest>) {
      stream = stub->DeltaAggregatedResources(&context);
    } else {
      stream = stub->StreamAggregatedResources(&context);
    }
    reader = std::thread([this] { read(); });
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() {
    context.TryCancel();
    reader.join();
  }

  void read() {
    Response response;
    while (stream->Read(&response)) {
      const std::lock_guard lock(mutex);
      responses.push_back(std::exchange(response, {}));
      changed.notify_all();
    }
    (void)stream->Finish();
    const std::lock_guard lock(mutex);
    is_over = true;
    changed.notify_all();
  }

  std::unique_ptr<AggregatedDiscoveryService::Stub> stub;
  grpc::ClientContext context;
  std::unique_ptr<grpc::ClientReaderWriter<Request, Response>> stream;
  std::thread reader;
  std::mutex mutex;  // guards what follows
  std::condition_variable changed;
  std::deque<Response> responses;
  bool is_over = false;
};

template <typename Request, typename Response>
XdsStream<Request, Response>::XdsStream(const std::string& address)
    : impl_(std::make_unique<Impl>(address)) {}

template <typename Request, typename Response>
XdsStream<Request, Response>::~XdsStream() = default;

template <typename Request, typename Response>
void XdsStream<Request, Response>::send(const Request& request) {
  (void)impl_->stream->Write(request);
}

template <typename Request, typename Response>
std::optional<Response> XdsStream<Request, Response>::next(std::chrono::milliseconds bound) {
  std::unique_lock lock(impl_->mutex);
  impl_->changed.wait_for(lock, bound,
                          [this] { return !impl_->responses.empty() || impl_->is_over; });
  if (impl_->responses.empty()) {
    return std::nullopt;
  }
  Response response = std::move(impl_->responses.front());
  impl_->responses.pop_front();
  return response;
}

template class XdsStream<DeltaDiscoveryRequest, DeltaDiscoveryResponse>;
template class XdsStream<DiscoveryRequest, DiscoveryResponse>;

}  // namespace meshdns::support
