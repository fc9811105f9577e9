#include "tests/support/scripted_xds.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "envoy/service/discovery/v3/discovery.pb.h"
#include "tests/support/scripted_ads.h"

namespace meshdns::support {
namespace {

using envoy::service::discovery::v3::DeltaDiscoveryRequest;
using envoy::service::discovery::v3::DeltaDiscoveryResponse;
using envoy::service::discovery::v3::DiscoveryRequest;
using envoy::service::discovery::v3::DiscoveryResponse;
using Request = ScriptedXds::Request;

template <typename Message>
Request common_of(const Message& message) {
  Request request;
  request.type_url = message.type_url();
  request.node_id = message.node().id();
  request.node_cluster = message.node().cluster();
  request.nonce = message.response_nonce();
  request.error = message.error_detail().message();
  return request;
}

Request read(const DeltaDiscoveryRequest& message) {
  Request request = common_of(message);
  request.names.assign(message.resource_names_subscribe().begin(),
                       message.resource_names_subscribe().end());
  request.unsubscribed.assign(message.resource_names_unsubscribe().begin(),
                              message.resource_names_unsubscribe().end());
  request.versions.insert(message.initial_resource_versions().begin(),
                          message.initial_resource_versions().end());
  return request;
}

Request read(const DiscoveryRequest& message) {
  Request request = common_of(message);
  request.names.assign(message.resource_names().begin(), message.resource_names().end());
  return request;
}

}  // namespace

ScriptedXds::ScriptedXds(const ScriptedAds::Options& options)
    : sotw_(options.sotw), ads_(options) {}

bool ScriptedXds::await_stream(std::chrono::milliseconds bound) {
  asks_.clear();
  return ads_.await_stream(bound);
}

std::optional<Request> ScriptedXds::next() {
  if (sotw_) {
    const auto message = ads_.next_sotw_request();
    return message ? std::optional(read(*message)) : std::nullopt;
  }
  const auto message = ads_.next_request();
  return message ? std::optional(read(*message)) : std::nullopt;
}

std::optional<Request> ScriptedXds::next_ask(std::string_view type_url) {
  const auto kept = std::ranges::find(asks_, type_url, &Request::type_url);
  if (kept != asks_.end()) {
    Request request = std::move(*kept);
    asks_.erase(kept);
    return request;
  }
  while (auto request = next()) {
    if (request->type_url == type_url) {
      return request;
    }
    asks_.push_back(*std::move(request));
  }
  return std::nullopt;
}

Request ScriptedXds::tell(std::string_view type_url, const std::vector<Resource>& resources,
                          const std::vector<std::string>& removed) {
  const std::string nonce = std::to_string(++nonce_);
  if (sotw_) {
    DiscoveryResponse response;
    response.set_type_url(std::string(type_url));
    response.set_version_info(nonce);
    response.set_nonce(nonce);
    for (const Resource& resource : resources) {
      auto& any = *response.add_resources();
      any.set_type_url(std::string(type_url));
      any.set_value(resource.value);
    }
    ads_.send(response.SerializeAsString());
  } else {
    DeltaDiscoveryResponse response;
    response.set_type_url(std::string(type_url));
    response.set_nonce(nonce);
    for (const Resource& resource : resources) {
      auto& added = *response.add_resources();
      added.set_name(resource.name);
      added.set_version(resource.version);
      added.mutable_resource()->set_type_url(std::string(type_url));
      added.mutable_resource()->set_value(resource.value);
    }
    response.mutable_removed_resources()->Assign(removed.begin(), removed.end());
    ads_.send(response.SerializeAsString());
  }
  while (auto request = next()) {
    if (request->nonce == nonce && request->type_url == type_url) {
      return *std::move(request);
    }
    asks_.push_back(*std::move(request));
  }
  Request nothing;
  nothing.error = "the stream is gone";
  return nothing;
}

}  // namespace meshdns::support
