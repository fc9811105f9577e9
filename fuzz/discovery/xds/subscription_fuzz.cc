// Conversations spelled by the input: whatever is asked, changed, lost and answered late, in the
// end the client must hold exactly what it asked for. The first octet picks variant and type.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string_view>

#include "discovery/xds/request.h"
#include "discovery/xds/type_urls.h"
#include "tests/discovery/xds/subscription_model.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace meshdns::discovery;
  if (size < 1 || size > 4096) {
    return 0;
  }
  const XdsVariant variant = (data[0] & 1U) != 0 ? XdsVariant::kSotw : XdsVariant::kDelta;
  const std::string_view type =
      (data[0] & 2U) != 0 ? kClusterLoadAssignmentTypeUrl : kClusterTypeUrl;
  SubscriptionModel model(variant, type);
  model.run(std::span(data, size).subspan(1));
  if (!model.fault().empty()) {
    std::fprintf(stderr, "%s\n", model.fault().c_str());
    std::abort();
  }
  return 0;
}
