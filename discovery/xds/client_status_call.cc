#include "discovery/xds/client_status_call.h"

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/slice.h>
#include <grpcpp/support/status.h>

#include "discovery/xds/ads_server_stream.h"

namespace meshdns::discovery {

std::shared_ptr<ClientStatusCall> ClientStatusCall::open(ClientStatusMethod method, Events events) {
  std::shared_ptr<ClientStatusCall> call(new ClientStatusCall(method, std::move(events)));
  call->self_ = call;
  call->StartRead(&call->incoming_);
  return call;
}

ClientStatusCall::ClientStatusCall(ClientStatusMethod method, Events events)
    : method_(method), events_(std::move(events)) {}

void ClientStatusCall::OnReadDone(bool ok) {
  const std::lock_guard lock(mutex_);
  if (ended_) {
    return;
  }
  if (ok) {
    answer_locked();
  } else if (method_ == ClientStatusMethod::kFetch) {
    end_locked({grpc::StatusCode::INVALID_ARGUMENT, "no request"});
  } else {
    end_locked(grpc::Status::OK);  // the client has asked all it will
  }
}

void ClientStatusCall::answer_locked() {
  grpc::Slice slice;
  if (!incoming_.TrySingleSlice(&slice).ok() && !incoming_.DumpToSingleSlice(&slice).ok()) {
    end_locked({grpc::StatusCode::INTERNAL, "a request could not be read"});
    return;
  }
  incoming_.Clear();
  // Octets as characters: the same bytes under the name protobuf's API gives them.
  const auto* const bytes = reinterpret_cast<const char*>(slice.begin());  // NOLINT(*-cast)
  const auto answer = events_.answer(std::string_view(bytes, slice.size()));
  if (!answer) {
    end_locked(to_status(answer.error()));
    return;
  }
  const grpc::Slice response(*answer);
  outgoing_ = grpc::ByteBuffer(&response, 1);
  writing_ = true;
  StartWrite(&outgoing_);
}

void ClientStatusCall::OnWriteDone(bool ok) {
  const std::lock_guard lock(mutex_);
  writing_ = false;
  outgoing_.Clear();
  if (status_after_write_) {
    Finish(*status_after_write_);
  } else if (!ok) {
    end_locked(grpc::Status::CANCELLED);
  } else if (method_ == ClientStatusMethod::kFetch) {
    end_locked(grpc::Status::OK);
  } else {
    StartRead(&incoming_);
  }
}

void ClientStatusCall::OnCancel() { end(grpc::Status::CANCELLED); }

void ClientStatusCall::end(const grpc::Status& status) {
  const std::lock_guard lock(mutex_);
  end_locked(status);
}

void ClientStatusCall::end_locked(const grpc::Status& status) {
  if (ended_) {
    return;
  }
  ended_ = true;
  if (writing_) {
    status_after_write_ = status;
  } else {
    Finish(status);
  }
}

void ClientStatusCall::OnDone() {
  events_.on_done(this);
  // The last reference may be this one.
  const std::shared_ptr<ClientStatusCall> last = std::move(self_);
}

}  // namespace meshdns::discovery
