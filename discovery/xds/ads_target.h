// A control plane's address as AdsClient's options have it: "ipv4:1.2.3.4:5678",
// "ipv6:[::1]:5678", both with "#NAME" of whose it is if need be, or "unix:/path". Never a name to
// be resolved, which gRPC would do through what may be ourselves.
#pragma once

#include <span>
#include <string>

#include "base/result.h"

namespace meshdns::discovery {

struct AdsTarget {
  std::string address;    // in gRPC's syntax
  std::string authority;  // whose it is; empty: it does not say

  // kInvalidArgument for anything else.
  [[nodiscard]] static Result<AdsTarget> parse(const std::string& text);
};

// Fails on none at all, and on the first that is none.
[[nodiscard]] Result<void> check_targets(std::span<const std::string> targets);

}  // namespace meshdns::discovery
