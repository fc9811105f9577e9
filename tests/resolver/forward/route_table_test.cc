#include "resolver/forward/route_table.h"

#include <cstddef>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "resolver/wire/name.h"

namespace meshdns::dns {
namespace {

Name name(const std::string& text) { return Name::from_text(text).value(); }

Route route(const std::string& suffix, std::size_t group) {
  return {.suffix = name(suffix), .group = group};
}

TEST(RouteTable, LeadsToTheGroupOfTheLongestSuffix) {
  const RouteTable routes({route("example", 1), route("corp.example", 2),
                           route("a.corp.example", 3), route("10.in-addr.arpa", 4),
                           route("local", 5), route("cluster.local", 6)});
  struct Case {
    std::string name;
    std::size_t group;
    std::size_t labels;
  };
  const std::vector<Case> cases{
      {".", 0, 0},
      {"org", 0, 0},
      {"www.example.org", 0, 0},
      {"example", 1, 1},
      {"www.example", 1, 1},
      {"corp.example", 2, 2},
      {"CORP.Example", 2, 2},
      {"x.y.z.corp.example", 2, 2},
      {"a.corp.example", 3, 3},
      {"x.a.corp.example", 3, 3},
      {"xa.corp.example", 2, 2},
      {"xcorp.example", 1, 1},
      {"corp.example.org", 0, 0},
      {R"(a\.corp.example)", 1, 1},
      {R"(a\.corp\.example)", 0, 0},
      {"4.3.2.10.in-addr.arpa", 4, 3},
      {"4.3.2.110.in-addr.arpa", 0, 0},
      {"in-addr.arpa", 0, 0},
      {"printer.local", 5, 1},
      {"web.default.svc.cluster.local", 6, 2},
      {R"(\004corp.example)", 1, 1},
  };
  for (const Case& row : cases) {
    const RouteTable::Match match = routes.find(name(row.name));
    EXPECT_EQ(match.group, row.group) << row.name;
    EXPECT_EQ(match.labels, row.labels) << row.name;
  }
}

TEST(RouteTable, OfTheRootTakesWhatIsLeft) {
  const RouteTable routes({route(".", 1), route("example", 2)});
  EXPECT_EQ(routes.find(name(".")).group, 1U);
  EXPECT_EQ(routes.find(name("www.example.org")).group, 1U);
  EXPECT_EQ(routes.find(name("www.example")).group, 2U);
  EXPECT_EQ(routes.find(name("www.example.org")).labels, 0U);
}

TEST(RouteTable, WithoutRoutesForwardsToTheFirstGroup) {
  const RouteTable::Match match = RouteTable().find(name("www.example.org"));
  EXPECT_EQ(match.answer, RouteAnswer::kForward);
  EXPECT_EQ(match.group, 0U);
}

TEST(RouteTable, TakesTheLongestNames) {
  const std::string label(63, 'a');
  const std::string longest = label + "." + label + "." + label + "." + std::string(61, 'b');
  const RouteTable routes({route(longest, 1), route(std::string(61, 'b'), 2)});
  EXPECT_EQ(routes.find(name(longest)).group, 1U);
  EXPECT_EQ(routes.find(name(longest).view().parent()).group, 2U);
  std::string many;
  for (int i = 0; i < 127; ++i) {
    many += "b.";
  }
  EXPECT_EQ(routes.find(name(many)).group, 0U);
}

TEST(RouteTable, KeepsWhatAnAnswerSays) {
  const RouteTable routes({{.suffix = name("a"), .answer = RouteAnswer::kRefuse},
                           {.suffix = name("b"), .answer = RouteAnswer::kNoName},
                           {.suffix = name("c"), .answer = RouteAnswer::kNoAaaa, .group = 7}});
  EXPECT_EQ(routes.find(name("x.a")).answer, RouteAnswer::kRefuse);
  EXPECT_EQ(routes.find(name("b")).answer, RouteAnswer::kNoName);
  EXPECT_EQ(routes.find(name("x.y.c")).answer, RouteAnswer::kNoAaaa);
  EXPECT_EQ(routes.find(name("x.y.c")).group, 7U);
  EXPECT_EQ(routes.suffixes().size(), 3U);
}

}  // namespace
}  // namespace meshdns::dns
