// Any octets as a Service resource: what is accepted keeps the bounds that the resolver builds on,
// and is the same once encoded and decoded again.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <string>

#include "discovery/feeds/mesh_feed.h"
#include "discovery/feeds/resource_encoding.h"
#include "discovery/service.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace meshdns::discovery;
  const std::string value(data, data + size);
  const auto service = decode_service(value);
  if (!service) {
    if (service.error().message.empty()) {
      std::abort();
    }
    return 0;
  }
  const bool is_ordered = std::ranges::adjacent_find(service->ports, std::ranges::greater_equal(),
                                                     &ServicePort::number) == service->ports.end();
  const bool has_good_names = std::ranges::all_of(service->hostnames, [](const std::string& name) {
    return !name.empty() && name.size() <= 253 && name.front() != '.' && name.back() != '.';
  });
  const auto again = decode_service(encode_service(*service));
  if (!is_ordered || !has_good_names || !again || *again != *service) {
    std::abort();
  }
  return 0;
}
