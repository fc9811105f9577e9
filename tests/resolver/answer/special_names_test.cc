#include "resolver/answer/special_names.h"

#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "resolver/wire/name.h"

namespace meshdns::dns {
namespace {

using Action = SpecialNames::Action;

Action action_of(const SpecialNames& names, std::string_view text) {
  return names.find(*Name::from_text(text)).action;
}

struct SpecialCase {
  std::string_view name;
  Action action;
};

TEST(SpecialNames, AreThoseOfTheRegistries) {
  const SpecialNames names({});
  const std::vector<SpecialCase> cases{
      {"localhost", Action::kLoopback},
      {"a.b.localhost", Action::kLoopback},
      {"notlocalhost", Action::kNone},
      {"localhost.example", Action::kNone},
      {"invalid", Action::kNoName},
      {"x.invalid", Action::kNoName},
      {"x.test", Action::kNoName},
      {"x.onion", Action::kNoName},
      {"_dns.resolver.arpa", Action::kEmptyTree},
      {"resolver.arpa", Action::kEmptyTree},
      {"ipv4only.arpa", Action::kNone},
      {"1.0.0.127.in-addr.arpa", Action::kReverse},
      {"0.in-addr.arpa", Action::kReverse},
      {"255.255.255.255.in-addr.arpa", Action::kReverse},
      {"254.255.255.255.in-addr.arpa", Action::kNone},
      {"1.0.0.10.in-addr.arpa", Action::kNone},
      {"svc.cluster.local", Action::kNone},
      {"local", Action::kNone},
      {"example.org", Action::kNone},
      {".", Action::kNone},
  };
  for (const SpecialCase& row : cases) {
    EXPECT_EQ(action_of(names, row.name), row.action) << row.name;
  }
}

struct SwitchCase {
  bool SpecialNames::Options::* option;
  std::string_view name;
};

TEST(SpecialNames, CanEachBeLeftToUpstream) {
  const std::vector<SwitchCase> cases{
      {&SpecialNames::Options::localhost, "localhost"},
      {&SpecialNames::Options::invalid, "x.invalid"},
      {&SpecialNames::Options::test, "x.test"},
      {&SpecialNames::Options::onion, "x.onion"},
      {&SpecialNames::Options::resolver_arpa, "_dns.resolver.arpa"},
      {&SpecialNames::Options::reverse_loopback, "1.0.0.127.in-addr.arpa"},
  };
  for (const SwitchCase& row : cases) {
    SpecialNames::Options options;
    options.*row.option = false;
    const SpecialNames names(options);
    for (const SwitchCase& other : cases) {
      EXPECT_EQ(action_of(names, other.name) == Action::kNone, other.name == row.name)
          << other.name;
    }
  }
}

TEST(SpecialNames, GiveWayToARouteAtOrBelowThem) {
  SpecialNames::Options options;
  for (const char* const text : {"test", "a.invalid", ".", "1.127.in-addr.arpa", "example"}) {
    options.routed.push_back(*Name::from_text(text));
  }
  const SpecialNames names(options);
  const std::vector<SpecialCase> cases{
      {"test", Action::kNone},
      {"www.test", Action::kNone},
      {"a.invalid", Action::kNone},
      {"x.a.invalid", Action::kNone},
      {"b.invalid", Action::kNoName},
      {"invalid", Action::kNoName},
      {"localhost", Action::kLoopback},
      {"1.0.1.127.in-addr.arpa", Action::kNone},
      {"1.0.0.127.in-addr.arpa", Action::kReverse},
  };
  for (const SpecialCase& row : cases) {
    EXPECT_EQ(action_of(names, row.name), row.action) << row.name;
  }
}

}  // namespace
}  // namespace meshdns::dns
