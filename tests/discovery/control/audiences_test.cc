#include "discovery/control/audiences.h"

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/result.h"
#include "discovery/xds/resource_set.h"

namespace meshdns::discovery {
namespace {

TEST(Audiences, GivesWhoWaitsForAMeshTheSetThatIsFilledLater) {
  Audiences audiences;
  const auto waiting = audiences.find_or_await("soon");
  ASSERT_TRUE(waiting);
  EXPECT_EQ(audiences.find_or_await("soon").value(), *waiting);
  EXPECT_EQ(audiences.find_or_make("soon"), *waiting);
  EXPECT_EQ(audiences.find_or_await("soon").value(), *waiting);
  EXPECT_NE(audiences.find_or_make("other"), *waiting);
}

TEST(Audiences, RefusesTooManyMeshesThatDoNotExist) {
  Audiences audiences;
  std::vector<std::shared_ptr<ResourceSet>> waiting;
  for (std::size_t i = 0; i < Audiences::kMaxAwaited; ++i) {
    waiting.push_back(audiences.find_or_await(std::to_string(i)).value());
  }
  const auto refused = audiences.find_or_await("one more");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kExhausted);
  // Whoever stops waiting makes room; a mesh that exists needs none.
  (void)audiences.find_or_make("real");
  EXPECT_TRUE(audiences.find_or_await("real"));
  waiting.pop_back();
  EXPECT_TRUE(audiences.find_or_await("one more"));
}

TEST(Audiences, KeepsNoMeshOfWhichNothingIsLeft) {
  Audiences audiences;
  audiences.set_common({{"type", "common", "value"}});
  audiences.set_of_nothing({{"type", "nothing", "value"}});
  const std::weak_ptr<ResourceSet> set = audiences.find_or_make("mesh");
  set.lock()->apply({{"type", "nothing", "value"}, {"type", "a", "value"}}, {});
  audiences.let_go_if_empty("mesh");
  EXPECT_FALSE(set.expired());
  set.lock()->apply({}, {{"type", "a"}});
  audiences.let_go_if_empty("mesh");
  EXPECT_TRUE(set.expired());
  audiences.let_go_if_empty("mesh");
}

TEST(Audiences, WhoIsServedAMeshThatGoesIsServedItWhenItReturns) {
  Audiences audiences;
  (void)audiences.find_or_make("mesh");
  const auto served = audiences.find_or_await("mesh").value();
  served->apply({{"type", "a", "value"}}, {{"type", "a"}});
  audiences.let_go_if_empty("mesh");
  EXPECT_EQ(audiences.find_or_await("mesh").value(), served);
  EXPECT_EQ(audiences.find_or_make("mesh"), served);
}

// They are counters.
TEST(Audiences, WhatWasDoneForAMeshThatIsGoneCountsOn) {
  Audiences audiences;
  audiences.find_or_make("gone")->apply({{"type", "a", "value"}}, {});
  audiences.find_or_make("gone")->apply({}, {{"type", "a"}});
  const auto served = audiences.find_or_make("served");
  served->apply({{"type", "a", "value"}}, {});
  served->apply({}, {{"type", "a"}});
  for (int i = 0; i < 2; ++i) {
    audiences.let_go_if_empty("gone");
    audiences.let_go_if_empty("served");
    EXPECT_EQ(audiences.stats().serialisations, 2U);
    EXPECT_EQ(audiences.stats().commits, 4U);
    EXPECT_EQ(audiences.find_or_make("served"), served);
    EXPECT_EQ(audiences.stats().serialisations, 2U);
  }
}

}  // namespace
}  // namespace meshdns::discovery
