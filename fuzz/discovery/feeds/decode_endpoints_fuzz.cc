// Any octets as a ClusterLoadAssignment: what is accepted keeps the bounds that the resolver builds
// on, and is the same once encoded and decoded again.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <string>

#include "discovery/feeds/endpoints_feed.h"
#include "discovery/feeds/resource_encoding.h"
#include "discovery/service.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace meshdns::discovery;
  const std::string value(data, data + size);
  const auto decoded = decode_endpoints(value);
  if (!decoded) {
    if (decoded.error().message.empty()) {
      std::abort();
    }
    return 0;
  }
  const auto& endpoints = decoded->endpoints;
  const bool is_ordered =
      std::ranges::adjacent_find(endpoints, std::ranges::greater_equal()) == endpoints.end();
  const bool is_bounded = std::ranges::all_of(endpoints, [](const Endpoint& endpoint) {
    return endpoint.port != 0 && !endpoint.address.is_unspecified() &&
           endpoint.address.unmapped() == endpoint.address && endpoint.zone.size() <= 253 &&
           endpoint.instance.size() <= 253;
  });
  const auto again = decode_endpoints(encode_endpoints(decoded->service.to_string(), endpoints));
  if (!is_ordered || !is_bounded || !again || *again != *decoded) {
    std::abort();
  }
  return 0;
}
