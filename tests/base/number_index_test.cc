#include "base/number_index.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/numbered_values.h"

namespace meshdns {
namespace {

struct Person {
  std::string name;
  std::uint32_t phone = 0;
};
struct ByName {
  using Key = std::string;
  static const Key& of(const Person& person) { return person.name; }
  static std::size_t hash(const Key& name) { return std::hash<Key>{}(name); }
};
struct ByPhone {
  using Key = std::uint64_t;  // another type than the numbers
  static Key of(const Person& person) { return person.phone; }
  static std::size_t hash(Key /*phone*/) { return 7; }  // all collide
};

TEST(NumberedValues, GivesARemovedNumberAgainAndMovesNothing) {
  NumberedValues<Person> people;
  const auto first = people.add({.name = "first", .phone = 1});
  const auto second = people.add({.name = "second", .phone = 2});
  const Person* const place = &people[second];
  people.remove(first);
  EXPECT_EQ(people.size(), 1U);
  for (std::uint32_t i = 0; i < 1000; ++i) {
    (void)people.add({.name = "more", .phone = i});
  }
  EXPECT_EQ(people[first].name, "more");
  EXPECT_EQ(&people[second], place);
  EXPECT_EQ(people.size(), 1001U);
}

TEST(NumberedValues, StartAnewWhenAllAreGone) {
  NumberedValues<Person> people;
  for (std::uint32_t i = 0; i < 1000; ++i) {
    ASSERT_EQ(people.add({.name = "one", .phone = i}), i);
  }
  for (std::uint32_t i = 0; i < 1000; ++i) {
    people.remove(i);
  }
  EXPECT_EQ(people.size(), 0U);
  EXPECT_EQ(people.add({.name = "next", .phone = 0}), 0U);
}

TEST(NumberIndex, FindsValuesByEachOfTheirParts) {
  NumberedValues<Person> people;
  NumberIndex<Person, ByName> by_name(people);
  NumberIndex<Person, ByPhone> by_phone(people);
  std::vector<std::uint32_t> numbers;
  for (std::uint32_t i = 0; i < 500; ++i) {
    numbers.push_back(people.add({.name = "p" + std::to_string(i), .phone = i}));
    by_name.insert(numbers.back());
    by_phone.insert(numbers.back());
  }
  for (std::uint32_t i = 0; i < 500; i += 2) {
    by_name.erase(numbers[i]);
    by_phone.erase(numbers[i]);
    people.remove(numbers[i]);
  }
  for (std::uint32_t i = 0; i < 500; ++i) {
    const auto wanted = i % 2 == 0 ? std::nullopt : std::optional(numbers[i]);
    EXPECT_EQ(by_name.find("p" + std::to_string(i)), wanted);
    EXPECT_EQ(by_phone.find(i), wanted);
  }
  EXPECT_EQ(by_name.size(), 250U);
  const std::set<std::uint32_t> left(by_phone.begin(), by_phone.end());
  EXPECT_EQ(left.size(), 250U);
  EXPECT_TRUE(
      std::ranges::all_of(left, [&](auto number) { return people[number].phone % 2 == 1; }));
}

}  // namespace
}  // namespace meshdns
