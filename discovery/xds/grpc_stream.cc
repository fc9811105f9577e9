#include "discovery/xds/grpc_stream.h"

#include <cstddef>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include <fmt/format.h>
#include <grpcpp/channel.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/slice.h>
#include <grpcpp/support/status.h>

#include "base/result.h"
#include "discovery/xds/ads_transport.h"
#include "discovery/xds/call_message.h"
#include "discovery/xds/request.h"
#include "discovery/xds/response.h"

namespace meshdns::discovery {
namespace {

constexpr const char* kSotwMethod =
    "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources";
constexpr const char* kDeltaMethod =
    "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";

// Requests that wait for the server to take them; names that are asked for come in one.
constexpr std::size_t kMostWaiting = 16;

const char* method_of(XdsVariant variant) {
  return variant == XdsVariant::kSotw ? kSotwMethod : kDeltaMethod;
}

}  // namespace

GrpcStream::GrpcStream(std::shared_ptr<grpc::Channel> channel, const std::string& token,
                       XdsVariant variant, grpc::CompletionQueue& queue, Post post,
                       std::weak_ptr<AdsCallEvents> events)
    : stub_(std::move(channel)),
      variant_(variant),
      post_(std::move(post)),
      events_(std::move(events)) {
  if (!token.empty()) {
    context_.AddMetadata("authorization", token);
  }
  call_ = stub_.PrepareCall(&context_, method_of(variant), &queue);
  call_->StartCall(&start_);
}

GrpcStream::~GrpcStream() {
  context_.TryCancel();
  done_->get_future().wait();
}

void GrpcStream::when_standing(std::function<void()> task) {
  const std::lock_guard lock(mutex_);
  on_standing_ = std::make_shared<std::function<void()>>(std::move(task));
  stand_if_due();
}

void GrpcStream::send(std::string request) {
  {
    const std::lock_guard lock(mutex_);
    if (!takes_requests_) {
      return;
    }
    requests_.push_back(std::move(request));
    if (!take_write()) {
      return;
    }
  }
  begin_write();
}

void GrpcStream::read() {
  {
    const std::lock_guard lock(mutex_);
    read_is_due_ = true;
    if (!take_read()) {
      end_if_due();
      return;
    }
  }
  begin_read();
}

void GrpcStream::on_started(bool ok) {
  const std::lock_guard lock(mutex_);
  started_ = ok;
  if (ok) {
    call_->ReadInitialMetadata(&headers_);
    stand_if_due();
  } else {
    finish();
  }
}

void GrpcStream::on_headers(bool ok) {
  const std::lock_guard lock(mutex_);
  is_open_ = ok;
  finish();
  if (take_read()) {
    begin_read();
  }
}

// At once, as gRPC's own callbacks do: its status comes when all is read.
void GrpcStream::finish() { call_->Finish(&status_, &finish_); }

void GrpcStream::on_read(bool ok) {
  auto response = ok ? std::optional(decode()) : std::nullopt;
  const auto done = done_;
  bool is_last = false;
  {
    const std::lock_guard lock(mutex_);
    reading_ = false;
    if (!ok) {
      is_open_ = false;
      read_is_due_ = true;  // still
    }
    end_if_due();
    is_last = is_done();
  }
  if (response) {
    post_response(*std::move(response));  // which may beget the next read()
  }
  if (is_last) {
    done->set_value();  // `this` may be gone then
  }
}

void GrpcStream::on_written(bool ok) {
  const auto done = done_;
  bool is_last = false;
  {
    const std::lock_guard lock(mutex_);
    writing_ = false;
    if (!ok) {
      refuse_requests();
    }
    if (take_write()) {
      begin_write();
    }
    if (take_read()) {
      begin_read();
    }
    is_last = is_done();
  }
  if (is_last) {
    done->set_value();
  }
}

void GrpcStream::on_finished() {
  const auto done = done_;
  bool is_last = false;
  {
    const std::lock_guard lock(mutex_);
    finished_ = true;
    is_open_ = false;
    refuse_requests();
    end_if_due();
    is_last = is_done();
  }
  if (is_last) {
    done->set_value();
  }
}

Result<DecodedResponse> GrpcStream::decode() {
  return take_message(incoming_).and_then([this](const grpc::Slice& response) {
    return decode_response(variant_, octets_of(response));
  });
}

void GrpcStream::post_response(Result<DecodedResponse> response) {
  // Shared, because a std::function must be copyable and a response is big.
  auto shared = std::make_shared<Result<DecodedResponse>>(std::move(response));
  post_([weak = events_, shared] {
    if (const auto events = weak.lock()) {
      events->on_response(std::move(*shared));
    }
  });
}

// gRPC has started a call when its headers were sent, on a connection then.
void GrpcStream::stand_if_due() {
  if (started_ && on_standing_ != nullptr) {
    post_([weak = events_, task = std::exchange(on_standing_, nullptr)] {
      if (const auto alive = weak.lock()) {
        (*task)();
      }
    });
  }
}

// Each response begets a request: a server that takes none is not listened to.
bool GrpcStream::take_read() {
  if (!read_is_due_ || !is_open_ || reading_ || requests_.size() > kMostWaiting) {
    return false;
  }
  read_is_due_ = false;
  reading_ = true;
  return true;
}

bool GrpcStream::take_write() {
  if (requests_.empty() || writing_) {
    return false;
  }
  const grpc::Slice slice(requests_.front());
  outgoing_ = grpc::ByteBuffer(&slice, 1);
  requests_.pop_front();
  writing_ = true;
  return true;
}

void GrpcStream::refuse_requests() {
  takes_requests_ = false;
  requests_.clear();
}

void GrpcStream::end_if_due() {
  if (!finished_ || reading_ || !read_is_due_) {
    return;
  }
  read_is_due_ = false;
  // gRPC's own servers say RESOURCE_EXHAUSTED of a message past their limit, and tonic's
  // OUT_OF_RANGE; ours say DEADLINE_EXCEEDED of one that is too long on its way.
  const grpc::StatusCode code = status_.error_code();
  const AdsCallEnd end{
      .unimplemented = code == grpc::StatusCode::UNIMPLEMENTED,
      .exhausted = code == grpc::StatusCode::RESOURCE_EXHAUSTED ||
                   code == grpc::StatusCode::OUT_OF_RANGE ||
                   code == grpc::StatusCode::DEADLINE_EXCEEDED,
      .reason = fmt::format("{} (code {})", status_.error_message(), static_cast<int>(code))};
  post_([weak = events_, end] {
    if (const auto events = weak.lock()) {
      events->on_end(end);
    }
  });
}

}  // namespace meshdns::discovery
