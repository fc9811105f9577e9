#include "resolver/app/route_text.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace meshdns::dns {
namespace {

using testing::HasSubstr;

struct Case {
  std::string text;
  std::string want;
};

TEST(RouteText, OfAGroupIsReadAndWrittenAgain) {
  const std::vector<Case> cases{
      {"corp=192.0.2.1", "corp = sequential 192.0.2.1:53"},
      {"corp =random 192.0.2.1 2001:db8::1", "corp = random 192.0.2.1:53 [2001:db8::1]:53"},
      {"a-1\t= round-robin\t192.0.2.1", "a-1 = round-robin 192.0.2.1:53"},
      {"a = fastest tls://192.0.2.1#a.example;ca=/x",
       "a = fastest tls://192.0.2.1:853#a.example;ca=/x"},
      {"a = tls://192.0.2.1;pin=sha256/AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
       "a = sequential "
       "tls://192.0.2.1:853;pin=sha256/AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="},
      {"random = hedged 192.0.2.1:54", "random = hedged 192.0.2.1:54"},
  };
  for (const Case& row : cases) {
    const auto group = parse_group(row.text);
    ASSERT_TRUE(group) << row.text << ": " << group.error().message;
    EXPECT_EQ(print_group(*group), row.want);
    EXPECT_EQ(parse_group(row.want).value(), *group);
  }
}

TEST(RouteText, OfAGroupIsRefusedWhereItMeansNothing) {
  std::string many = "a =";
  for (int i = 0; i < 33; ++i) {
    many += " 192.0.2." + std::to_string(i);
  }
  const std::vector<Case> cases{
      {"", "write such as"},
      {"corp", "write such as"},
      {"= 192.0.2.1", "write such as"},
      {"a b = 192.0.2.1", "write such as"},
      {"corp =", "write 1 to"},
      {"corp = hedged", "write 1 to"},
      {"corp = quickest 192.0.2.1", "write such as"},
      {"corp = hedged random 192.0.2.1", "write such as"},
      {"corp = 192.0.2.1 192.0.2.1:53", "twice"},
      {"default = 192.0.2.1", "write another name"},
      {"no-aaaa = 192.0.2.1", "write another name"},
      {"-a = 192.0.2.1", "write 1 to"},
      {many, "write 1 to 32"},
  };
  for (const Case& row : cases) {
    const auto group = parse_group(row.text);
    ASSERT_FALSE(group) << row.text;
    EXPECT_THAT(group.error().message, HasSubstr(row.want)) << row.text;
  }
}

TEST(RouteText, OfARouteIsReadAndWrittenAgain) {
  const std::vector<Case> cases{
      {"corp.example=corp", "corp.example = corp"},
      {" CORP.example. =  corp ", "corp.example = corp"},
      {". = corp", ". = corp"},
      {"10.in-addr.arpa = corp", "10.in-addr.arpa = corp"},
      {"_tcp.local = default", "_tcp.local = default"},
      {"ads.example = refuse", "ads.example = refuse"},
      {"ads.example = nxdomain", "ads.example = nxdomain"},
      {"v4.example = no-aaaa", "v4.example = no-aaaa"},
      {"v4.example = no-aaaa corp", "v4.example = no-aaaa corp"},
  };
  for (const Case& row : cases) {
    const auto route = parse_route(row.text);
    ASSERT_TRUE(route) << row.text << ": " << route.error().message;
    EXPECT_EQ(print_route(*route), row.want);
    EXPECT_EQ(parse_route(row.want).value(), *route);
  }
}

TEST(RouteText, OfARouteIsRefusedWhereItLeadsNowhere) {
  for (const char* const text :
       {"", "corp.example", "corp.example =", "= corp", "a b = corp", "a..b = corp", ".. = corp",
        "a = corp lab", "a = refuse corp", "a = nxdomain corp", "a = no-aaaa corp lab",
        "a = 192.0.2.1:53", "a*b = corp"}) {
    const auto route = parse_route(text);
    ASSERT_FALSE(route) << text;
    EXPECT_THAT(route.error().message, HasSubstr("(write ")) << text;
  }
}

TEST(RouteText, IsCheckedAsAWhole) {
  const std::vector<ConfiguredGroup> groups{*parse_group("corp = 192.0.2.1"),
                                            *parse_group("lab = 192.0.2.1")};
  struct WholeCase {
    std::vector<std::string> routes;
    std::string want;  // empty: nothing is wrong
  };
  const std::vector<WholeCase> cases{
      {{}, ""},
      {{"corp.example = corp", "a.corp.example = lab", "b.corp.example = default"}, ""},
      {{". = corp", "local = corp", "xmesh = corp", "mesh.example = corp"}, ""},
      {{"corp.example = corp", "Corp.Example. = lab"}, "corp.example is there twice"},
      {{"corp.example = cropp"}, "cropp, which is no group (write one of corp, default, lab)"},
      {{"v4.example = no-aaaa cropp"}, "which is no group"},
      {{"mesh = corp"}, "mesh lies in mesh, which is answered here"},
      {{"a.mesh = refuse"}, "a.mesh lies in mesh, which is answered here"},
      {{"b.mesh.local = nxdomain"}, "b.mesh.local lies in mesh.local"},
  };
  for (const WholeCase& row : cases) {
    std::vector<ConfiguredRoute> routes;
    for (const std::string& text : row.routes) {
      routes.push_back(*parse_route(text));
    }
    const auto problems = check_routes(groups, routes, {"mesh", "mesh.local"});
    ASSERT_EQ(problems.empty(), row.want.empty()) << row.want;
    if (!problems.empty()) {
      EXPECT_FALSE(problems.front().is_of_group);
      EXPECT_THAT(problems.front().reason, HasSubstr(row.want));
    }
  }
  const auto twice = check_routes({groups[0], groups[0]}, {}, {});
  ASSERT_EQ(twice.size(), 1U);
  EXPECT_TRUE(twice.front().is_of_group);
}

}  // namespace
}  // namespace meshdns::dns
