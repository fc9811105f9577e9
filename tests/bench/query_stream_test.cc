#include "bench/query_stream.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/ip_address.h"
#include "bench/names_file.h"

namespace meshdns::bench {
namespace {

constexpr ExpectedAddress kAny{.rule = ExpectedAddress::Rule::kAny, .address = IpAddress()};

std::vector<std::uint8_t> wire_of(const std::string& name) {
  return name_to_wire(name).value_or(std::vector<std::uint8_t>());
}

NamesFile make_names(std::size_t present, std::size_t absent) {
  NamesFile names;
  for (std::size_t i = 0; i < present; ++i) {
    names.present.push_back({wire_of(fmt::format("p{}.mesh", i)), kAny, kAny});
  }
  for (std::size_t i = 0; i < absent; ++i) {
    names.absent.push_back({wire_of(fmt::format("absent{}.mesh", i)), {}, {}});
  }
  return names;
}

// What one query asks for, without its id.
std::string body(QueryBatch& batch, std::size_t i) {
  const auto octets = batch.query(i).subspan(2);
  return {octets.begin(), octets.end()};
}

TEST(CompleteStream, AsksEveryNameAndTypeOnceAndEnds) {
  const NamesFile names = make_names(120, 7);
  const auto stream = make_complete_stream(names, {});
  std::map<QueryKind, std::size_t> kinds;
  std::set<std::string> asked;
  std::size_t count = 0;

  QueryBatch batch;
  while (stream->next(batch)) {
    for (std::size_t i = 0; i < batch.count; ++i) {
      ++kinds[batch.kinds[i]];
      asked.insert(body(batch, i));
      ++count;
    }
  }

  EXPECT_EQ(count, 120U * 3 + 7);
  EXPECT_EQ(asked.size(), count);
  EXPECT_EQ(kinds[QueryKind::kA], 120U);
  EXPECT_EQ(kinds[QueryKind::kAaaa], 120U);
  EXPECT_EQ(kinds[QueryKind::kNodata], 120U);
  EXPECT_EQ(kinds[QueryKind::kNxdomain], 7U);
  EXPECT_FALSE(stream->next(batch));
}

TEST(MixedStream, KeepsTheMix) {
  const NamesFile names = make_names(1000, 100);
  const auto stream = make_mixed_stream(names, {});
  std::array<double, kQueryKinds> share{};
  double count = 0;

  QueryBatch batch;
  while (count < 200'000 && stream->next(batch)) {
    for (std::size_t i = 0; i < batch.count; ++i) {
      share.at(static_cast<std::size_t>(batch.kinds[i])) += 1;
    }
    count += static_cast<double>(batch.count);
  }

  EXPECT_NEAR(share[0] / count, 0.70, 0.005);
  EXPECT_NEAR(share[1] / count, 0.20, 0.005);
  EXPECT_NEAR(share[2] / count, 0.05, 0.005);
  EXPECT_NEAR(share[3] / count, 0.05, 0.005);
}

TEST(MixedStream, AsksForOneKindOnlyWhereThatIsWanted) {
  const NamesFile names = make_names(100, 10);
  const auto stream = make_mixed_stream(names, {.only = QueryKind::kNxdomain});

  QueryBatch batch;
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(stream->next(batch));
    EXPECT_TRUE(std::ranges::all_of(std::span(batch.kinds).first(batch.count),
                                    [](QueryKind kind) { return kind == QueryKind::kNxdomain; }));
  }
}

TEST(MixedStream, IsTheSameForTheSameSeedOnly) {
  const NamesFile names = make_names(1000, 100);
  const auto first_batch = [&names](std::uint64_t seed) {
    QueryBatch batch;
    EXPECT_TRUE(make_mixed_stream(names, {.seed = seed})->next(batch));
    std::vector<std::string> bodies;
    bodies.reserve(batch.count);
    for (std::size_t i = 0; i < batch.count; ++i) {
      bodies.push_back(body(batch, i));
    }
    return bodies;
  };

  EXPECT_EQ(first_batch(1), first_batch(1));
  EXPECT_NE(first_batch(1), first_batch(2));
}

TEST(MixedStream, ZipfAsksForFewNamesMostOfTheTime) {
  const NamesFile names = make_names(10'000, 0);
  const auto stream = make_mixed_stream(names, {.distribution = Distribution::kZipf});
  std::vector<std::size_t> asked(names.present.size());
  std::size_t count = 0;

  QueryBatch batch;
  while (count < 100'000 && stream->next(batch)) {
    for (std::size_t i = 0; i < batch.count; ++i) {
      ++asked[batch.names[i]];
    }
    count += batch.count;
  }

  // The harmonic number of 10,000 is 9.79: the first rank has a tenth, the first 100 half.
  std::ranges::sort(asked, std::greater<>());
  EXPECT_NEAR(static_cast<double>(asked[0]) / static_cast<double>(count), 1 / 9.79, 0.01);
}

TEST(UniqueStream, NeverRepeatsAName) {
  const auto one = make_unique_stream("example.org", {.seed = 1});
  const auto other = make_unique_stream("example.org", {.seed = 2});
  ASSERT_TRUE(one && other);
  std::set<std::string> names;

  QueryBatch batch;
  for (const auto* stream : {&*one, &*other}) {
    for (int i = 0; i < 1000; ++i) {
      ASSERT_TRUE((*stream)->next(batch));
      for (std::size_t k = 0; k < batch.count; ++k) {
        names.insert(body(batch, k).substr(10, 13));
      }
    }
  }

  EXPECT_EQ(names.size(), std::size_t{2} * 1000 * kMaxBatch);
}

TEST(UniqueStream, PutsWhatDoesNotExistBelowAnotherName) {
  const auto stream = make_unique_stream("example.org", {});
  ASSERT_TRUE(stream);
  QueryBatch batch;
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE((*stream)->next(batch));
    for (std::size_t k = 0; k < batch.count; ++k) {
      const char parent = batch.kinds[k] == QueryKind::kNxdomain ? 'n' : 'w';
      EXPECT_EQ(body(batch, k).substr(23), std::string("\1") + parent + "\7example\3org" +
                                               std::string(1, '\0') + body(batch, k).substr(38));
    }
  }
}

TEST(UniqueStream, RefusesASuffixThatIsNoName) { EXPECT_FALSE(make_unique_stream("a..b", {})); }

TEST(Queries, CarryAnOptRecordWhenAsked) {
  const NamesFile names = make_names(1, 0);
  QueryBatch plain;
  QueryBatch edns;
  ASSERT_TRUE(make_complete_stream(names, {})->next(plain));
  ASSERT_TRUE(make_complete_stream(names, {.edns = true})->next(edns));

  EXPECT_EQ(edns.query_octets, plain.query_octets + 11);
  EXPECT_EQ(edns.query(0)[11], 1);  // ARCOUNT
  EXPECT_EQ(plain.query(0)[11], 0);
}

}  // namespace
}  // namespace meshdns::bench
