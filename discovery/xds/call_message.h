// Octets of a message that gRPC hands over as it came. gRPC headers: include it in few sources.
#pragma once

#include <string_view>

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/slice.h>

#include "base/result.h"

namespace meshdns::discovery {

// The message in `buffer`, which is empty afterwards, in one piece; kInternal when gRPC cannot give
// it.
[[nodiscard]] inline Result<grpc::Slice> take_message(grpc::ByteBuffer& buffer) {
  grpc::Slice slice;
  if (!buffer.TrySingleSlice(&slice).ok() && !buffer.DumpToSingleSlice(&slice).ok()) {
    return fail(ErrorCode::kInternal, "a message could not be read");
  }
  buffer.Clear();
  return slice;
}

// They live as long as `message`.
[[nodiscard]] inline std::string_view octets_of(const grpc::Slice& message) {
  // Octets as characters: the same bytes under the name protobuf's API gives them.
  return {reinterpret_cast<const char*>(message.begin()), message.size()};  // NOLINT(*-cast)
}

}  // namespace meshdns::discovery
