#include "discovery/xds/server_session.h"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/log.h"
#include "base/result.h"
#include "discovery/xds/ads_server.h"
#include "discovery/xds/metrics.h"
#include "discovery/xds/node.h"
#include "discovery/xds/request.h"
#include "discovery/xds/resource.h"
#include "discovery/xds/stream_status.h"
#include "discovery/xds/subscription.h"
#include "discovery/xds/type_table.h"
#include "discovery/xds/type_urls.h"
#include "discovery/xds/wire_format.h"

namespace meshdns::discovery {
namespace {

// What a delta response is split at: well below gRPC's stock receive limit of 4 MiB.
constexpr std::size_t kResponseBytes = 1UL << 20U;
// It is kept as long as the stream, whether the type is known or not.
constexpr std::size_t kMaxTypeUrlOctets = 1024;
// What is due to a client without further notice: so many names of each type, and twice those that
// there are.
constexpr std::size_t kDueNames = 1000;
constexpr std::size_t kDueOctetsOfName = 512;
// A client's words in a log line.
constexpr std::size_t kLoggedErrorOctets = 2048;
// And as long as its stream is there.
constexpr std::size_t kKeptErrorOctets = 512;

}  // namespace

std::size_t EncodedResponse::size() const {
  std::size_t size = head.size();
  for (const SharedBytes& part : resources) {
    size += part.bytes.size();
  }
  return size;
}

EncodedResponse encode_response(XdsVariant variant, Subscription::Content content,
                                std::string_view type_url, std::string_view nonce,
                                std::string_view identifier) {
  EncodedResponse response;
  std::string& head = response.head;
  append_field(head, 1, content.version);  // version_info, system_version_info
  append_field(head, 4, type_url);
  append_field(head, 5, nonce);
  for (const std::string& name : content.removed) {
    append_field(head, 6, name);  // removed_resources
  }
  append_field_header(head, variant == XdsVariant::kSotw ? 6 : 7, field_size(identifier.size()));
  append_field(head, 1, identifier);  // ControlPlane.identifier
  response.resources = std::move(content.resources);
  return response;
}

ServerSession::ServerSession(XdsVariant variant, const AdsServer::Options& options,
                             const AdsServer::AudienceFor& audience_for, Logger& logger,
                             XdsServerMetrics& metrics, SessionTerms terms)
    : variant_(variant),
      options_(options),
      audience_for_(audience_for),
      logger_(logger),
      metrics_(metrics),
      terms_(std::move(terms)) {}

Result<void> ServerSession::receive(std::string_view bytes) {
  auto received = decode_and_take(bytes);
  if (!received) {
    metrics_.streams_refused.add();
    logger_.warn("stream refused node={} error=\"{}\"", escape_name(node_.id),
                 escape_text(received.error().message));
  }
  return received;
}

Result<void> ServerSession::decode_and_take(std::string_view bytes) {
  const RequestLimits limits{options_.max_names, options_.max_node_bytes};
  if (variant_ == XdsVariant::kSotw) {
    auto request = decode_sotw_request(bytes, limits);
    return request ? take(*std::move(request)) : tl::unexpected(std::move(request.error()));
  }
  auto request = decode_delta_request(bytes, limits);
  return request ? take(*std::move(request)) : tl::unexpected(std::move(request.error()));
}

template <typename Request>
Result<void> ServerSession::take(Request request) {
  if (request.type_url.empty()) {
    request.type_url = terms_.only_type;
  }
  if (!terms_.only_type.empty() && request.type_url != terms_.only_type) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("this service is for {} alone", terms_.only_type));
  }
  if (request.type_url.empty()) {
    return fail(ErrorCode::kInvalidArgument, "type_url is missing");
  }
  if (request.type_url.size() > kMaxTypeUrlOctets) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("type_url is longer than {} octets", kMaxTypeUrlOctets));
  }
  if (auto admitted = admit(std::move(request.node)); !admitted) {
    return admitted;
  }
  if (auto checked = check_held(request); !checked) {
    return checked;
  }
  auto found = conversation(request.type_url);
  if (!found) {
    return tl::unexpected(std::move(found.error()));
  }
  Conversation& conversation = **found;
  const Acknowledgement acknowledgement = conversation.subscription.handle(request);
  note(acknowledgement, request.type_url, request.error.value_or(""), conversation);
  if (conversation.subscription.size() > 2 * options_.max_names) {
    return fail(ErrorCode::kExhausted,
                fmt::format("a subscription to more than {} names", options_.max_names));
  }
  return {};
}

Result<void> ServerSession::check_held(const DeltaRequest& request) const {
  std::size_t served = 0;
  audience_->read(request.type_url, [&](const TypeTable& table) { served = table.size(); });
  const std::size_t limit = std::max(options_.max_names, 2 * served);
  if (request.initial_versions.size() > limit) {
    return fail(ErrorCode::kExhausted, fmt::format("{} versions in one request, more than {}",
                                                   request.initial_versions.size(), limit));
  }
  return {};
}

// Only the first request's node counts.
Result<void> ServerSession::admit(std::optional<NodeInfo> node) {
  if (audience_ != nullptr) {
    return {};
  }
  node_ = std::move(node).value_or(NodeInfo{});
  if (terms_.identity != nullptr) {
    if (auto permitted = terms_.identity->permit(node_); !permitted) {
      return permitted;
    }
  }
  auto admission = audience_for_(node_);
  if (!admission) {
    return tl::unexpected(std::move(admission.error()));
  }
  if (admission->resources == nullptr) {
    return fail(ErrorCode::kInternal, "no audience for this node");
  }
  audience_ = std::move(admission->resources);
  presence_ = std::move(admission->presence);
  node_.metadata.clear();  // which may hold all that a Dataplane is; whom it is for is known now
  return {};
}

