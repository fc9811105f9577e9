// One ADS stream on gRPC's callback API: moves bytes between the wire and a ServerSession.
//
// Callbacks come from gRPC's threads, push() from the server's own; one mutex makes them one. The
// stream keeps itself alive until gRPC says OnDone. gRPC headers: include it in few sources.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include <grpcpp/alarm.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/status.h>

#include "base/result.h"
#include "discovery/xds/call_writer.h"
#include "discovery/xds/server_session.h"
#include "discovery/xds/stream_status.h"
#include "discovery/xds/unfinished_requests.h"

namespace meshdns::discovery {

class AdsServerStream final : public grpc::ServerGenericBidiReactor,
                              public RequestingCall,
                              public std::enable_shared_from_this<AdsServerStream> {
 public:
  // All run with the stream's lock held and must not call the stream back.
  struct Events {
    std::function<void(const std::shared_ptr<AdsServerStream>&)> on_admitted;
    std::function<void()> on_silence;  // it ends, since nothing was said
    std::function<void(AdsServerStream*)> on_done;
    // More or less is kept of the client's words than is its due (ServerSession::octets_past_due).
    std::function<void(std::int64_t)> on_octets_past_due;
  };

  // The reactor to hand to gRPC, which it outlives by its own reference. A client that says nothing
  // for `patience` is not served.
  static std::shared_ptr<AdsServerStream> open(std::unique_ptr<ServerSession> session,
                                               grpc::GenericCallbackServerContext& context,
                                               Events events, std::chrono::milliseconds patience);
  AdsServerStream(const AdsServerStream&) = delete;
  AdsServerStream& operator=(const AdsServerStream&) = delete;
  ~AdsServerStream() override = default;

  // Sends what is new, unless a write is outstanding, which then does it when done.
  void push();
  // Ends the stream after the write that is outstanding.
  void end(const grpc::Status& status);
  // Ends it with DEADLINE_EXCEEDED unless a request came.
  void end_if_silent();
  // Ends it with UNAUTHENTICATED when its client is no longer who it was; the next time without
  // waiting for it to take what it was sent.
  void recheck_client();
  void ask_for_sign_of_life() override;
  void cut(const Error& reason) override;
  [[nodiscard]] StreamStatus status();
  // Any thread.
  [[nodiscard]] std::int64_t octets_past_due() const { return octets_past_due_; }
  // Empty before the first request.
  [[nodiscard]] std::string node_id();
  // The client's address, as gRPC writes it.
  [[nodiscard]] const std::string& peer() const { return peer_; }
  // Written once by on_admitted's receiver, under the stream's lock.
  [[nodiscard]] const std::shared_ptr<ResourceSet>& audience() const {
    return session_->audience();
  }

 private:
  AdsServerStream(std::unique_ptr<ServerSession> session,
                  grpc::GenericCallbackServerContext& context, Events events);

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

  void push_locked();
  void note_octets_past_due(std::size_t octets);

  const std::string peer_;
  std::atomic<std::int64_t> octets_past_due_ = 0;
  std::mutex mutex_;  // guards everything below
  std::unique_ptr<ServerSession> session_;
  Events events_;
  std::shared_ptr<AdsServerStream> self_;
  grpc::ByteBuffer incoming_;
  CallWriter writer_;
  bool admitted_ = false;
  std::optional<grpc::Status> disowned_;  // what its client, no longer who it was, is told
  std::unique_ptr<grpc::Alarm> silence_;  // until it is admitted
};

// What a client sees of an error of ours.
[[nodiscard]] grpc::Status to_status(const Error& error);

}  // namespace meshdns::discovery
