#include "discovery/xds/client_subscription.h"

#include <algorithm>
#include <cstddef>
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
// Of names in one request of delta, which may be followed by others: well below the 4 MiB that
// gRPC's servers take unless told otherwise.
constexpr std::size_t kNameOctets = 1UL << 20U;

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

// Puts names into as many requests as they need, the first of which there is.
class NameRequests {
 public:
  explicit NameRequests(DeltaDiscoveryRequest first)
      : type_url_(first.type_url()), requests_({std::move(first)}) {}

  void subscribe(std::string name) {
    request_for(name).add_resource_names_subscribe(std::move(name));
  }
  void unsubscribe(std::string name) {
    request_for(name).add_resource_names_unsubscribe(std::move(name));
  }
  [[nodiscard]] std::vector<std::string> serialise() const {
    std::vector<std::string> serialised(requests_.size());
    std::ranges::transform(requests_, serialised.begin(), [](const DeltaDiscoveryRequest& request) {
      return request.SerializeAsString();
    });
    return serialised;
  }

 private:
  DeltaDiscoveryRequest& request_for(std::string_view name) {
    octets_ += name.size();
    if (octets_ > kNameOctets) {
      octets_ = name.size();
      requests_.emplace_back().set_type_url(type_url_);
    }
    return requests_.back();
  }

  std::string type_url_;
  std::vector<DeltaDiscoveryRequest> requests_;
  std::size_t octets_ = 0;  // of the names in the last one
};

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

std::vector<std::string> ClientSubscription::begin(XdsVariant variant, const NodeInfo* node,
                                                   Claims claims) {
  variant_ = variant;
  begun_ = false;
  named_ = false;
  nonce_.clear();
  version_info_.clear();
  hold_untold();
  if (!asks()) {
    return {};
  }
  begun_ = true;
  if (variant == XdsVariant::kSotw) {
    return {sotw_request(node, "")};
  }
  if (claims == Claims::kNone) {
    std::swap(versions_, untold_);
  }
  return delta_begin(node);
}

std::vector<std::string> ClientSubscription::delta_begin(const NodeInfo* node) {
  DeltaDiscoveryRequest first;
  first.set_type_url(type_url_);
  if (node != nullptr) {
    fill(*node, *first.mutable_node());
  }
  NameRequests requests(std::move(first));
  for (std::string& name : names_to_ask()) {
    requests.subscribe(std::move(name));
  }
  std::vector<std::string> serialised = requests.serialise();
  append_initial_versions(serialised.front());
  return serialised;
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
  untold_.keep_if([this](std::string_view name) { return wants(name); });
}

std::vector<std::string> ClientSubscription::change(const AdsClient::Interest& interest,
                                                    const NodeInfo* node) {
  const bool had_wildcard = wildcard_;
  const Names had = names_;
  change_offline(interest);
  if (!begun_) {
    return begin(variant_, node);
  }
  if (had_wildcard == wildcard_ && had == names_) {
    return {};
  }
  return variant_ == XdsVariant::kSotw ? sotw_change() : delta_change(had_wildcard, had);
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

std::vector<std::string> ClientSubscription::delta_change(bool had_wildcard, const Names& had) {
  DeltaDiscoveryRequest first;
  first.set_type_url(type_url_);
  NameRequests requests(std::move(first));
  if (wildcard_ && !had_wildcard) {
    requests.subscribe("*");
  } else if (had_wildcard && !wildcard_) {
    requests.unsubscribe("*");
  }
  for (const std::string& name : names_) {
    if (!had.contains(name)) {
      requests.subscribe(name);
    }
  }
  for (const std::string& name : had) {
    if (!names_.contains(name)) {
      requests.unsubscribe(name);
    }
  }
  return requests.serialise();
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

  note_told(response);
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

void ClientSubscription::note_told(const DecodedResponse& response) {
  for (const DecodedResource& resource : response.resources) {
    if (const auto version = untold_.find(resource.name)) {
      versions_.set(resource.name, *version);
      untold_.erase(resource.name);
    }
  }
  for (const std::string& name : response.removed) {
    untold_.erase(name);
  }
}

void ClientSubscription::hold_untold() {
  untold_.for_each(
      [this](std::string_view name, std::string_view version) { versions_.set(name, version); });
  untold_.clear();
}

void ClientSubscription::forget_untold(const AdsClient::OnResponse& on_response) {
  ResponseView view{.type_url = type_url_, .resources = {}, .removed = {}};
  untold_.for_each([&](std::string_view name, std::string_view /*version*/) {
    view.removed.emplace_back(name);
  });
  untold_.clear();
  static_cast<void>(on_response(view));
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
