// Runs the end-to-end tests in a network of their own: no port is taken there, nothing outside is
// reached, and a whole VIP pool can be local.
//
// MESHDNS_NO_NETNS=1 (./dev test --no-netns) stays in the machine's network and skips what needs
// another.
#include <cstdio>
#include <cstdlib>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/e2e/network.h"
#include "tests/support/network_namespace.h"
#include "tests/support/reply_log.h"

int main(int argc, char** argv) {
  testing::InitGoogleMock(&argc, argv);
  if (meshdns::e2e::network_is_private()) {
    if (const auto isolated = meshdns::support::isolate_process(); !isolated) {
      std::fprintf(stderr, "%s\n", isolated.error().message.c_str());
      return EXIT_FAILURE;
    }
  }
  testing::AddGlobalTestEnvironment(new meshdns::support::SecondDecoder);
  return RUN_ALL_TESTS();
}
