#include "discovery/xds/ads_server_stream.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <grpcpp/alarm.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/slice.h>
#include <grpcpp/support/status.h>

#include "base/result.h"
#include "discovery/xds/call_message.h"
#include "discovery/xds/resource.h"
#include "discovery/xds/server_session.h"
#include "discovery/xds/stream_status.h"

namespace meshdns::discovery {
namespace {

using Owner = std::shared_ptr<const void>;

void release(void* owner) { const std::unique_ptr<Owner> last(static_cast<Owner*>(owner)); }

// A slice that holds the shared bytes by reference. gRPC never writes to a slice.
grpc::Slice to_slice(const SharedBytes& part) {
  auto owner = std::make_unique<Owner>(part.owner);
  auto* const bytes = const_cast<char*>(part.bytes.data());  // NOLINT(*-const-cast): gRPC's API
  return {bytes, part.bytes.size(), &release, owner.release()};
}

grpc::ByteBuffer to_buffer(const EncodedResponse& response) {
  std::vector<grpc::Slice> slices;
  slices.reserve(response.resources.size() + 1);
  slices.emplace_back(response.head);
  for (const SharedBytes& part : response.resources) {
    if (!part.bytes.empty()) {
      slices.push_back(to_slice(part));
    }
  }
  return {slices.data(), slices.size()};
}

}  // namespace

grpc::Status to_status(const Error& error) {
  switch (error.code) {
    case ErrorCode::kInvalidArgument:
      return {grpc::StatusCode::INVALID_ARGUMENT, error.message};
    case ErrorCode::kPermissionDenied:
      return {grpc::StatusCode::PERMISSION_DENIED, error.message};
    case ErrorCode::kNotFound:
      return {grpc::StatusCode::NOT_FOUND, error.message};
    case ErrorCode::kUnavailable:
      return {grpc::StatusCode::UNAVAILABLE, error.message};
    case ErrorCode::kExhausted:
      return {grpc::StatusCode::RESOURCE_EXHAUSTED, error.message};
    default:
      return {grpc::StatusCode::INTERNAL, error.message};
  }
}

std::shared_ptr<AdsServerStream> AdsServerStream::open(std::unique_ptr<ServerSession> session,
                                                       grpc::GenericCallbackServerContext& context,
                                                       Events events,
                                                       std::chrono::milliseconds patience) {
  std::shared_ptr<AdsServerStream> stream(
      new AdsServerStream(std::move(session), context, std::move(events)));
  stream->self_ = stream;
  stream->silence_ = std::make_unique<grpc::Alarm>();
  stream->silence_->Set(std::chrono::system_clock::now() + patience,
                        [weak = std::weak_ptr(stream)](bool has_rung) {
                          if (const auto silent = has_rung ? weak.lock() : nullptr) {
                            silent->end_if_silent();
                          }
                        });
  stream->StartRead(&stream->incoming_);
  return stream;
}

AdsServerStream::AdsServerStream(std::unique_ptr<ServerSession> session,
                                 grpc::GenericCallbackServerContext& context, Events events)
    : peer_(context.peer()),
      session_(std::move(session)),
      events_(std::move(events)),
      writer_(*this, context) {}

StreamStatus AdsServerStream::status() {
  const std::lock_guard lock(mutex_);
  StreamStatus status = session_->status();
  status.peer = peer_;
  return status;
}

std::string AdsServerStream::node_id() {
  const std::lock_guard lock(mutex_);
  return session_->node().id;
}

void AdsServerStream::OnReadDone(bool ok) {
  const std::lock_guard lock(mutex_);
  if (!ok) {
    writer_.end(grpc::Status::OK);  // the client has said all it will
    return;
  }
  if (writer_.has_ended()) {
    return;
  }
  note_request(incoming_.Length());
  const auto received = take_message(incoming_).and_then(
      [this](const grpc::Slice& request) { return session_->receive(octets_of(request)); });
  if (!received) {
    writer_.end(to_status(received.error()));
    return;
  }
  note_octets_past_due(session_->octets_past_due());
  if (!admitted_) {
    admitted_ = true;
    silence_.reset();
    events_.on_admitted(self_);
  }
  StartRead(&incoming_);
  push_locked();
}

void AdsServerStream::end_if_silent() {
  const std::lock_guard lock(mutex_);
  if (!admitted_ && !writer_.has_ended()) {
    events_.on_silence();
    writer_.end({grpc::StatusCode::DEADLINE_EXCEEDED, "no request came"});
  }
}

void AdsServerStream::push() {
  const std::lock_guard lock(mutex_);
  push_locked();
}

void AdsServerStream::push_locked() {
  if (!writer_.is_free()) {
    session_->let_go_of_old_bytes();
    return;
  }
  const auto next = session_->next();
  if (!next) {
    writer_.end(to_status(next.error()));
    return;
  }
  if (const std::optional<EncodedResponse>& response = *next; response.has_value()) {
    writer_.write(to_buffer(*response));
  }
}

void AdsServerStream::OnWriteDone(bool ok) {
  const std::lock_guard lock(mutex_);
  if (writer_.on_write_done(ok)) {
    push_locked();
  }
}

void AdsServerStream::OnCancel() { end(grpc::Status::CANCELLED); }

void AdsServerStream::end(const grpc::Status& status) {
  const std::lock_guard lock(mutex_);
  writer_.end(status);
}

void AdsServerStream::ask_for_sign_of_life() {
  const std::lock_guard lock(mutex_);
  session_->owe_response();
  push_locked();
}

void AdsServerStream::cut(const Error& reason) {
  const std::lock_guard lock(mutex_);
  writer_.cut(to_status(reason));
}

void AdsServerStream::note_octets_past_due(std::size_t octets) {
  const auto now = static_cast<std::int64_t>(octets);
  if (const std::int64_t before = octets_past_due_.exchange(now); before != now) {
    events_.on_octets_past_due(now - before);
  }
}

void AdsServerStream::recheck_client() {
  const std::lock_guard lock(mutex_);
  if (!disowned_) {
    const auto rechecked = session_->recheck_client();
    if (rechecked) {
      return;
    }
    disowned_.emplace(grpc::StatusCode::UNAUTHENTICATED, rechecked.error().message);
  }
  writer_.cut(*disowned_);
}

void AdsServerStream::OnDone() {
  {
    const std::lock_guard lock(mutex_);
    writer_.on_done();
    note_octets_past_due(0);
  }
  events_.on_done(this);
  // The last reference may be this one.
  const std::shared_ptr<AdsServerStream> last = std::move(self_);
}

}  // namespace meshdns::discovery
