// Whether the tests have a network of their own.
#pragma once

#include <cstdlib>
#include <string_view>

namespace meshdns::e2e {

// False under MESHDNS_NO_NETNS=1, which `./dev test --no-netns` sets.
[[nodiscard]] inline bool network_is_private() {
  const char* value = std::getenv("MESHDNS_NO_NETNS");  // NOLINT(concurrency-mt-unsafe): never set
  return value == nullptr || std::string_view(value) != "1";
}

}  // namespace meshdns::e2e

// For tests that change routes, interfaces or the network namespace.
#define MESHDNS_NEEDS_PRIVATE_NETWORK()                                            \
  do {                                                                             \
    if (!meshdns::e2e::network_is_private()) {                                     \
      GTEST_SKIP() << "needs a network namespace, and --no-netns leaves that out"; \
    }                                                                              \
  } while (false)
