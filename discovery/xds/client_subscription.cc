#include "discovery/xds/client_subscription.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "discovery/xds/ads_client.h"
#include "discovery/xds/held_versions.h"
#include "discovery/xds/node.h"
#include "discovery/xds/request.h"
#include "discovery/xds/response.h"
#include "discovery/xds/type_urls.h"
#include "discovery/xds/wire_format.h"
#include "envoy/config/core/v3/base.pb.h"
#include "envoy/service/discovery/v3/discovery.pb.h"

namespace meshdns::discovery {
namespace {

using envoy::config::core::v3::Node;
using envoy::service::discovery::v3::DeltaDiscoveryRequest;
using envoy::service::discovery::v3::DiscoveryRequest;

// google.rpc.Code of a NACK.
constexpr int kInvalidArgumentCode = 3;
// The fields of a map's entries.
constexpr unsigned kMapKeyField = 1;
constexpr unsigned kMapValueField = 2;
// A NACK's text goes into logs at the other end.
constexpr std::size_t kErrorOctets = 8192;

void fill(const NodeInfo& info, Node& node) {
  node.set_id(info.id);
  node.set_cluster(info.cluster);
  node.mutable_locality()->set_region(info.region);
  node.mutable_locality()->set_zone(info.zone);
  node.mutable_locality()->set_sub_zone(info.sub_zone);
  for (const auto& [key, value] : info.metadata) {
    (*node.mutable_metadata()->mutable_fields())[key].set_string_value(value);
  }
  static_cast<void>(node.mutable_metadata()->MergeFromString(info.more_metadata));
  node.set_user_agent_name(info.user_agent);
}

// Protobuf strings are UTF-8; reasons may quote anything.
std::string printable(std::string text) {
  std::ranges::replace_if(text, [](char c) { return c < ' ' || c > '~'; }, '?');
  return text;
}

std::string describe(const std::vector<Rejection>& rejections) {
  if (rejections.empty()) {
    return {};
  }
  std::string text = fmt::format("{} of the resources rejected:", rejections.size());
  for (std::size_t i = 0; i < rejections.size(); ++i) {
    const auto& [name, reason] = rejections[i];
    if (text.size() + name.size() + reason.size() > kErrorOctets) {
      text += fmt::format(" and {} more", rejections.size() - i);
      break;
    }
    text += fmt::format("{} {}: {}", i == 0 ? "" : ";", name.empty() ? "(unnamed)" : name, reason);
  }
  return printable(std::move(text));
}

}  // namespace

ClientSubscription::ClientSubscription(std::string_view type_url,
                                       const AdsClient::Interest& interest, HeldVersions held)
    : type_url_(type_url),
      wildcard_(interest.wildcard),
      names_(interest.names.begin(), interest.names.end()),
      versions_(std::move(held)) {}

// The whole subscription as a list. A wildcard is the empty list where that can be understood,
// because not every server knows "*".
std::vector<std::string> ClientSubscription::names_to_ask() {
  std::vector<std::string> names;
  if (wildcard_ && (named_ || !names_.empty() || !is_full_state(type_url_))) {
    names.emplace_back("*");
  }
  names.insert(names.end(), names_.begin(), names_.end());
  named_ = named_ || !names.empty();
  return names;
}

std::optional<std::string> ClientSubscription::begin(XdsVariant variant, const NodeInfo* node) {
  variant_ = variant;
  begun_ = false;
  named_ = false;
  nonce_.clear();
  version_info_.clear();
  if (!asks()) {
    return std::nullopt;
  }
  begun_ = true;
  if (variant == XdsVariant::kSotw) {
    return sotw_request(node, "");
  }
  DeltaDiscoveryRequest request;
  request.set_type_url(type_url_);
  if (node != nullptr) {
    fill(*node, *request.mutable_node());
  }
  for (std::string& name : names_to_ask()) {
    request.add_resource_names_subscribe(std::move(name));
  }
  std::string octets = request.SerializeAsString();
  append_initial_versions(octets);
  return octets;
}

// By hand, since there may be a million: each is a key and a value in a message of their own.
void ClientSubscription::append_initial_versions(std::string& request) const {
  versions_.for_each([&](std::string_view name, std::string_view version) {
    append_field_header(request, DeltaDiscoveryRequest::kInitialResourceVersionsFieldNumber,
                        field_size(name.size()) + field_size(version.size()));
    append_field(request, kMapKeyField, name);
    append_field(request, kMapValueField, version);
  });
}

std::string ClientSubscription::sotw_request(const NodeInfo* node, const std::string& error) {
  DiscoveryRequest request;
  request.set_type_url(type_url_);
  request.set_version_info(version_info_);
  request.set_response_nonce(nonce_);
  if (node != nullptr) {
    fill(*node, *request.mutable_node());
  }
  for (std::string& name : names_to_ask()) {
    request.add_resource_names(std::move(name));
  }
  if (!error.empty()) {
    request.mutable_error_detail()->set_code(kInvalidArgumentCode);
    request.mutable_error_detail()->set_message(error);
  }
  return request.SerializeAsString();
}

void ClientSubscription::change_offline(const AdsClient::Interest& interest) {
  wildcard_ = interest.wildcard;
  names_ = Names(interest.names.begin(), interest.names.end());
  versions_.keep_if([this](std::string_view name) { return wants(name); });
}

std::vector<std::string> ClientSubscription::change(const AdsClient::Interest& interest,
                                                    const NodeInfo* node) {
  const bool had_wildcard = wildcard_;
  const Names had = names_;
  change_offline(interest);
  if (!begun_) {
    auto request = begin(variant_, node);
    return request ? std::vector{*std::move(request)} : std::vector<std::string>{};
  }
  if (had_wildcard == wildcard_ && had == names_) {
    return {};
  }
  return variant_ == XdsVariant::kSotw ? sotw_change()
                                       : std::vector{delta_change(had_wildcard, had)};
}

std::vector<std::string> ClientSubscription::sotw_change() {
  std::vector<std::string> requests;
  if (!asks() && !named_) {
    // An empty list still means everything: it must be a "*" before it can be nothing.
    named_ = true;
    wildcard_ = true;
    requests.push_back(sotw_request(nullptr, ""));
    wildcard_ = false;
  }
  requests.push_back(sotw_request(nullptr, ""));
  return requests;
}

std::string ClientSubscription::delta_change(bool had_wildcard, const Names& had) {
  DeltaDiscoveryRequest request;
  request.set_type_url(type_url_);
  if (wildcard_ != had_wildcard) {
    *(wildcard_ ? request.add_resource_names_subscribe()
                : request.add_resource_names_unsubscribe()) = "*";
  }
  for (const std::string& name : names_) {
    if (!had.contains(name)) {
      request.add_resource_names_subscribe(name);
    }
  }
  for (const std::string& name : had) {
    if (!names_.contains(name)) {
      request.add_resource_names_unsubscribe(name);
    }
  }
  return request.SerializeAsString();
}

bool ClientSubscription::wants(std::string_view name) const {
  return wildcard_ || name.empty() || names_.contains(name);
}

std::string ClientSubscription::fault_of(const DecodedResource& resource, bool is_repeated,
                                         bool is_removed) const {
  if (resource.is_damaged) {
    return "is damaged: no Resource";
  }
  if (is_repeated) {
    return "stands more than once in one response";
  }
  if (is_removed) {
    return "is both sent and removed";
  }
  if (!resource.has_body) {
    const bool is_heartbeat =
        variant_ == XdsVariant::kDelta && versions_.find(resource.name) == resource.version;
    return is_heartbeat ? "" : "has no body";
  }
  return resource.type_url == type_url_ ? "" : "is a " + resource.type_url;
}

ResponseView ClientSubscription::view_of(const DecodedResponse& response,
                                         std::vector<Rejection>& rejections) const {
  std::unordered_map<std::string_view, int> times;
  for (const DecodedResource& resource : response.resources) {
    ++times[resource.name];
  }
  const std::unordered_set<std::string_view> removed(response.removed.begin(),
                                                     response.removed.end());
  ResponseView view;
  view.type_url = type_url_;
  for (const DecodedResource& resource : response.resources) {
    if (!wants(resource.name) && !resource.is_damaged) {
      continue;
    }
    const bool is_repeated = !resource.name.empty() && times[resource.name] > 1;
    std::string fault = fault_of(resource, is_repeated, removed.contains(resource.name));
    if (!fault.empty()) {
      rejections.push_back({resource.name, std::move(fault)});
    } else if (resource.has_body) {
      view.resources.push_back(
          {resource.name, resource.version, resource.value, resource.type_url});
    }
  }
  for (const std::string& name : response.removed) {
    if (wants(name) && !times.contains(name)) {
      view.removed.push_back(name);
    }
  }
  view.full_state = variant_ == XdsVariant::kSotw && is_full_state(type_url_) && rejections.empty();
  return view;
}

ClientSubscription::Reply ClientSubscription::take(const DecodedResponse& response,
                                                   const AdsClient::OnResponse& on_response) {
  std::vector<Rejection> rejections;
  const ResponseView view = view_of(response, rejections);
  if (asks()) {
    std::vector<Rejection> more = on_response(view);
    rejections.insert(rejections.end(), more.begin(), more.end());
  }

  remember(view, rejections);
  nonce_ = response.nonce;
  if (rejections.empty()) {
    version_info_ = response.version;
  }
  Reply reply;
  reply.rejected = rejections.size();
  reply.error = describe(rejections);
  reply.request = reply_request(response.nonce, reply.error);
  return reply;
}

// A rejected resource keeps the version of its last good form.
void ClientSubscription::remember(const ResponseView& view,
                                  const std::vector<Rejection>& rejections) {
  if (view.full_state && rejections.empty()) {
    forget_unlisted(view);
  }
  std::unordered_set<std::string_view> rejected;
  for (const Rejection& rejection : rejections) {
    rejected.insert(rejection.name);
  }
  for (const ResponseItem& item : view.resources) {
    if (!item.name.empty() &&
        !rejected.contains(item.name)) {  // nothing can be said of the unnamed
      versions_.set(item.name,
                    variant_ == XdsVariant::kDelta ? std::string_view(item.version) : "");
    }
  }
  for (const std::string& name : view.removed) {
    versions_.erase(name);
  }
}

void ClientSubscription::forget_unlisted(const ResponseView& view) {
  std::unordered_set<std::string_view> listed;
  for (const ResponseItem& item : view.resources) {
    listed.insert(item.name);
  }
  versions_.keep_if([&](std::string_view name) { return listed.contains(name); });
}

std::string ClientSubscription::reply_request(const std::string& nonce, const std::string& error) {
  if (variant_ == XdsVariant::kSotw) {
    return sotw_request(nullptr, error);
  }
  DeltaDiscoveryRequest request;
  request.set_type_url(type_url_);
  request.set_response_nonce(nonce);
  if (!error.empty()) {
    request.mutable_error_detail()->set_code(kInvalidArgumentCode);
    request.mutable_error_detail()->set_message(error);
  }
  return request.SerializeAsString();
}

}  // namespace meshdns::discovery
