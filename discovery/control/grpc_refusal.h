// How a check of grpc_rules.h ends: the parts of it share these.
#pragma once

#include <cstddef>
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

template <typename Message>
[[nodiscard]] Message read_message(const std::string& field, std::string_view bytes) {
  Message message;
  if (bytes.size() > kMaxGrpcResourceBytes) {
    refuse(field, fmt::format("its {} octets are more than gRPC's clients receive, {}",
                              bytes.size(), kMaxGrpcResourceBytes));
  }
  // protobuf refuses strings that are not UTF-8 here, as gRPC does.
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    refuse(field, "does not decode");
  }
  return message;
}

// Likewise; refused is also what our schema lacks, at any depth but for what an Any holds.
template <typename Message>
[[nodiscard]] Message read_known(const std::string& field, std::string_view bytes) {
  auto message = read_message<Message>(field, bytes);
  const std::size_t before = message.ByteSizeLong();
  message.DiscardUnknownFields();
  if (message.ByteSizeLong() != before) {
    refuse(field, "has a field that is not known here");
  }
  return message;
}

}  // namespace meshdns::discovery
