// One call of the Client Status Discovery Service on gRPC's callback API: a response for each
// request, one at a time, so that a client that does not read holds one response and no more.
//
// Callbacks come from gRPC's threads, end() from the server's owner; one mutex makes them one. The
// call keeps itself alive until gRPC says OnDone. gRPC headers: include it in few sources.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/status.h>

#include "base/result.h"
#include "discovery/xds/call_writer.h"
#include "discovery/xds/unfinished_requests.h"

namespace meshdns::discovery {

enum class ClientStatusMethod : std::uint8_t {
  kFetch,   // FetchClientStatus: one request
  kStream,  // StreamClientStatus: as many as the client likes
};

class ClientStatusCall final : public grpc::ServerGenericBidiReactor, public RequestingCall {
 public:
  // Neither may call the call back.
  struct Events {
    // Makes a request's octets those of its response, with the call's lock held. An error ends the
    // call with its text.
    std::function<Result<std::string>(std::string_view)> answer;
    std::function<void(ClientStatusCall*)> on_done;
  };

  // The reactor to hand to gRPC, which it outlives by its own reference.
  static std::shared_ptr<ClientStatusCall> open(ClientStatusMethod method,
                                                grpc::GenericCallbackServerContext& context,
                                                Events events);
  ClientStatusCall(const ClientStatusCall&) = delete;
  ClientStatusCall& operator=(const ClientStatusCall&) = delete;
  ~ClientStatusCall() override = default;

  // Ends the call after the response that is on its way.
  void end(const grpc::Status& status);
  void ask_for_sign_of_life() override {}  // there is nothing that a server could ask
  void cut(const Error& reason) override;
  // The client's address, as gRPC writes it.
  [[nodiscard]] const std::string& peer() const { return peer_; }

 private:
  ClientStatusCall(ClientStatusMethod method, grpc::GenericCallbackServerContext& context,
                   Events events);

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

  void answer_locked();

  const ClientStatusMethod method_;
  const std::string peer_;
  const Events events_;
  std::mutex mutex_;  // guards everything below
  std::shared_ptr<ClientStatusCall> self_;
  grpc::ByteBuffer incoming_;
  CallWriter writer_;
};

}  // namespace meshdns::discovery
