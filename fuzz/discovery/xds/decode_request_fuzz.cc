// Requests of a hostile client, one stream of them: each is two octets of length and so many of
// request. The first octet picks the variant. Whatever arrives, what leaves must decode.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include <spdlog/sinks/null_sink.h>

#include "base/log.h"
#include "base/metrics.h"
#include "discovery/xds/ads_server.h"
#include "discovery/xds/metrics.h"
#include "discovery/xds/node.h"
#include "discovery/xds/request.h"
#include "discovery/xds/resource.h"
#include "discovery/xds/resource_set.h"
#include "discovery/xds/response.h"
#include "discovery/xds/server_session.h"
#include "discovery/xds/type_urls.h"

namespace {

using namespace meshdns::discovery;

std::shared_ptr<ResourceSet> make_resources() {
  auto resources = std::make_shared<ResourceSet>();
  for (const std::string_view type :
       {kServiceTypeUrl, kClusterTypeUrl, kClusterLoadAssignmentTypeUrl}) {
    resources->apply({{std::string(type), "a", "1"}, {std::string(type), "b", "2"}}, {});
  }
  return resources;
}

void drain(ServerSession& session, XdsVariant variant) {
  while (true) {
    const auto response = session.next();
    if (!response || !*response) {
      return;
    }
    std::string bytes = (*response)->head;
    for (const SharedBytes& part : (*response)->resources) {
      bytes += part.bytes;
    }
    if (!decode_response(variant, bytes)) {
      std::abort();
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static meshdns::Logger logger("xds", std::make_shared<spdlog::sinks::null_sink_mt>());
  static meshdns::MetricRegistry registry;
  static XdsServerMetrics metrics(registry);
  static const std::shared_ptr<ResourceSet> kResources = make_resources();
  static const AdsServer::AudienceFor kAudienceFor = [](const NodeInfo&) { return kResources; };
  const AdsServer::Options options{.max_names = 50, .max_types = 4, .max_node_bytes = 200};

  if (size < 1) {
    return 0;
  }
  const XdsVariant variant = (data[0] & 1U) != 0 ? XdsVariant::kSotw : XdsVariant::kDelta;
  ServerSession session(variant, options, kAudienceFor, logger, metrics);
  // Octets as characters, the same bytes.
  std::string_view rest(reinterpret_cast<const char*>(data + 1), size - 1);  // NOLINT(*-cast)
  while (rest.size() >= 2) {
    const std::size_t length =
        static_cast<unsigned char>(rest[0]) * 256U + static_cast<unsigned char>(rest[1]);
    rest.remove_prefix(2);
    // On the heap and of the exact size, so that every octet read past the end is seen.
    const std::string request(rest.substr(0, length));
    rest.remove_prefix(request.size());
    if (!session.receive(request)) {
      break;
    }
    drain(session, variant);
  }
  return 0;
}
