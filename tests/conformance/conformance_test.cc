// Runs every rule's probe twice: the program keeps the rule, and the server that breaks it is
// found out. `conformance_test --document` prints docs/CONFORMANCE.md.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include "tests/conformance/broken_server.h"
#include "tests/conformance/rule.h"
#include "tests/conformance/visit.h"
#include "tests/conformance/world.h"
#include "tests/e2e/network.h"
#include "tests/support/network_namespace.h"
#include "tests/support/reply_log.h"
#include "tests/support/wait_until.h"

namespace meshdns::conformance {

const std::vector<Theme>& themes() {
  static const std::vector<Theme> kAll{{"Message", message_rules()},
                                       {"Malformed", malformed_rules()},
                                       {"Edns", edns_rules()},
                                       {"Names", name_rules()},
                                       {"Zones", zone_rules()},
                                       {"Tcp", tcp_rules()},
                                       {"Forwarding", forwarding_rules()},
                                       {"Rfc8906", probe_list_rules()}};
  return kAll;
}

namespace {

constexpr std::chrono::milliseconds kPatienceWithTheBroken{1500};

// One pair of programs for all tests of the process.
class Conformance : public testing::Test {
 public:
  explicit Conformance(const Rule& rule) : rule_(rule) {}

  static void SetUpTestSuite() {
    if (world == nullptr) {
      world = std::make_unique<World>();
    }
  }
  // NOLINTNEXTLINE(readability-identifier-naming): GoogleTest's name
  void TestBody() override {
    Visit visit(world->server(), world->upstream(), support::kHangBound);
    rule_.probe(visit);
    for (const Octets& reply : visit.replies()) {
      support::log_reply(reply);
    }
    EXPECT_TRUE(visit.findings().empty()) << rule_.text << " (" << rule_.source << ")\n"
                                          << fmt::format("{}", fmt::join(visit.findings(), "\n"));
    EXPECT_TRUE(world->server_is_running()) << world->log();

    const BrokenServer broken(rule_.broken, {world->server(), world->upstream().address()});
    Visit caught(broken.address(), world->upstream(), kPatienceWithTheBroken);
    rule_.probe(caught);
    EXPECT_FALSE(caught.findings().empty()) << "the probe does not see a server that breaks it";
  }

  static std::unique_ptr<World> world;

 private:
  const Rule& rule_;
};

std::unique_ptr<World> Conformance::world;

void register_rules() {
  for (const Theme& theme : themes()) {
    const auto suite = fmt::format("Conformance_{}", theme.name);
    for (const Rule& rule : theme.rules) {
      testing::RegisterTest(suite.c_str(), std::string(rule.test).c_str(), nullptr, nullptr,
                            __FILE__, __LINE__,
                            [&rule]() -> Conformance* { return new Conformance(rule); });
    }
  }
}

std::string_view word(Verdict verdict) {
  switch (verdict) {
    case Verdict::kMust:
      return "MUST";
    case Verdict::kShould:
      return "SHOULD";
    case Verdict::kNotWanted:
      return "not wanted";
  }
  return "";
}

std::string document() {
  std::string text =
      "# The rules we keep\n"
      "\n"
      "Every rule is a test: its probe is sent over sockets to the built programs, which must "
      "keep\n"
      "the rule, and to a server that breaks it, which the probe must find out. A rule that is "
      "\"not\n"
      "wanted\" is left out on purpose, and its probe shows that it is. `./dev test -R "
      "conformance`\n"
      "runs them.\n"
      "\n"
      "This page is written by `build/dev/bin/conformance_test --document > docs/CONFORMANCE.md`; "
      "a\n"
      "test fails when it is stale.\n"
      "\n"
      "Beside it `Differential.KnotAnswersAlikeFromTheSameZones` puts 100,000 questions of every "
      "kind\n"
      "to meshdns and to Knot with the same zones, and lists the few answers that differ on "
      "purpose.\n";
  for (const Theme& theme : themes()) {
    text += fmt::format(
        "\n## {}\n\n| Rule | Source | Verdict | Test |\n| --- | --- | --- | --- |\n", theme.name);
    for (const Rule& rule : theme.rules) {
      text += fmt::format("| {} | {} | {} | `Conformance_{}.{}` |\n", rule.text, rule.source,
                          word(rule.verdict), theme.name, rule.test);
    }
  }
  return text;
}

TEST(ConformanceDocument, IsWhatTheRulesSay) {
  std::ifstream file(MESHDNS_CONFORMANCE_DOCUMENT);
  const std::string kept{std::istreambuf_iterator<char>(file), {}};
  EXPECT_EQ(kept, document())
      << "build/dev/bin/conformance_test --document > docs/CONFORMANCE.md writes it anew";
}

}  // namespace
}  // namespace meshdns::conformance

int main(int argc, char** argv) {
  if (argc == 2 && std::string_view(argv[1]) == "--document") {
    std::fputs(meshdns::conformance::document().c_str(), stdout);
    return EXIT_SUCCESS;
  }
  meshdns::conformance::register_rules();
  testing::InitGoogleTest(&argc, argv);
  if (meshdns::e2e::network_is_private()) {
    if (const auto isolated = meshdns::support::isolate_process(); !isolated) {
      std::fprintf(stderr, "%s\n", isolated.error().message.c_str());
      return EXIT_FAILURE;
    }
  }
  testing::AddGlobalTestEnvironment(new meshdns::support::SecondDecoder);
  const int code = RUN_ALL_TESTS();
  meshdns::conformance::Conformance::world.reset();
  return code;
}
