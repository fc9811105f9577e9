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

}  // namespace
}  // namespace meshdns::discovery
