// Any octets as a Cluster: what is accepted keeps the bounds that the resolver builds on, and what
// is stored of it says the same when it is read again.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "discovery/dns_name.h"
#include "discovery/feeds/cluster.h"
#include "discovery/feeds/held_assignment.h"
#include "discovery/service.h"

namespace {

using meshdns::discovery::Cluster;
using meshdns::discovery::Endpoint;

bool are_bounded(const std::vector<Endpoint>& endpoints) {
  return std::ranges::adjacent_find(endpoints, std::ranges::greater_equal()) == endpoints.end() &&
         std::ranges::all_of(endpoints, [](const Endpoint& endpoint) {
           return !endpoint.address.is_unspecified() &&
                  endpoint.address.unmapped() == endpoint.address && endpoint.zone.size() <= 253 &&
                  endpoint.instance.size() <= 253;
         });
}

bool is_bounded(const Cluster& cluster) {
  const auto& hostnames = cluster.service.hostnames;
  const bool is_named = hostnames.size() == 1 && meshdns::discovery::is_dns_name(hostnames[0]) &&
                        meshdns::discovery::fold_name(hostnames[0]) == hostnames[0] &&
                        hostnames[0].ends_with(".mesh");
  return !cluster.service.id.name.empty() && is_named == cluster.left_out.empty() &&
         (cluster.assignment.empty() || !cluster.endpoints) &&
         (!cluster.endpoints || are_bounded(*cluster.endpoints));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace meshdns::discovery;
  const std::string value(data, data + size);
  const ClusterNaming naming{.mesh = "default", .zones = {"mesh"}};
  const auto decoded = decode_cluster(value, naming);
  if (!decoded) {
    if (decoded.error().message.empty()) {
      std::abort();
    }
    return 0;
  }
  const auto again = decode_cluster(decoded->stored, naming);
  const HeldAssignment held{.version = value, .assignment = decoded->assignment};
  if (!is_bounded(*decoded) || !again || again->service != decoded->service ||
      again->assignment != decoded->assignment || again->endpoints != decoded->endpoints ||
      again->left_out != decoded->left_out || HeldAssignment::parse(held.to_text()) != held) {
    std::abort();
  }
  static_cast<void>(HeldAssignment::parse(value));
  return 0;
}
