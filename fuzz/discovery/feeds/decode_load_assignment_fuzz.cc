// Any octets as a ClusterLoadAssignment of anybody: what is accepted keeps the bounds that the
// resolver builds on, and is the same once it was stored and read again.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <string>

#include "discovery/feeds/load_assignment.h"
#include "discovery/feeds/resource_encoding.h"
#include "discovery/service.h"

namespace {

using meshdns::discovery::Endpoint;
using meshdns::discovery::LoadAssignment;

bool is_bounded(const LoadAssignment& assignment) {
  const auto& endpoints = assignment.endpoints;
  return (!assignment.is_elsewhere || endpoints.empty()) &&
         std::ranges::adjacent_find(endpoints, std::ranges::greater_equal()) == endpoints.end() &&
         std::ranges::all_of(endpoints, [](const Endpoint& endpoint) {
           return !endpoint.address.is_unspecified() &&
                  endpoint.address.unmapped() == endpoint.address && endpoint.zone.size() <= 253 &&
                  endpoint.instance.size() <= 253;
         });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace meshdns::discovery;
  const std::string value(data, data + size);
  const auto strict = decode_load_assignment(value, HostNames::kRefused);
  const auto lenient = decode_load_assignment(value, HostNames::kLeftOut);
  if (!lenient) {
    if (strict || lenient.error().message.empty()) {
      std::abort();
    }
    return 0;
  }
  const auto again = decode_load_assignment(encode_endpoints(lenient->name, lenient->endpoints),
                                            HostNames::kRefused);
  if (!is_bounded(*lenient) || (strict && *strict != *lenient) || !again ||
      again->endpoints != lenient->endpoints || again->name != lenient->name) {
    std::abort();
  }
  return 0;
}
