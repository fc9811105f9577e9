// The writing half of a call on gRPC's callback API: one message at a time, and an end, which comes
// after the message that is on its way.
//
// A part of a reactor, under its lock. gRPC headers: include it in few sources.
#pragma once

#include <optional>

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/status.h>

namespace meshdns::discovery {

class CallWriter {
 public:
  // `call` is whose part it is, `context` gRPC's of it.
  CallWriter(grpc::ServerGenericBidiReactor& call, grpc::GenericCallbackServerContext& context)
      : call_(call), context_(&context) {}
  CallWriter(const CallWriter&) = delete;
  CallWriter& operator=(const CallWriter&) = delete;
  ~CallWriter() = default;

  [[nodiscard]] bool has_ended() const { return ended_; }
  // Whether write() may be called.
  [[nodiscard]] bool is_free() const { return !writing_ && !ended_; }
  void write(const grpc::ByteBuffer& message) {
    message_ = message;
    writing_ = true;
    call_.StartWrite(&message_);
  }
  // For OnWriteDone(). False when the call has ended, by this too.
  [[nodiscard]] bool on_write_done(bool ok) {
    writing_ = false;
    message_.Clear();
    if (status_after_write_) {
      call_.Finish(*status_after_write_);
    } else if (!ok) {
      end(grpc::Status::CANCELLED);
    }
    return !ended_;
  }
  // The first one counts.
  void end(const grpc::Status& status) {
    if (ended_) {
      return;
    }
    ended_ = true;
    if (writing_) {
      status_after_write_ = status;
    } else {
      call_.Finish(status);
    }
  }
  // As end(). Called again, it waits for nothing that the client does not take.
  void cut(const grpc::Status& status) {
    const bool is_again = ended_;
    end(status);
    if (is_again && context_ != nullptr) {
      context_->TryCancel();  // gRPC 1.51 runs what follows of it on another thread
    }
  }
  // For OnDone(), after which there is no context.
  void on_done() { context_ = nullptr; }

 private:
  grpc::ServerGenericBidiReactor& call_;
  grpc::GenericCallbackServerContext* context_;
  grpc::ByteBuffer message_;
  bool writing_ = false;
  bool ended_ = false;
  std::optional<grpc::Status> status_after_write_;
};

}  // namespace meshdns::discovery
