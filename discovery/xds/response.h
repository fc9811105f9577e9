// What a server of a stream sends, as plain values; decoded from the wire.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "discovery/xds/request.h"

namespace meshdns::discovery {

struct DecodedResource {
  std::string name;     // state of the world: taken from the message, where we know its type
  std::string version;  // delta only
  std::string type_url;
  std::string value;
  bool has_body = true;     // false: a heartbeat, which says that `version` still stands
  bool is_damaged = false;  // not decoded; `name` is what could be read of it, in any octets
};

struct DecodedResponse {
  std::string type_url;
  std::string version;  // of the whole: version_info, system_version_info
  std::string nonce;
  std::vector<DecodedResource> resources;
  std::vector<std::string> removed;  // delta only
  std::size_t size_bytes = 0;
};

// kInvalidArgument when the bytes are no such message. One that is, but for some of its delta
// resources, has these as damaged ones: the server is told, and the others count. A resource inside
// a envoy.service.discovery.v3.Resource is taken out of it; one whose wrapper does not decode is
// left as it is, for its subscriber to refuse.
[[nodiscard]] Result<DecodedResponse> decode_response(XdsVariant variant, std::string_view bytes);

// The xDS name of a serialised resource of a type of type_urls.h: its first field, or MESH/NAME.
// Empty for other types and for bytes that do not decode.
[[nodiscard]] std::string name_of_resource(std::string_view type_url, std::string_view value);

}  // namespace meshdns::discovery
