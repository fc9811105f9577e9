#include "discovery/xds/response.h"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <google/protobuf/any.pb.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>

#include "base/result.h"
#include "discovery/xds/request.h"
#include "discovery/xds/type_urls.h"
#include "envoy/service/discovery/v3/discovery.pb.h"

namespace meshdns::discovery {
namespace {

using envoy::service::discovery::v3::DeltaDiscoveryResponse;
using envoy::service::discovery::v3::DiscoveryResponse;
using google::protobuf::internal::WireFormatLite;

// The length-delimited fields 1 and 3 of a message, the last one of each as protobuf has it; all
// else is skipped. One cheap pass instead of decoding a message that its subscriber decodes anyway.
struct NameFields {
  std::string first;
  std::string third;
};

bool scan(std::string_view value, NameFields& fields) {
  google::protobuf::io::CodedInputStream input(
      reinterpret_cast<const std::uint8_t*>(value.data()),  // NOLINT(*-cast): protobuf's API
      static_cast<int>(value.size()));
  while (true) {
    const std::uint32_t tag = input.ReadTag();
    if (tag == 0) {
      return input.ConsumedEntireMessage();
    }
    const int number = WireFormatLite::GetTagFieldNumber(tag);
    const bool is_text =
        WireFormatLite::GetTagWireType(tag) == WireFormatLite::WIRETYPE_LENGTH_DELIMITED;
    if (is_text && (number == 1 || number == 3)) {
      std::uint32_t size = 0;
      std::string& field = number == 1 ? fields.first : fields.third;
      if (!input.ReadVarint32(&size) || !input.ReadString(&field, static_cast<int>(size))) {
        return false;
      }
    } else if (!WireFormatLite::SkipField(&input, tag)) {
      return false;
    }
  }
}

bool fits_int(std::string_view bytes) {
  return bytes.size() <= static_cast<std::size_t>(std::numeric_limits<int>::max());
}

DecodedResource unwrap(google::protobuf::Any& any) {
  DecodedResource resource;
  envoy::service::discovery::v3::Resource wrapper;
  if (any.type_url() == kWrapperTypeUrl && wrapper.ParseFromString(any.value())) {
    resource.name = std::move(*wrapper.mutable_name());
    resource.version = std::move(*wrapper.mutable_version());
    resource.has_body = wrapper.has_resource();
    resource.type_url = std::move(*wrapper.mutable_resource()->mutable_type_url());
    resource.value = std::move(*wrapper.mutable_resource()->mutable_value());
  } else {
    resource.type_url = std::move(*any.mutable_type_url());
    resource.value = std::move(*any.mutable_value());
  }
  if (resource.name.empty()) {
    resource.name = name_of_resource(resource.type_url, resource.value);
  }
  return resource;
}

template <typename Message>
Result<Message> parse(std::string_view bytes, std::string_view what) {
  Message message;
  if (!fits_int(bytes) || !message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return fail(ErrorCode::kInvalidArgument, fmt::format("not a {}", what));
  }
  return message;
}

Result<DecodedResponse> decode_sotw(std::string_view bytes) {
  auto message = parse<DiscoveryResponse>(bytes, "DiscoveryResponse");
  if (!message) {
    return tl::unexpected(std::move(message.error()));
  }
  DecodedResponse response;
  response.type_url = std::move(*message->mutable_type_url());
  response.version = std::move(*message->mutable_version_info());
  response.nonce = std::move(*message->mutable_nonce());
  response.resources.reserve(static_cast<std::size_t>(message->resources_size()));
  for (google::protobuf::Any& any : *message->mutable_resources()) {
    response.resources.push_back(unwrap(any));
  }
  return response;
}

constexpr int kResources = 2;  // of DeltaDiscoveryResponse

// Moves the resources that do not decode out of a DeltaDiscoveryResponse. False when its own fields
// do not decode.
bool set_damaged_aside(std::string_view bytes, std::string& rest, DecodedResponse& response) {
  google::protobuf::io::CodedInputStream input(
      reinterpret_cast<const std::uint8_t*>(bytes.data()),  // NOLINT(*-cast): protobuf's API
      static_cast<int>(bytes.size()));
  input.SetTotalBytesLimit(std::numeric_limits<int>::max());
  while (true) {
    const int begin = input.CurrentPosition();
    const std::uint32_t tag = input.ReadTag();
    if (tag == 0) {
      return input.ConsumedEntireMessage();
    }
    std::uint32_t size = 0;
    const bool is_resource =
        tag == WireFormatLite::MakeTag(kResources, WireFormatLite::WIRETYPE_LENGTH_DELIMITED);
    if (is_resource ? !input.ReadVarint32(&size) : !WireFormatLite::SkipField(&input, tag)) {
      return false;
    }
    const auto value = static_cast<std::size_t>(input.CurrentPosition());
    if (size > bytes.size() - value || !input.Skip(static_cast<int>(size))) {
      return false;
    }
    const auto end = static_cast<std::size_t>(input.CurrentPosition());
    const bool decodes = !is_resource || envoy::service::discovery::v3::Resource().ParseFromArray(
                                             bytes.data() + value, static_cast<int>(size));
    if (decodes) {
      rest.append(
          bytes.substr(static_cast<std::size_t>(begin), end - static_cast<std::size_t>(begin)));
    } else {
      NameFields fields;
      static_cast<void>(scan(bytes.substr(value, size), fields));
      response.resources.push_back({.name = std::move(fields.third),
                                    .version = {},
                                    .type_url = {},
                                    .value = {},
                                    .is_damaged = true});
    }
  }
}

Result<DecodedResponse> decode_delta(std::string_view bytes) {
  DecodedResponse response;
  auto message = parse<DeltaDiscoveryResponse>(bytes, "DeltaDiscoveryResponse");
  std::string rest;
  if (!message && fits_int(bytes) && set_damaged_aside(bytes, rest, response)) {
    message = parse<DeltaDiscoveryResponse>(rest, "DeltaDiscoveryResponse");
  }
  if (!message) {
    return tl::unexpected(std::move(message.error()));
  }
  response.type_url = std::move(*message->mutable_type_url());
  response.version = std::move(*message->mutable_system_version_info());
  response.nonce = std::move(*message->mutable_nonce());
  response.resources.reserve(response.resources.size() +
                             static_cast<std::size_t>(message->resources_size()));
  for (auto& sent : *message->mutable_resources()) {
    DecodedResource& resource = response.resources.emplace_back();
    resource.name = std::move(*sent.mutable_name());
    resource.version = std::move(*sent.mutable_version());
    resource.has_body = sent.has_resource();
    resource.type_url = std::move(*sent.mutable_resource()->mutable_type_url());
    resource.value = std::move(*sent.mutable_resource()->mutable_value());
  }
  for (std::string& name : *message->mutable_removed_resources()) {
    response.removed.push_back(std::move(name));
  }
  return response;
}

}  // namespace

std::string name_of_resource(std::string_view type_url, std::string_view value) {
  if (!is_known_type(type_url) || !fits_int(value)) {
    return {};
  }
  NameFields fields;
  if (!scan(value, fields)) {
    return {};
  }
  if (type_url == kServiceTypeUrl) {
    return fields.first + "/" + fields.third;
  }
  return type_url == kDataplaneTypeUrl ? std::string() : fields.first;
}

Result<DecodedResponse> decode_response(XdsVariant variant, std::string_view bytes) {
  auto response = variant == XdsVariant::kSotw ? decode_sotw(bytes) : decode_delta(bytes);
  if (response) {
    response->size_bytes = bytes.size();
  }
  return response;
}

}  // namespace meshdns::discovery
