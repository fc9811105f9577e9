#include "base/slot_map.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <set>
#include <stdexcept>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace meshdns {
namespace {

// Counts those alive; cannot be moved.
struct Counted {
  Counted(std::uint64_t given, int& alive) : id(given), alive_(alive) { ++alive_; }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;
  ~Counted() { --alive_; }
  std::uint64_t id;

 private:
  int& alive_;
};

TEST(SlotMap, FindsWhatIsThereAndNothingElse) {
  int alive = 0;
  SlotMap<Counted> map;
  const Counted& one = map.emplace(alive);
  const std::uint64_t first = one.id;
  EXPECT_EQ(map.find(first), &one);
  EXPECT_EQ(map.find(0), nullptr);
  EXPECT_EQ(map.find(first + 1), nullptr) << "a place that is not there";
  EXPECT_EQ(map.find(first + (std::uint64_t{1} << 24U)), nullptr) << "the place, at another time";
  map.erase(first);
  map.erase(first);
  EXPECT_EQ(alive, 0);
  EXPECT_EQ(map.find(first), nullptr);

  const Counted& next = map.emplace(alive);
  EXPECT_EQ(&next, &one) << "the place serves again";
  EXPECT_NE(next.id, first);
  EXPECT_EQ(map.find(first), nullptr);
}

TEST(SlotMap, NeverGivesAnIdTwiceAndNeverMovesAnything) {
  int alive = 0;
  SlotMap<Counted> map;
  std::set<std::uint64_t> given;
  std::vector<std::pair<std::uint64_t, const Counted*>> open;
  std::uint64_t random = 1;
  for (int i = 0; i < 20'000; ++i) {
    random = random * 6364136223846793005U + 1442695040888963407U;
    if (open.empty() || (random >> 60U) > 6) {
      const Counted& added = map.emplace(alive);
      EXPECT_TRUE(given.insert(added.id).second);
      open.emplace_back(added.id, &added);
    } else {
      std::swap(open[(random >> 32U) % open.size()], open.back());
      EXPECT_EQ(map.find(open.back().first), open.back().second);
      map.erase(open.back().first);
      open.pop_back();
    }
    ASSERT_EQ(map.size(), open.size());
    ASSERT_EQ(static_cast<std::size_t>(alive), open.size());
  }
}

TEST(SlotMap, WhatIsTakenIsGoneForOthersAndLivesAsLongAsItIsHeld) {
  int alive = 0;
  SlotMap<Counted> map;
  const std::uint64_t id = map.emplace(alive).id;
  {
    const auto taken = map.take(id);
    ASSERT_NE(taken, nullptr);
    EXPECT_EQ(taken->id, id);
    EXPECT_EQ(map.find(id), nullptr);
    EXPECT_EQ(map.take(id), nullptr);
    EXPECT_NE(&map.emplace(alive), taken.get()) << "its place is not free yet";
    EXPECT_EQ(alive, 2);
  }
  EXPECT_EQ(alive, 1);
}

TEST(SlotMap, AConstructorThatFailsLeavesNothing) {
  struct Failing {
    Failing(std::uint64_t /*id*/, bool fails) {
      if (fails) {
        throw std::runtime_error("no");
      }
    }
  };
  SlotMap<Failing> map;
  EXPECT_THROW(map.emplace(true), std::runtime_error);
  EXPECT_EQ(map.size(), 0U);
  map.emplace(false);
  EXPECT_EQ(map.size(), 1U);
}

TEST(SlotMap, DestroysAllWithItselfAndGivesItsPlacesBackWhenItWasLarge) {
  int alive = 0;
  {
    SlotMap<Counted> map;
    std::vector<std::uint64_t> ids;
    for (int i = 0; i < 5'000; ++i) {
      ids.push_back(map.emplace(alive).id);
    }
    for (const std::uint64_t id : ids) {
      map.erase(id);
    }
    EXPECT_EQ(map.size(), 0U);
    EXPECT_EQ(map.find(ids.back()), nullptr);
    const std::uint64_t id = map.emplace(alive).id;
    EXPECT_EQ(map.find(ids.front()), nullptr);
    EXPECT_NE(map.find(id), nullptr);
  }
  EXPECT_EQ(alive, 0);
}

}  // namespace
}  // namespace meshdns
