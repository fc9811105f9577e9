// Whether an endpoint serves, in the words of xDS. For sources alone: it brings protobuf.
#pragma once

#include "discovery/service.h"
#include "envoy/config/core/v3/health_check.pb.h"

namespace meshdns::discovery {

// A degraded endpoint serves, though not well; one that is draining is not to get new work.
[[nodiscard]] inline Health health_of(envoy::config::core::v3::HealthStatus status) {
  switch (status) {
    case envoy::config::core::v3::HEALTHY:
    case envoy::config::core::v3::DEGRADED:
      return Health::kHealthy;
    case envoy::config::core::v3::UNHEALTHY:
    case envoy::config::core::v3::DRAINING:
    case envoy::config::core::v3::TIMEOUT:
      return Health::kUnhealthy;
    default:
      return Health::kUnknown;
  }
}

}  // namespace meshdns::discovery
