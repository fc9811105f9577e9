#include "discovery/xds/client_status_call.h"

#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/slice.h>
#include <grpcpp/support/status.h>

#include "base/result.h"
#include "discovery/xds/ads_server_stream.h"
#include "discovery/xds/call_message.h"

namespace meshdns::discovery {

std::shared_ptr<ClientStatusCall> ClientStatusCall::open(
    ClientStatusMethod method, grpc::GenericCallbackServerContext& context, Events events) {
  std::shared_ptr<ClientStatusCall> call(new ClientStatusCall(method, context, std::move(events)));
  call->self_ = call;
  call->StartRead(&call->incoming_);
  return call;
}

ClientStatusCall::ClientStatusCall(ClientStatusMethod method,
                                   grpc::GenericCallbackServerContext& context, Events events)
    : method_(method), peer_(context.peer()), events_(std::move(events)), writer_(*this, context) {}

void ClientStatusCall::OnReadDone(bool ok) {
  const std::lock_guard lock(mutex_);
  if (writer_.has_ended()) {
    return;
  }
  if (ok) {
    answer_locked();
  } else if (method_ == ClientStatusMethod::kFetch) {
    writer_.end({grpc::StatusCode::INVALID_ARGUMENT, "no request"});
  } else {
    writer_.end(grpc::Status::OK);  // the client has asked all it will
  }
}

void ClientStatusCall::answer_locked() {
  note_request(incoming_.Length());
  const auto answer = take_message(incoming_).and_then(
      [this](const grpc::Slice& request) { return events_.answer(octets_of(request)); });
  if (!answer) {
    writer_.end(to_status(answer.error()));
    return;
  }
  const grpc::Slice response(*answer);
  writer_.write(grpc::ByteBuffer(&response, 1));
}

void ClientStatusCall::OnWriteDone(bool ok) {
  const std::lock_guard lock(mutex_);
  if (!writer_.on_write_done(ok)) {
    return;
  }
  if (method_ == ClientStatusMethod::kFetch) {
    writer_.end(grpc::Status::OK);
  } else {
    StartRead(&incoming_);
  }
}

void ClientStatusCall::OnCancel() { end(grpc::Status::CANCELLED); }

void ClientStatusCall::end(const grpc::Status& status) {
  const std::lock_guard lock(mutex_);
  writer_.end(status);
}

void ClientStatusCall::cut(const Error& reason) {
  const std::lock_guard lock(mutex_);
  writer_.cut(to_status(reason));
}

void ClientStatusCall::OnDone() {
  {
    const std::lock_guard lock(mutex_);
    writer_.on_done();
  }
  events_.on_done(this);
  // The last reference may be this one.
  const std::shared_ptr<ClientStatusCall> last = std::move(self_);
}

}  // namespace meshdns::discovery
