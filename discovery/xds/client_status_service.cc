#include "discovery/xds/client_status_service.h"

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/support/status.h>

#include "base/log.h"
#include "base/result.h"
#include "discovery/xds/ads_server.h"
#include "discovery/xds/ads_server_stream.h"
#include "discovery/xds/client_status.h"
#include "discovery/xds/client_status_call.h"
#include "discovery/xds/local_peer.h"
#include "discovery/xds/metrics.h"
#include "discovery/xds/refused_call.h"
#include "discovery/xds/stream_status.h"
#include "discovery/xds/unfinished_requests.h"

namespace meshdns::discovery {

std::optional<ClientStatusMethod> find_client_status_method(std::string_view path) {
  constexpr std::string_view kService = "/envoy.service.status.v3.ClientStatusDiscoveryService/";
  if (!path.starts_with(kService)) {
    return std::nullopt;
  }
  const std::string_view method = path.substr(kService.size());
  if (method == "FetchClientStatus") {
    return ClientStatusMethod::kFetch;
  }
  return method == "StreamClientStatus" ? std::optional(ClientStatusMethod::kStream) : std::nullopt;
}

ClientStatusService::ClientStatusService(const AdsServer::Options& options, Statuses statuses,
                                         Logger& logger, XdsServerMetrics& metrics,
                                         UnfinishedRequests& unfinished)
    : options_(options),
      statuses_(std::move(statuses)),
      logger_(logger),
      metrics_(metrics),
      unfinished_(unfinished) {}

grpc::ServerGenericBidiReactor* ClientStatusService::open(
    ClientStatusMethod method, const std::string& peer,
    grpc::GenericCallbackServerContext& context) {
  if (const auto permitted = permit(peer); !permitted) {
    metrics_.streams_refused.add();
    logger_.warn("client status refused peer={} reason=\"{}\"", escape_name(peer),
                 permitted.error().message);
    return new RefusedCall(to_status(permitted.error()));
  }
  const std::lock_guard lock(mutex_);
  if (calls_.size() >= kMaxCalls) {
    metrics_.streams_refused.add();
    return new RefusedCall({grpc::StatusCode::RESOURCE_EXHAUSTED, "too many ask at once"});
  }
  const auto call =
      ClientStatusCall::open(method, context,
                             {[this](std::string_view request) { return answer(request); },
                              [this](ClientStatusCall* done) { forget(done); }});
  calls_.emplace(call.get(), call);
  unfinished_.add_call(peer, call);
  return call.get();
}

Result<void> ClientStatusService::permit(const std::string& peer) const {
  if (options_.authenticator != nullptr) {
    return fail(ErrorCode::kPermissionDenied,
                "client status is not served where clients show tokens: it shows every client");
  }
  if (!is_local_peer(peer)) {
    return fail(ErrorCode::kPermissionDenied,
                "client status is served over loopback and unix sockets alone: it shows every "
                "client");
  }
  return {};
}

Result<std::string> ClientStatusService::answer(std::string_view request) const {
  const auto query = decode_client_status_request(request);
  if (!query) {
    return tl::unexpected(query.error());
  }
  return encode_client_status(statuses_(
      kMaxStreamsShown, [&query](std::string_view node_id) { return query->wants(node_id); }));
}

void ClientStatusService::end_calls() {
  std::vector<std::shared_ptr<ClientStatusCall>> calls;
  {
    const std::lock_guard lock(mutex_);
    calls.reserve(calls_.size());
    for (const auto& [key, call] : calls_) {
      calls.push_back(call);
    }
  }
  for (const auto& call : calls) {
    call->end({grpc::StatusCode::UNAVAILABLE, "shutting down"});
  }
}

void ClientStatusService::forget(ClientStatusCall* call) {
  unfinished_.remove_call(call->peer(), call);
  const std::lock_guard lock(mutex_);
  calls_.erase(call);
}

}  // namespace meshdns::discovery
