// Admission: whether gRPC's xDS clients take a resource, by the rules of C-core 1.51, the strictest
// that Debian has. Pure: no I/O, no thread.
//
// A client that refuses one resource refuses the response it came in, in words that only its
// stream sees; so what it would refuse is not given to it. Refused here is also what a client takes
// and cannot use: a locality without weight, routes that no call matches, more octets than it
// receives. Fields that our own schema lacks are refused unread, since gRPC has rules for some of
// them.
//
// Each check's error (kInvalidArgument) names the field.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "discovery/xds/resource_set.h"

namespace meshdns::discovery {

// gRPC's clients receive messages of 4 MiB, and there are names and types around a resource.
inline constexpr std::size_t kMaxGrpcResourceBytes = (std::size_t{4} << 20U) - 4096;

[[nodiscard]] Result<void> check_grpc_listener(std::string_view name, std::string_view value);
// `authorities`: those of the calls that the routes are for.
[[nodiscard]] Result<void> check_grpc_routes(std::string_view name, std::string_view value,
                                             std::span<const std::string> authorities);
[[nodiscard]] Result<void> check_grpc_cluster(std::string_view name, std::string_view value);
[[nodiscard]] Result<void> check_grpc_endpoints(std::string_view name, std::string_view value);

// Every form of an update of one of the four types; `authorities` as above.
[[nodiscard]] Result<void> check_grpc_resource(const ResourceUpdate& update,
                                               std::span<const std::string> authorities);

}  // namespace meshdns::discovery
