// Random conversations, each from its own seed, end with the client holding what it asked for.
#include "tests/discovery/xds/subscription_model.h"

#include <cstdint>
#include <random>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "discovery/xds/request.h"
#include "discovery/xds/type_urls.h"

namespace meshdns::discovery {
namespace {

void converse(XdsVariant variant, std::string_view type_url) {
  for (std::uint32_t seed = 0; seed < 3000; ++seed) {
    std::mt19937 random(seed);
    std::vector<std::uint8_t> bytes(2 + random() % 60);
    for (std::uint8_t& byte : bytes) {
      byte = static_cast<std::uint8_t>(random());
    }
    SubscriptionModel model(variant, type_url);
    model.run(bytes);
    ASSERT_EQ(model.fault(), "") << "seed " << seed;
  }
}

TEST(SubscriptionModel, DeltaOfAFullStateType) { converse(XdsVariant::kDelta, kClusterTypeUrl); }
TEST(SubscriptionModel, DeltaOfParts) {
  converse(XdsVariant::kDelta, kClusterLoadAssignmentTypeUrl);
}
TEST(SubscriptionModel, SotwOfAFullStateType) { converse(XdsVariant::kSotw, kClusterTypeUrl); }
TEST(SubscriptionModel, SotwOfParts) { converse(XdsVariant::kSotw, kClusterLoadAssignmentTypeUrl); }

}  // namespace
}  // namespace meshdns::discovery
