// One client's stream as the server sees it, without the stream: requests go in as bytes, responses
// come out as bytes to send. Belongs to whoever holds the stream's lock.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/log.h"
#include "base/result.h"
#include "discovery/xds/ads_server.h"
#include "discovery/xds/client_authenticator.h"
#include "discovery/xds/metrics.h"
#include "discovery/xds/node.h"
#include "discovery/xds/request.h"
#include "discovery/xds/resource.h"
#include "discovery/xds/resource_set.h"
#include "discovery/xds/stream_status.h"
#include "discovery/xds/subscription.h"

namespace meshdns::discovery {

// A response's bytes: `head` followed by the resources, which are shared with other streams.
struct EncodedResponse {
  std::string head;
  std::vector<SharedBytes> resources;

  [[nodiscard]] std::size_t size() const;
};

// The response that carries `content`. Fields may come in any order, so the resources stand last.
[[nodiscard]] EncodedResponse encode_response(XdsVariant variant, Subscription::Content content,
                                              std::string_view type_url, std::string_view nonce,
                                              std::string_view identifier);

// What a stream began with.
struct SessionTerms {
  std::shared_ptr<const ClientIdentity> identity{};  // null where nobody asked who the client is
  std::string_view only_type{};  // of a service for one type, which no request has to name
};

class ServerSession {
 public:
  // References outlive the session.
  ServerSession(XdsVariant variant, const AdsServer::Options& options,
                const AdsServer::AudienceFor& audience_for, Logger& logger,
                XdsServerMetrics& metrics, SessionTerms terms = {});

  // Takes one request. An error ends the stream with its text: a request that does not decode, no
  // type_url or another than the stream is for, a limit passed, a node without an audience or that
  // its client may not be. Unknown types are fine and get no answer.
  [[nodiscard]] Result<void> receive(std::string_view bytes);

  // What to send now, if anything: the first type in order that has news and no open ACK. Once
  // returned it counts as sent. An error (kUnavailable) ends the stream: the client is too far
  // behind and must start again with the versions it holds.
  [[nodiscard]] Result<std::optional<EncodedResponse>> next();

  // Has next() give a response that the client acknowledges, though there is no news: an empty one
  // where that is none.
  void owe_response();

  // While the client does not take what it was sent: what is kept for it must not be old.
  void let_go_of_old_bytes();

  // What is kept of the client's words takes about so much memory beside what is its due: that
  // grows with the tables of its types.
  [[nodiscard]] std::size_t octets_past_due() const;

  // An error ends the stream: the client is no longer who it was.
  [[nodiscard]] Result<void> recheck_client() const;
  // Without its peer, which the session does not know.
  [[nodiscard]] StreamStatus status() const;
  // Null before the first request.
  [[nodiscard]] const std::shared_ptr<ResourceSet>& audience() const { return audience_; }
  // Without its metadata.
  [[nodiscard]] const NodeInfo& node() const { return node_; }

 private:
  using TypeKey = std::pair<int, std::string>;  // type_order, type_url
  // A subscription, and what was said of its responses.
  struct Conversation {
    Subscription subscription;
    std::string sent_version{};
    std::string sent_nonce{};
    std::string acknowledged_version{};
    std::string acknowledged_nonce{};
    std::string nack_nonce{};
    std::string nack_text{};
  };

  Result<void> decode_and_take(std::string_view bytes);
  template <typename Request>
  Result<void> take(Request request);
  Result<void> admit(std::optional<NodeInfo> node);
  Result<Conversation*> conversation(const std::string& type_url);
  // Resources of this type go out that changed: so must, once more, what hangs on them.
  void tell_dependents_again(std::string_view type_url, const std::vector<std::string>& changed);
  // Who was here before says all that it holds: so many that it cannot have them from here are
  // refused.
  [[nodiscard]] Result<void> check_held(const SotwRequest& /*request*/) const { return {}; }
  [[nodiscard]] Result<void> check_held(const DeltaRequest& request) const;
  void note(Acknowledgement acknowledgement, const std::string& type_url, const std::string& error,
            Conversation& conversation);

  XdsVariant variant_;
  const AdsServer::Options& options_;
  const AdsServer::AudienceFor& audience_for_;
  Logger& logger_;
  XdsServerMetrics& metrics_;

  const SessionTerms terms_;
  NodeInfo node_;
  std::shared_ptr<ResourceSet> audience_;
  std::shared_ptr<void> presence_;  // of the node; until the stream has ended
  std::map<TypeKey, Conversation> conversations_;
  std::uint64_t last_nonce_ = 0;
};

}  // namespace meshdns::discovery