Result<ServerSession::Conversation*> ServerSession::conversation(const std::string& type_url) {
  const TypeKey key{type_order(type_url), type_url};
  const auto at = conversations_.find(key);
  if (at != conversations_.end()) {
    return &at->second;
  }
  if (conversations_.size() >= options_.max_types) {
    return fail(ErrorCode::kExhausted,
                fmt::format("more than {} types on one stream", options_.max_types));
  }
  Subscription subscription(variant_, is_full_state(type_url), node_.zone);
  return &conversations_.try_emplace(key, Conversation{std::move(subscription)}).first->second;
}

void ServerSession::note(Acknowledgement acknowledgement, const std::string& type_url,
                         const std::string& error, Conversation& conversation) {
  if (acknowledgement == Acknowledgement::kAck) {
    conversation.acknowledged_version = conversation.sent_version;
    conversation.acknowledged_nonce = conversation.sent_nonce;
    metrics_.acks.of(type_url).add();
  } else if (acknowledgement == Acknowledgement::kNack) {
    conversation.nack_nonce = conversation.sent_nonce;
    conversation.nack_text = error.substr(0, kKeptErrorOctets);
    metrics_.nacks.of(type_url).add();
    logger_.warn("response rejected node={} type={} error=\"{}\"", escape_name(node_.id),
                 escape_name(type_url), escape_text(error.substr(0, kLoggedErrorOctets)));
  }
}

Result<std::optional<EncodedResponse>> ServerSession::next() {
  if (audience_ == nullptr) {
    return std::nullopt;
  }
  const std::string nonce = std::to_string(last_nonce_ + 1);
  for (auto& [key, conversation] : conversations_) {
    const std::string& type_url = key.second;
    std::optional<Subscription::Content> content;
    bool fell_behind = false;
    audience_->read(type_url, [&, &state = conversation.subscription](const TypeTable& table) {
      fell_behind = state.fell_behind(table);
      if (!fell_behind) {
        content = state.next(table, nonce, kResponseBytes);
      }
    });
    if (fell_behind) {
      return fail(ErrorCode::kUnavailable, "too far behind; begin again");
    }
    if (content) {
      ++last_nonce_;
      tell_dependents_again(type_url, content->changed);
      conversation.sent_version = content->version;
      conversation.sent_nonce = nonce;
      metrics_.responses.of(type_url).add();
      auto response =
          encode_response(variant_, *std::move(content), type_url, nonce, options_.identifier);
      metrics_.response_bytes.add(response.size());
      return response;
    }
  }
  return std::nullopt;
}

void ServerSession::owe_response() {
  Subscription* any = nullptr;
  for (auto& [key, conversation] : conversations_) {
    if (conversation.subscription.awaits_ack()) {
      continue;
    }
    any = &conversation.subscription;
    if (!any->tells_all_each_time()) {
      break;
    }
  }
  if (any != nullptr) {
    any->owe_response();
  }
}

void ServerSession::let_go_of_old_bytes() {
  for (auto& [key, conversation] : conversations_) {
    audience_->read(key.second, [&state = conversation.subscription](const TypeTable& table) {
      state.let_go_of_old_bytes(table);
    });
  }
}

// Endpoints are called as their cluster is, which is what xDS takes where a cluster does not say.
void ServerSession::tell_dependents_again(std::string_view type_url,
                                          const std::vector<std::string>& changed) {
  if (type_url != kClusterTypeUrl) {
    return;
  }
  const std::string endpoints(kClusterLoadAssignmentTypeUrl);
  const auto conversation = conversations_.find({type_order(endpoints), endpoints});
  if (conversation != conversations_.end()) {
    conversation->second.subscription.tell_again(changed);
  }
}

std::size_t ServerSession::octets_past_due() const {
  std::size_t octets = 0;
  for (const auto& [key, conversation] : conversations_) {
    const std::size_t held = conversation.subscription.held_octets();
    if (held <= kDueNames * kDueOctetsOfName) {
      continue;
    }
    std::size_t due = 0;
    audience_->read(key.second, [&](const TypeTable& table) {
      due = (kDueNames + 2 * table.size()) * kDueOctetsOfName;
    });
    octets += held - std::min(held, due);
  }
  return octets;
}

Result<void> ServerSession::recheck_client() const {
  if (terms_.identity == nullptr) {
    return {};
  }
  auto rechecked = terms_.identity->recheck();
  if (!rechecked) {
    metrics_.streams_refused.add();
    logger_.warn("stream ended node={} reason=\"{}\"", escape_name(node_.id),
                 escape_text(rechecked.error().message));
  }
  return rechecked;
}

StreamStatus ServerSession::status() const {
  StreamStatus status{.node = node_.id,
                      .zone = node_.zone,
                      .user_agent = node_.user_agent,
                      .peer = {},
                      .variant = variant_};
  if (terms_.identity != nullptr) {
    status.identity = terms_.identity->describe();
  }
  for (const auto& [key, conversation] : conversations_) {
    const Subscription& subscription = conversation.subscription;
    TypeStatus type{.type_url = key.second,
                    .wildcard = subscription.wildcard(),
                    .names = subscription.names(),
                    .sent_version = conversation.sent_version,
                    .sent_nonce = conversation.sent_nonce,
                    .acknowledged_version = conversation.acknowledged_version,
                    .acknowledged_nonce = conversation.acknowledged_nonce,
                    .awaits_ack = subscription.awaits_ack(),
                    .nack_nonce = conversation.nack_nonce,
                    .nack_text = conversation.nack_text};
    audience_->read(key.second,
                    [&](const TypeTable& table) { type.lag = subscription.lag(table); });
    status.types.push_back(std::move(type));
  }
  return status;
}

}  // namespace meshdns::discovery
