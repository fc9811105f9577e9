// The Client Status Discovery Service (CSDS): what each client of an AdsServer was told and said,
// for tools that ask in xDS's own words.
//
// It shows every client, so it is for the host's own: a call is served where clients show no tokens
// (no authenticator) and the peer is on loopback or a unix socket; every other one ends with
// PERMISSION_DENIED. Any thread. gRPC headers: include it in few sources.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <grpcpp/generic/async_generic_service.h>

#include "base/log.h"
#include "base/result.h"
#include "discovery/xds/ads_server.h"
#include "discovery/xds/client_status_call.h"
#include "discovery/xds/metrics.h"
#include "discovery/xds/stream_status.h"
#include "discovery/xds/unfinished_requests.h"

namespace meshdns::discovery {

// By its path in HTTP/2, "/SERVICE/METHOD"; nothing for any other.
[[nodiscard]] std::optional<ClientStatusMethod> find_client_status_method(std::string_view path);

class ClientStatusService {
 public:
  // Open at once; a stream of calls that nobody ends must not be without an end.
  static constexpr std::size_t kMaxCalls = 64;

  // What is said on the open streams whose node's id is wanted, of `limit` of them at most.
  using Statuses = std::function<std::vector<StreamStatus>(
      std::size_t limit, const std::function<bool(std::string_view)>& wanted)>;

  // References outlive the service, and the service every call.
  ClientStatusService(const AdsServer::Options& options, Statuses statuses, Logger& logger,
                      XdsServerMetrics& metrics, UnfinishedRequests& unfinished);

  // The reactor of a call that begins. `peer`: the client's address, as gRPC writes it.
  [[nodiscard]] grpc::ServerGenericBidiReactor* open(ClientStatusMethod method,
                                                     const std::string& peer,
                                                     grpc::GenericCallbackServerContext& context);
  // Ends the calls that are open, with UNAVAILABLE.
  void end_calls();

 private:
  [[nodiscard]] Result<void> permit(const std::string& peer) const;
  [[nodiscard]] Result<std::string> answer(std::string_view request) const;
  void forget(ClientStatusCall* call);

  const AdsServer::Options& options_;
  const Statuses statuses_;
  Logger& logger_;
  XdsServerMetrics& metrics_;
  UnfinishedRequests& unfinished_;

  std::mutex mutex_;  // guards what follows; taken with no call's lock held
  std::unordered_map<ClientStatusCall*, std::shared_ptr<ClientStatusCall>> calls_;
};

}  // namespace meshdns::discovery
