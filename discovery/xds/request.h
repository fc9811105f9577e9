// What a client of a stream asks, as plain values; decoded from the wire with bounds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "discovery/xds/node.h"

namespace meshdns::discovery {

enum class XdsVariant : std::uint8_t { kSotw, kDelta };

// State of the world: `names` is the whole subscription.
struct SotwRequest {
  std::optional<NodeInfo> node;
  std::string type_url;
  std::string version_info;
  std::string nonce;
  std::optional<std::string> error;  // present: the response of `nonce` is rejected
  std::vector<std::string> names;
};

// Delta: `subscribe` and `unsubscribe` change the subscription.
struct DeltaRequest {
  std::optional<NodeInfo> node;
  std::string type_url;
  std::string nonce;
  std::optional<std::string> error;
  std::vector<std::string> subscribe;
  std::vector<std::string> unsubscribe;
  std::unordered_map<std::string, std::string> initial_versions;  // name -> version held
};

struct RequestLimits {
  std::size_t max_names = 200'000;            // each list
  std::size_t max_node_bytes = 256UL << 10U;  // the whole Node as sent
};

// The client's bytes. kInvalidArgument when they are no such message, kExhausted past a limit.
[[nodiscard]] Result<SotwRequest> decode_sotw_request(std::string_view bytes,
                                                      const RequestLimits& limits);
[[nodiscard]] Result<DeltaRequest> decode_delta_request(std::string_view bytes,
                                                        const RequestLimits& limits);

}  // namespace meshdns::discovery
