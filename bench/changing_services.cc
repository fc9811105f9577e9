#include "bench/changing_services.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/log.h"
#include "base/result.h"
#include "discovery/feeds/resource_encoding.h"
#include "discovery/service.h"
#include "discovery/xds/admission.h"
#include "discovery/xds/ads_server.h"
#include "discovery/xds/node.h"
#include "discovery/xds/resource_set.h"
#include "discovery/xds/type_urls.h"

namespace meshdns::bench {
namespace {

constexpr std::uint16_t kUsualPort = 8080;
constexpr std::uint16_t kOtherPort = 8081;

// As meshdns-cp makes it of one Dataplane.
discovery::Service make_service(const std::string& name) {
  discovery::Service service;
  service.id = {"default", name};
  service.hostnames = {name + ".mesh"};
  service.ports = {{.name = {}, .number = kUsualPort, .protocol = discovery::Protocol::kHttp}};
  service.tags = {{"kuma.io/protocol", "http"}, {"kuma.io/service", name}};
  return service;
}

}  // namespace

Result<std::unique_ptr<ChangingServices>> ChangingServices::serve(
    const std::string& listen, const std::vector<std::string>& names) {
  auto logs = Logs::create({.level = "warn"});
  if (!logs) {
    return tl::unexpected(std::move(logs.error()));
  }
  std::unique_ptr<ChangingServices> served(new ChangingServices(*std::move(logs), names));
  discovery::AdsServer::Options options;
  options.listen = listen;
  auto server = discovery::AdsServer::start(
      options,
      [resources = served->resources_](const discovery::NodeInfo& /*node*/) {
        return Result<discovery::Admission>(resources);
      },
      served->logs_->logger("xds"), served->metrics_);
  if (!server) {
    return tl::unexpected(std::move(server.error()));
  }
  served->server_ = *std::move(server);
  return served;
}

ChangingServices::ChangingServices(std::unique_ptr<Logs> logs,
                                   const std::vector<std::string>& names)
    : logs_(std::move(logs)) {
  std::vector<discovery::ResourceUpdate> updates;
  services_.reserve(names.size());
  updates.reserve(names.size());
  for (const std::string& name : names) {
    updates.push_back(resource_of(services_.emplace_back(make_service(name))));
  }
  resources_->apply(updates, {});
}

discovery::ResourceUpdate ChangingServices::resource_of(const discovery::Service& service) {
  return {.type_url = std::string(discovery::kServiceTypeUrl),
          .name = service.id.to_string(),
          .value = discovery::encode_service(service)};
}

void ChangingServices::change(std::size_t service) {
  std::uint16_t& number = services_[service].ports.front().number;
  number = number == kUsualPort ? kOtherPort : kUsualPort;
  resources_->apply({resource_of(services_[service])}, {});
}

}  // namespace meshdns::bench
