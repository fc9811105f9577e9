#include "discovery/xds/client_status.h"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <google/protobuf/message.h>
#include <google/protobuf/unknown_field_set.h>

#include "base/result.h"
#include "base/utf8.h"
#include "discovery/xds/stream_status.h"
#include "envoy/admin/v3/config_dump_shared.pb.h"
#include "envoy/service/status/v3/csds.pb.h"

namespace meshdns::discovery {
namespace {

namespace admin = envoy::admin::v3;
namespace status = envoy::service::status::v3;

using GenericXdsConfig = status::ClientConfig::GenericXdsConfig;

// Of any text of a client's: a thousand streams are to make a response that a client receives.
constexpr std::size_t kShownOctets = 512;

// As much of `text` as is whole characters: a client that is handed a broken one takes no part of
// the response.
std::string shown(std::string_view text) {
  std::size_t end = 0;
  while (end < text.size()) {
    const std::size_t octets = utf8_character_octets(text.substr(end));
    if (octets == 0 || end + octets > kShownOctets) {
      break;
    }
    end += octets;
  }
  return std::string(text.substr(0, end));
}

// The nonces of a stream are numbers that rise; "" is before them all.
bool is_later(std::string_view nonce, std::string_view than) {
  return std::pair(nonce.size(), nonce) > std::pair(than.size(), than);
}

// What the client said last; a response that it has not answered changes nothing.
admin::ClientResourceStatus client_status(const TypeStatus& type) {
  if (is_later(type.nack_nonce, type.acknowledged_nonce)) {
    return admin::NACKED;
  }
  return type.acknowledged_nonce.empty() ? admin::REQUESTED : admin::ACKED;
}

// What became of the response sent last.
status::ConfigStatus config_status(const TypeStatus& type) {
  if (type.sent_nonce.empty()) {
    return status::NOT_SENT;
  }
  if (type.nack_nonce == type.sent_nonce) {
    return status::ERROR;
  }
  const bool is_acknowledged = !type.awaits_ack && type.acknowledged_nonce == type.sent_nonce;
  return is_acknowledged && type.lag == 0 ? status::SYNCED : status::STALE;
}

void fill(const TypeStatus& type, GenericXdsConfig& config) {
  config.set_type_url(shown(type.type_url));
  config.set_version_info(shown(type.sent_version));
  config.set_config_status(config_status(type));
  config.set_client_status(client_status(type));
  if (config.client_status() == admin::NACKED) {
    admin::UpdateFailureState& error = *config.mutable_error_state();
    error.set_details(shown(type.nack_text));
    // Of a response before the last the version is not kept.
    if (type.nack_nonce == type.sent_nonce) {
      error.set_version_info(shown(type.sent_version));
    }
  }
}

void fill(const StreamStatus& stream, status::ClientConfig& config) {
  auto& node = *config.mutable_node();
  node.set_id(shown(stream.node));
  node.set_user_agent_name(shown(stream.user_agent));
  if (!stream.zone.empty()) {
    node.mutable_locality()->set_zone(shown(stream.zone));
  }
  for (const TypeStatus& type : stream.types) {
    fill(type, *config.add_generic_xds_configs());
  }
}

bool has_unknown_fields(const google::protobuf::Message& message) {
  return !message.GetReflection()->GetUnknownFields(message).empty();
}

Result<NodeMatcher> to_matcher(const status::NodeMatcher& message) {
  const status::StringMatcher& id = message.node_id();
  if (has_unknown_fields(message) || has_unknown_fields(id)) {
    return fail(ErrorCode::kInvalidArgument,
                "node_matchers are served by node_id's exact, prefix and suffix alone");
  }
  switch (id.match_pattern_case()) {
    case status::StringMatcher::kExact:
      return NodeMatcher{NodeMatcher::Kind::kExact, id.exact()};
    case status::StringMatcher::kPrefix:
      return NodeMatcher{NodeMatcher::Kind::kPrefix, id.prefix()};
    case status::StringMatcher::kSuffix:
      return NodeMatcher{NodeMatcher::Kind::kSuffix, id.suffix()};
    case status::StringMatcher::MATCH_PATTERN_NOT_SET:
      break;
  }
  return NodeMatcher{};
}

}  // namespace

bool NodeMatcher::matches(std::string_view node_id) const {
  switch (kind) {
    case Kind::kExact:
      return node_id == text;
    case Kind::kPrefix:
      return node_id.starts_with(text);
    case Kind::kSuffix:
      return node_id.ends_with(text);
    case Kind::kAny:
      break;
  }
  return true;
}

bool ClientStatusQuery::wants(std::string_view node_id) const {
  return matchers.empty() || std::ranges::any_of(matchers, [node_id](const NodeMatcher& matcher) {
           return matcher.matches(node_id);
         });
}

Result<ClientStatusQuery> decode_client_status_request(std::string_view bytes) {
  status::ClientStatusRequest request;
  if (bytes.size() > static_cast<std::size_t>(std::numeric_limits<int>::max()) ||
      !request.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return fail(ErrorCode::kInvalidArgument, "not a ClientStatusRequest");
  }
  if (static_cast<std::size_t>(request.node_matchers_size()) > kMaxNodeMatchers) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("more than {} node_matchers", kMaxNodeMatchers));
  }
  ClientStatusQuery query;
  for (const status::NodeMatcher& message : request.node_matchers()) {
    auto matcher = to_matcher(message);
    if (!matcher) {
      return tl::unexpected(std::move(matcher.error()));
    }
    query.matchers.push_back(*std::move(matcher));
  }
  return query;
}

std::string encode_client_status(std::span<const StreamStatus> streams) {
  status::ClientStatusResponse response;
  for (const StreamStatus& stream : streams) {
    fill(stream, *response.add_config());
  }
  return response.SerializeAsString();
}

}  // namespace meshdns::discovery
