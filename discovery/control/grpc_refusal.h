// How a check of grpc_rules.h ends: the parts of it share these.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "discovery/control/grpc_rules.h"

namespace meshdns::discovery {

// Thrown at the first thing that is wrong; none leaves the checks.
struct GrpcRefusal {
  std::string field;
  std::string reason;
};

[[noreturn]] inline void refuse(std::string field, std::string reason) {
  throw GrpcRefusal{std::move(field), std::move(reason)};
}

// True when there is nothing in `message`, at any depth, that our schema lacks. What an Any holds
// is read by itself.
template <typename Message>
[[nodiscard]] bool is_known(const Message& message) {
  Message known = message;
  known.DiscardUnknownFields();
  return known.ByteSizeLong() == message.ByteSizeLong();
}

template <typename Message>
[[nodiscard]] Message read_known(const std::string& field, std::string_view bytes) {
  Message message;
  if (bytes.size() > kMaxGrpcResourceBytes) {
    refuse(field, fmt::format("its {} octets are more than gRPC's clients receive, {}",
                              bytes.size(), kMaxGrpcResourceBytes));
  }
  // protobuf refuses strings that are not UTF-8 here, as gRPC does.
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    refuse(field, "does not decode");
  }
  if (!is_known(message)) {
    refuse(field, "has a field that is not known here");
  }
  return message;
}

}  // namespace meshdns::discovery
