// What the Client Status Discovery Service (CSDS, envoy/service/status/v3/csds.proto) says of the
// server's streams, as octets: a request decoded, StreamStatus turned into a response. Pure.
//
// A response says of each type what was sent and what became of it, and never what is in the
// resources: every request is taken as one with exclude_resource_contents.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "discovery/xds/stream_status.h"

namespace meshdns::discovery {

// More matchers than this in one request are an error: each is held against every stream.
inline constexpr std::size_t kMaxNodeMatchers = 1000;

struct NodeMatcher {
  enum class Kind : std::uint8_t { kAny, kExact, kPrefix, kSuffix };

  Kind kind = Kind::kAny;
  std::string text{};

  [[nodiscard]] bool matches(std::string_view node_id) const;
};

// Whose status is asked for: of the nodes that any of the matchers takes; of all without one.
struct ClientStatusQuery {
  std::vector<NodeMatcher> matchers{};

  [[nodiscard]] bool wants(std::string_view node_id) const;
};

// kInvalidArgument when it does not decode, has too many matchers, or one by something else than
// the exact, first or last octets of the node's id: to ignore it would answer another question.
[[nodiscard]] Result<ClientStatusQuery> decode_client_status_request(std::string_view bytes);

// A ClientStatusResponse: a ClientConfig for each stream, with a GenericXdsConfig for each type.
// What clients call themselves and say is cut to 512 octets, between characters.
[[nodiscard]] std::string encode_client_status(std::span<const StreamStatus> streams);

}  // namespace meshdns::discovery
