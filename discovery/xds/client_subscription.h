// The client's side of one type: what it asks for, what it holds, and what it answers. Pure state:
// requests leave as bytes, responses come in decoded.
//
// What it holds outlives streams, so that the next one can say it (initial_resource_versions). In
// state of the world a new stream asks as if it held nothing: named types must be answered anyway,
// and a server that skips the answer would look like one that is not there. What such a stream told
// is held without a version: the next one may speak delta, and only who is told what is held tells
// what of it is gone. A server that cannot be told (Claims::kNone) tells everything anew: what it
// does not tell in good time is gone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "discovery/xds/ads_client.h"
#include "discovery/xds/held_versions.h"
#include "discovery/xds/node.h"
#include "discovery/xds/request.h"
#include "discovery/xds/response.h"

namespace meshdns::discovery {

class ClientSubscription {
 public:
  // Whether the server is told what is held.
  enum class Claims : std::uint8_t { kAll, kNone };
  struct Reply {
    std::string request;       // the ACK or NACK
    std::size_t rejected = 0;  // resources named in a NACK
    std::string error;         // its text; empty for an ACK
  };

  ClientSubscription(std::string_view type_url, const AdsClient::Interest& interest,
                     HeldVersions held = {});

  // A stream begins. No request is returned when nothing is asked for. `node`: for the first
  // request of the stream, whatever its type; else null.
  [[nodiscard]] std::vector<std::string> begin(XdsVariant variant, const NodeInfo* node,
                                               Claims claims = Claims::kAll);
  // The requests that make `interest` the subscription, on the stream that has begun; none when it
  // already is.
  [[nodiscard]] std::vector<std::string> change(const AdsClient::Interest& interest,
                                                const NodeInfo* node);
  // The same without a stream.
  void change_offline(const AdsClient::Interest& interest);

  // Gives what is well-formed and asked for to `on_response`, remembers what it took, and answers.
  // Refused before that: a name that stands twice, one that is sent and removed, a resource of
  // another type, one without a body that we do not hold, one that is damaged.
  [[nodiscard]] Reply take(const DecodedResponse& response,
                           const AdsClient::OnResponse& on_response);

  // How many of the resources that are held the server was not told of and has not told of yet.
  [[nodiscard]] std::size_t untold() const { return untold_.size(); }
  // Tells `on_response` that these are gone.
  void forget_untold(const AdsClient::OnResponse& on_response);

  [[nodiscard]] bool asks() const { return wildcard_ || !names_.empty(); }

 private:
  using Names = std::set<std::string, std::less<>>;

  [[nodiscard]] std::vector<std::string> names_to_ask();
  [[nodiscard]] std::string sotw_request(const NodeInfo* node, const std::string& error);
  [[nodiscard]] std::vector<std::string> sotw_change();
  void append_initial_versions(std::string& request) const;
  [[nodiscard]] std::vector<std::string> delta_begin(const NodeInfo* node);
  [[nodiscard]] std::vector<std::string> delta_change(bool had_wildcard, const Names& had);
  [[nodiscard]] bool wants(std::string_view name) const;
  // Why the resource is refused before anybody looks at its value; empty when it is not.
  [[nodiscard]] std::string fault_of(const DecodedResource& resource, bool is_repeated,
                                     bool is_removed) const;
  [[nodiscard]] ResponseView view_of(const DecodedResponse& response,
                                     std::vector<Rejection>& rejections) const;
  // What was told, even if it is refused, is there.
  void note_told(const DecodedResponse& response);
  void hold_untold();
  void remember(const ResponseView& view, const std::vector<Rejection>& rejections);
  // What a full state, taken whole, does not list is held no more.
  void forget_unlisted(const ResponseView& view);
  [[nodiscard]] std::string reply_request(const std::string& nonce, const std::string& error);

  std::string type_url_;
  bool wildcard_;
  Names names_;
  HeldVersions versions_;  // what is held; of state of the world with empty ones
  HeldVersions untold_;    // what is held besides, and may be gone

  // Of the current stream.
  XdsVariant variant_ = XdsVariant::kDelta;
  bool begun_ = false;        // a request of this type was sent
  bool named_ = false;        // ... with a name in it: an empty list is no wildcard any more
  std::string nonce_;         // state of the world: of the latest response
  std::string version_info_;  // state of the world: of the latest response taken whole
};

}  // namespace meshdns::discovery
