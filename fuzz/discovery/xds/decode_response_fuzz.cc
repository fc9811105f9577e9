// A response of a hostile server, decoded and taken by a subscription. The first octet picks the
// variant and what is asked for.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "discovery/xds/ads_client.h"
#include "discovery/xds/client_subscription.h"
#include "discovery/xds/request.h"
#include "discovery/xds/response.h"
#include "discovery/xds/type_urls.h"
#include "envoy/service/discovery/v3/discovery.pb.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace meshdns::discovery;
  if (size < 1) {
    return 0;
  }
  const XdsVariant variant = (data[0] & 1U) != 0 ? XdsVariant::kSotw : XdsVariant::kDelta;
  // Octets as characters, the same bytes.
  const std::string bytes(reinterpret_cast<const char*>(data + 1), size - 1);  // NOLINT(*-cast)
  const auto response = decode_response(variant, bytes);
  if (!response) {
    return 0;
  }
  const AdsClient::Interest interest{.wildcard = (data[0] & 2U) == 0,
                                     .names = {"a", "default/web"}};
  ClientSubscription subscription(kServiceTypeUrl, interest);
  (void)subscription.begin(variant, nullptr);
  const ClientSubscription::Reply reply =
      subscription.take(*response, [](const ResponseView& view) {
        std::vector<Rejection> rejections;
        for (const ResponseItem& item : view.resources) {
          if (item.value.size() % 2 == 1) {
            rejections.push_back({item.name, std::string(item.value)});
          }
        }
        return rejections;
      });
  // The answer must be a request that a server can read, and name what was refused.
  const bool readable =
      variant == XdsVariant::kSotw
          ? envoy::service::discovery::v3::DiscoveryRequest().ParseFromString(reply.request)
          : envoy::service::discovery::v3::DeltaDiscoveryRequest().ParseFromString(reply.request);
  if (!readable || reply.error.empty() != (reply.rejected == 0)) {
    std::abort();
  }
  return 0;
}
