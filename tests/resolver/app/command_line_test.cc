#include "resolver/app/command_line.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/build_info.h"
#include "base/exit_code.h"
#include "resolver/app/settings.h"
#include "resolver/app/upstream_command.h"
#include "resolver/app/vip_command.h"

namespace meshdns::dns {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;
using testing::StartsWith;

struct Parsed {
  std::variant<Command, ExitCode> result;
  std::string output;
  std::string error;
};

// What `meshdns WORDS...` means, and what it prints.
Parsed parse(const std::vector<std::string>& words) {
  std::vector<const char*> arguments{"meshdns"};
  std::ranges::transform(words, std::back_inserter(arguments),
                         [](const std::string& word) { return word.c_str(); });
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  auto result = parse_command_line(static_cast<int>(arguments.size()), arguments.data());
  std::string output = testing::internal::GetCapturedStdout();
  return {std::move(result), std::move(output), testing::internal::GetCapturedStderr()};
}

Command command_of(const std::vector<std::string>& words) {
  const Parsed parsed = parse(words);
  EXPECT_TRUE(std::holds_alternative<Command>(parsed.result)) << parsed.error;
  return std::get<Command>(parsed.result);
}

TEST(CommandLine, KnowsEachVerb) {
  const std::vector<std::pair<std::vector<std::string>, Verb>> cases{
      {{"run"}, Verb::kRun},
      {{"check"}, Verb::kCheck},
      {{"query", "web.mesh"}, Verb::kQuery},
      {{"vip", "list"}, Verb::kVip},
      {{"version"}, Verb::kVersion},
  };
  for (const auto& [words, verb] : cases) {
    EXPECT_EQ(command_of(words).verb, verb) << words.front();
  }
}

TEST(CommandLine, TakesEverySettingAsAFlagOfRunAndCheck) {
  for (const std::string verb : {"run", "check"}) {
    for (const Setting& setting : settings()) {
      const Command command = command_of({verb, std::string(setting.flag), "some text"});
      EXPECT_THAT(command.sources.flags, ElementsAre(Pair(setting.key, ElementsAre("some text"))))
          << verb << ' ' << setting.flag;
    }
  }
}

TEST(CommandLine, GathersTheItemsOfAListInTheirOrder) {
  const Command command = command_of(
      {"run", "--upstream", "192.0.2.2", "--ttl", "5s", "--upstream=192.0.2.1", "--config", "/x"});
  EXPECT_EQ(command.sources.path, "/x");
  EXPECT_THAT(command.sources.flags,
              ElementsAre(Pair("ttl", ElementsAre("5s")),
                          Pair("upstreams.servers", ElementsAre("192.0.2.2", "192.0.2.1"))));
}

TEST(CommandLine, TakesAnEmptyTextForAValue) {
  EXPECT_THAT(command_of({"run", "--zone", ""}).sources.flags,
              ElementsAre(Pair("zone", ElementsAre(""))));
}

TEST(CommandLine, LeavesOutWhatWasNotGiven) {
  const Command command = command_of({"run"});
  EXPECT_THAT(command.sources.flags, IsEmpty());
  EXPECT_EQ(command.port_file, "");
}

TEST(CommandLine, ReadsTheArgumentsOfEachVerb) {
  const Command query = command_of(
      {"query", "web.mesh", "AAAA", "--tcp", "--server", "192.0.2.1:53", "--timeout", "50ms"});
  EXPECT_EQ(query.query.name, "web.mesh");
  EXPECT_EQ(query.query.type, "AAAA");
  EXPECT_TRUE(query.query.tcp);
  EXPECT_EQ(query.query.server, "192.0.2.1:53");
  EXPECT_EQ(query.query.timeout, "50ms");
  const Command bare = command_of({"query", "web.mesh"});
  EXPECT_EQ(bare.query.type, "");
  EXPECT_FALSE(bare.query.tcp);
  EXPECT_EQ(bare.query.server, "");
  EXPECT_EQ(bare.query.timeout, "2s");

  const Command show = command_of({"vip", "show", "web", "--admin", "127.0.0.1:1"});
  EXPECT_EQ(show.vip.action, VipAction::kShow);
  EXPECT_EQ(show.vip.name, "web");
  EXPECT_TRUE(show.vip.names_admin);
  EXPECT_THAT(show.sources.flags, ElementsAre(Pair("admin.listen", ElementsAre("127.0.0.1:1"))));
  const Command list = command_of({"vip", "list", "--state-dir", "/s"});
  EXPECT_EQ(list.vip.action, VipAction::kList);
  EXPECT_EQ(list.vip.name, "");
  EXPECT_FALSE(list.vip.names_admin);
  EXPECT_TRUE(list.vip.names_folder);
  const Command pin = command_of({"vip", "pin", "web", "244.0.0.7", "--force"});
  EXPECT_EQ(pin.vip.action, VipAction::kPin);
  EXPECT_EQ(pin.vip.address, "244.0.0.7");
  EXPECT_TRUE(pin.vip.force);
  EXPECT_FALSE(command_of({"vip", "pin", "web", "244.0.0.7"}).vip.force);
  EXPECT_EQ(command_of({"vip", "release", "web"}).vip.action, VipAction::kRelease);
  EXPECT_EQ(command_of({"vip", "import", "/f"}).vip.file, "/f");
  EXPECT_EQ(command_of({"run", "--port-file", "/p"}).port_file, "/p");

  const Command servers = command_of({"upstream", "list", "--admin", "127.0.0.1:1"});
  EXPECT_EQ(servers.upstream.action, UpstreamAction::kList);
  EXPECT_TRUE(servers.upstream.names_admin);
  const Command trial =
      command_of({"upstream", "test", "example.org", "AAAA", "--upstream", "192.0.2.1"});
  EXPECT_EQ(trial.upstream.action, UpstreamAction::kTest);
  EXPECT_EQ(trial.upstream.question.name, "example.org");
  EXPECT_EQ(trial.upstream.question.type, "AAAA");
  EXPECT_THAT(trial.sources.flags,
              ElementsAre(Pair("upstreams.servers", ElementsAre("192.0.2.1"))));
  EXPECT_EQ(command_of({"upstream", "test"}).upstream.question.name, ".");
}

// Each mistake ends with the exit code for configurations, and a line that says what to write.
TEST(CommandLine, SaysWhatIsWrongAndWhatToWrite) {
  struct Case {
    std::vector<std::string> words;
    std::string want;
  };
  const std::vector<Case> cases{
      {{},
       "meshdns: what is to be done? (write run, check, query, vip, cache, upstream, version; "},
      {{"rnu"}, "meshdns: 'rnu' is no verb (did you mean run?)\n"},
      {{"zzz"}, "meshdns: 'zzz' is no verb (`meshdns --help` lists them)\n"},
      {{"a\nb"}, "meshdns: 'a\\010b' is no verb ("},
      {{"run", "--lisen", "127.0.0.1:53"},
       "meshdns: --lisen: is no known flag (did you mean --listen?)\n"},
      {{"run", "--ipv4-pool=10.0.0.0/8"},
       "meshdns: --ipv4-pool: is no known flag (`meshdns VERB --help` lists the flags of a verb)"},
      {{"query", "web.mesh", "--sever", "x"},
       "meshdns: --sever: is no known flag (did you mean --server?)\n"},
      {{"--verson"}, "meshdns: --verson: is no known flag (did you mean --version?)\n"},
      {{"--config", "/x", "run"}, "meshdns: --config: is no known flag (flags follow the verb: "},
      {{"run", "-x"}, "meshdns: -x: is no known flag ("},
      {{"run", "now"}, "meshdns: 'now' is one word too many ("},
      {{"query", "web.mesh", "A", "B"}, "meshdns: 'B' is one word too many ("},
      {{"query"}, "meshdns: name is required ("},
      {{"vip"}, "meshdns: vip: what is to be done? (write list, show, release, pin, import; "},
      {{"upstream", "lst"},
       "meshdns: upstream: 'lst' is nothing that can be done (did you mean list?)\n"},
      {{"vip", "web"}, "meshdns: vip: 'web' is nothing that can be done ("},
      {{"vip", "realease", "web"},
       "meshdns: vip: 'realease' is nothing that can be done (did you mean release?)\n"},
      {{"vip", "pin", "web"}, "meshdns: address is required ("},
      {{"vip", "release", "web", "--forced"}, "meshdns: --forced: is no known flag ("},
      {{"vip", "pin", "web", "244.0.0.7", "--forc"},
       "meshdns: --forc: is no known flag (did you mean --force?)\n"},
      {{"run", "--ttl"}, "meshdns: --ttl: takes one value (write --ttl DURATION)\n"},
      {{"run", "--ttl", "1s", "--ttl", "2s"},
       "meshdns: --ttl: takes one value (write --ttl DURATION)\n"},
      {{"run", "--listen"}, "meshdns: --listen: takes one value (write --listen ADDRESS:PORT)\n"},
      {{"query", "web.mesh", "--timeout"}, "meshdns: --timeout: "},
      {{"query", "web.mesh", "--ttl", "1s"}, "meshdns: --ttl: is no known flag ("},
  };
  for (const Case& row : cases) {
    const Parsed parsed = parse(row.words);
    ASSERT_TRUE(std::holds_alternative<ExitCode>(parsed.result)) << row.want;
    EXPECT_EQ(std::get<ExitCode>(parsed.result), ExitCode::kConfiguration) << row.want;
    EXPECT_THAT(parsed.error, StartsWith(row.want));
    EXPECT_EQ(parsed.output, "") << row.want;
  }
}

TEST(CommandLine, PrintsHelpWithExamplesForEveryVerb) {
  for (const std::string action : {"list", "show", "release", "pin", "import"}) {
    EXPECT_THAT(parse({"vip", action, "--help"}).output, HasSubstr("\n  meshdns vip " + action));
    EXPECT_THAT(parse({"vip", "--help"}).output, HasSubstr("\n  " + action + " "));
  }
  for (const std::string action : {"list", "test"}) {
    EXPECT_THAT(parse({"upstream", action, "--help"}).output,
                HasSubstr("\n  meshdns upstream " + action));
    EXPECT_THAT(parse({"upstream", "--help"}).output, HasSubstr("\n  " + action + " "));
  }
  for (const std::string verb : {"run", "check", "query", "vip", "upstream", "version"}) {
    const Parsed parsed = parse({verb, "--help"});
    ASSERT_TRUE(std::holds_alternative<ExitCode>(parsed.result)) << verb;
    EXPECT_EQ(std::get<ExitCode>(parsed.result), ExitCode::kSuccess) << verb;
    EXPECT_THAT(parsed.output, HasSubstr("Usage: meshdns " + verb));
    EXPECT_THAT(parsed.output, HasSubstr("\n  meshdns " + verb)) << "no example";
    EXPECT_EQ(parsed.error, "");
    EXPECT_THAT(parse({"--help"}).output, HasSubstr("\n  " + verb + " ")) << "not listed";
  }
}

TEST(CommandLine, ExplainsEverySettingInTheHelpOfRun) {
  const std::string help = parse({"run", "--help"}).output;
  for (const Setting& setting : settings()) {
    EXPECT_THAT(help, HasSubstr(std::string(setting.flag) + " " + std::string(setting.value)));
    EXPECT_THAT(help, HasSubstr(std::string(setting.help)));
  }
}

TEST(CommandLine, PrintsTheVersionAndHowItWasBuilt) {
  const Parsed parsed = parse({"--version"});
  ASSERT_TRUE(std::holds_alternative<ExitCode>(parsed.result));
  EXPECT_EQ(std::get<ExitCode>(parsed.result), ExitCode::kSuccess);
  EXPECT_EQ(parsed.output, version_text() + "\n");
  EXPECT_THAT(version_text(), HasSubstr(kVersion));
  EXPECT_THAT(version_text(), HasSubstr(kBuildType));
  EXPECT_THAT(version_text(), HasSubstr(kCompiler));
}

}  // namespace
}  // namespace meshdns::dns
