#include "discovery/xds/request.h"

#include <cstddef>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <google/protobuf/repeated_ptr_field.h>

#include "base/result.h"
#include "discovery/xds/node.h"
#include "envoy/config/core/v3/base.pb.h"
#include "envoy/service/discovery/v3/discovery.pb.h"

namespace meshdns::discovery {
namespace {

using envoy::config::core::v3::Node;
using envoy::service::discovery::v3::DeltaDiscoveryRequest;
using envoy::service::discovery::v3::DiscoveryRequest;

using Strings = google::protobuf::RepeatedPtrField<std::string>;

NodeInfo to_info(const Node& node) {
  NodeInfo info;
  info.id = node.id();
  info.cluster = node.cluster();
  info.region = node.locality().region();
  info.zone = node.locality().zone();
  info.sub_zone = node.locality().sub_zone();
  info.user_agent = node.user_agent_name();
  if (!node.user_agent_version().empty()) {
    info.user_agent += "/" + node.user_agent_version();
  }
  for (const auto& [key, value] : node.metadata().fields()) {
    if (value.kind_case() == google::protobuf::Value::kStringValue) {
      info.metadata.emplace(key, value.string_value());
    }
  }
  return info;
}

template <typename Message>
Result<Message> parse(std::string_view bytes, std::string_view what) {
  Message message;
  if (bytes.size() > static_cast<std::size_t>(std::numeric_limits<int>::max()) ||
      !message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return fail(ErrorCode::kInvalidArgument, fmt::format("not a {}", what));
  }
  return message;
}

Result<void> check_count(std::size_t count, const RequestLimits& limits, std::string_view what) {
  if (count > limits.max_names) {
    return fail(ErrorCode::kExhausted,
                fmt::format("{} {} in one request, more than {}", count, what, limits.max_names));
  }
  return {};
}

// Fills what both variants have in common.
template <typename Message, typename Request>
Result<void> take_common(Message& message, const RequestLimits& limits, Request& request) {
  if (message.has_node()) {
    if (message.node().ByteSizeLong() > limits.max_node_bytes) {
      return fail(ErrorCode::kExhausted,
                  fmt::format("a node of more than {} bytes", limits.max_node_bytes));
    }
    request.node = to_info(message.node());
  }
  request.type_url = std::move(*message.mutable_type_url());
  request.nonce = std::move(*message.mutable_response_nonce());
  if (message.has_error_detail()) {
    request.error = std::move(*message.mutable_error_detail()->mutable_message());
  }
  return {};
}

std::vector<std::string> take(Strings& strings) {
  std::vector<std::string> taken;
  taken.reserve(static_cast<std::size_t>(strings.size()));
  for (std::string& text : strings) {
    taken.push_back(std::move(text));
  }
  return taken;
}

}  // namespace

Result<SotwRequest> decode_sotw_request(std::string_view bytes, const RequestLimits& limits) {
  auto message = parse<DiscoveryRequest>(bytes, "DiscoveryRequest");
  if (!message) {
    return tl::unexpected(std::move(message.error()));
  }
  SotwRequest request;
  const auto names = static_cast<std::size_t>(message->resource_names_size());
  if (auto checked = check_count(names, limits, "names"); !checked) {
    return tl::unexpected(std::move(checked.error()));
  }
  if (auto taken = take_common(*message, limits, request); !taken) {
    return tl::unexpected(std::move(taken.error()));
  }
  request.version_info = std::move(*message->mutable_version_info());
  request.names = take(*message->mutable_resource_names());
  return request;
}

Result<DeltaRequest> decode_delta_request(std::string_view bytes, const RequestLimits& limits) {
  auto message = parse<DeltaDiscoveryRequest>(bytes, "DeltaDiscoveryRequest");
  if (!message) {
    return tl::unexpected(std::move(message.error()));
  }
  DeltaRequest request;
  const auto names = static_cast<std::size_t>(message->resource_names_subscribe_size()) +
                     static_cast<std::size_t>(message->resource_names_unsubscribe_size());
  if (auto checked = check_count(names, limits, "names"); !checked) {
    return tl::unexpected(std::move(checked.error()));
  }
  if (auto taken = take_common(*message, limits, request); !taken) {
    return tl::unexpected(std::move(taken.error()));
  }
  request.subscribe = take(*message->mutable_resource_names_subscribe());
  request.unsubscribe = take(*message->mutable_resource_names_unsubscribe());
  for (auto& [name, version] : *message->mutable_initial_resource_versions()) {
    request.initial_versions.emplace(name, std::move(version));
  }
  return request;
}

}  // namespace meshdns::discovery
