// The admission of resources for gRPC's clients. The first octet says of which type a value is.
// Whatever it holds, it is taken or refused in one line that is fit for a log.
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "discovery/control/grpc_rules.h"
#include "discovery/xds/resource_set.h"
#include "discovery/xds/type_urls.h"
#include "fuzz/require.h"

namespace {

using namespace meshdns::discovery;

using meshdns::fuzz::require;

constexpr std::array<std::string_view, 4> kTypes = {kListenerTypeUrl, kRouteTypeUrl,
                                                    kClusterTypeUrl, kClusterLoadAssignmentTypeUrl};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  // Octets as characters, the same bytes.
  const std::string value(reinterpret_cast<const char*>(data) + 1, size - 1);  // NOLINT(*-cast)
  const std::string_view type_url = kTypes.at(data[0] % kTypes.size());
  const bool is_listener = type_url == kListenerTypeUrl;
  const ResourceUpdate update{std::string(type_url),
                              is_listener ? "backend.mesh:8080" : "default/backend:8080", value};
  const auto checked = check_grpc_resource(update, std::vector<std::string>{"backend.mesh:8080"});
  if (!checked) {
    require(!checked.error().message.empty(), "a refusal has a reason");
    for (const char c : checked.error().message) {
      require(c >= ' ' && c <= '~', "a reason is printable");
    }
  }
  return 0;
}
