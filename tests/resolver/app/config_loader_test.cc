#include "resolver/app/config_loader.h"

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file_system.h"
#include "base/result.h"
#include "resolver/app/config.h"
#include "resolver/app/config_print.h"
#include "resolver/app/config_yaml.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/temporary_directory.h"

namespace meshdns::dns {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// Sources whose environment is a map.
ConfigSources sources_with(const std::map<std::string, std::string>& variables) {
  ConfigSources sources;
  sources.environment = [variables](const std::string& name) {
    const auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional(found->second);
  };
  for (const auto& [name, value] : variables) {
    if (name.starts_with("MESHDNS_")) {
      sources.environment_names.push_back(name);
    }
  }
  return sources;
}

TEST(ParseConfig, TakesDefaultsFromAnEmptyFile) {
  const LoadedConfig loaded = parse_config("", "x.yaml");
  EXPECT_THAT(loaded.errors, IsEmpty());
  EXPECT_EQ(loaded.config.listen.size(), 2U);
  EXPECT_EQ(loaded.config.listen[0].to_string(), "127.0.0.1:15053");
  EXPECT_EQ(loaded.config.listen[1].to_string(), "[::1]:15053");
  EXPECT_TRUE(loaded.config.listen_is_default);
  EXPECT_EQ(loaded.config.admin_listen->to_string(), "127.0.0.1:19153");
  EXPECT_EQ(loaded.config.vip.ipv4_pool.to_string(), "244.0.0.0/6");
  EXPECT_EQ(loaded.config.vip.ipv6_pool.to_string(), "fd6d:6573:6864:6e73::/64");
  EXPECT_EQ(loaded.config.control_plane.address, "127.0.0.1:5678");
  EXPECT_EQ(loaded.config.state.policy, StatePolicy::kBestEffort);
}

TEST(ParseConfig, ReadsEveryKindOfValue) {
  const LoadedConfig loaded = parse_config(
      "mode: vm\n"
      "listen: [127.0.0.1:53, '[::1]:53']\n"
      "allow:\n"
      "  - 192.0.2.0/24\n"
      "vip: {ipv6: true, quarantine: 1h}\n"
      "admin: {listen: none}\n",
      "x.yaml");
  EXPECT_THAT(loaded.errors, IsEmpty());
  EXPECT_EQ(loaded.config.mode, Mode::kVm);
  EXPECT_EQ(loaded.config.listen.size(), 2U);
  EXPECT_FALSE(loaded.config.listen_is_default);
  EXPECT_EQ(loaded.config.allow.size(), 1U);
  EXPECT_TRUE(loaded.config.vip.ipv6);
  EXPECT_FALSE(loaded.config.admin_listen);
  EXPECT_EQ(loaded.config.state.policy, StatePolicy::kRequired) << "the default of mode vm";
}

TEST(ParseConfig, ReportsEveryErrorWithItsLineAndWhatToWrite) {
  const LoadedConfig loaded = parse_config(
      "listne: [127.0.0.1:53]\n"
      "ttl: 30\n"
      "vip:\n"
      "  ipv4_pool: 10.0.0.1/8\n"
      "  ipv4: true\n"
      "allow: 10.0.0.0/8\n"
      "zones: [mesh, mesh]\n"
      "workers: [1]\n"
      "log: debug\n"
      "state:\n"
      "  mode:\n"
      "ttl: 60s\n"
      "listen:\n"
      "  - 127.0.0.1:53\n"
      "  - nowhere\n"
      "whatever: {ttl: 1, deep: {er: 2}}\n",
      "x.yaml");
  const std::vector<std::string> want{
      "x.yaml:12: ttl: is given twice (keep one of the two)",
      "x.yaml:1: listne: is no known key (did you mean listen?)",
      "x.yaml:2: ttl: '30' is no duration (write a number with ms, s, m or h, such as 1s)",
      "x.yaml:4: vip.ipv4_pool: ",
      "x.yaml:5: vip.ipv4: is no known key (did you mean vip.ipv6?)",
      "x.yaml:6: allow: has the wrong shape (write a list: [ADDRESS/LENGTH])",
      "x.yaml:7: zones: is in the list twice (keep one of the two)",
      "x.yaml:8: workers: has the wrong shape (write NUMBER|auto)",
      "x.yaml:9: log: is a section (write keys below it: level, format)",
      "x.yaml:11: state.mode: has no value (write required|best-effort, or remove the key)",
      std::string("x.yaml:15: listen: 'nowhere' is not an IP address with an optional port ") +
          "(write ADDRESS:PORT, such as 127.0.0.1:53 or [::1]:53)",
      "x.yaml:16: whatever: is no known key (remove it)",
  };
  ASSERT_EQ(loaded.errors.size(), want.size()) << testing::PrintToString(loaded.errors);
  for (std::size_t i = 0; i < want.size(); ++i) {
    EXPECT_THAT(loaded.errors[i], testing::StartsWith(want[i]));
  }
}

TEST(ParseConfig, SuggestsTheKeyThatWasMeant) {
  struct Case {
    std::string text;
    std::string want;
  };
  const std::vector<Case> cases{
      {"tll: 1s", "tll: is no known key (did you mean ttl?)"},
      {"ipv4_pool: x", "ipv4_pool: is no known key (did you mean vip.ipv4_pool?)"},
      {"upstream: [x]", "upstream: is no known key (did you mean upstreams?)"},
      {"vips: {ipv6: true}", "vips: is no known key (did you mean vip?)"},
      {"log-level: info", "log-level: is no known key (did you mean log.level?)"},
      {"vip: {quarantene: 1h}", "vip.quarantene: is no known key (did you mean vip.quarantine?)"},
      {"whatever: 1", "whatever: is no known key (remove it)"},
  };
  for (const Case& row : cases) {
    EXPECT_THAT(parse_config(row.text, "x").errors, ElementsAre("x:1: " + row.want));
  }
}

TEST(ParseConfig, ReportsASyntaxErrorAlone) {
  EXPECT_THAT(parse_config("vip:\n\tipv6: true\n", "x").errors,
              ElementsAre("x:2: is indented with a tab (write spaces)"));
}

TEST(ParseConfig, ChecksWhatConcernsMoreThanOneKey) {
  EXPECT_THAT(parse_config("ttl: 1h\nvip: {quarantine: 30m}\n", "x").errors,
              ElementsAre("x:2: vip.quarantine: is shorter than ttl (write at least 1h: clients "
                          "keep an address so long)"));
  EXPECT_THAT(parse_config("listen: []\n", "x").errors,
              ElementsAre("x:1: listen: is empty (write at least one ADDRESS:PORT)"));
  EXPECT_THAT(parse_config("listen: ['127.0.0.1', '0.0.0.0']\n", "x").errors,
              ElementsAre(HasSubstr("127.0.0.1:53 and 0.0.0.0:53: one includes the other")));
  EXPECT_THAT(parse_config("listen: ['0.0.0.0:5', '[::]:5', '127.0.0.1:6', '127.0.0.1:0', "
                           "'0.0.0.0:0']\n",
                           "x")
                  .errors,
              IsEmpty());
  EXPECT_THAT(parse_config("zones: []\n", "x").errors, ElementsAre(HasSubstr("zones: is empty")));
  EXPECT_THAT(parse_config("upstreams: {servers: ['0.0.0.0', '192.0.2.1:0']}\n", "x").errors,
              ElementsAre(HasSubstr("0.0.0.0:53 is no place to send to"),
                          HasSubstr("192.0.2.1:0 is no place to send to")));
  EXPECT_THAT(parse_config("control_plane: {address: '127.0.0.1:0'}\n", "x").errors,
              ElementsAre(HasSubstr("127.0.0.1:0 is no place to connect to")));
  EXPECT_THAT(parse_config("xds: {servers: ['0.0.0.0:18000']}\n", "x").errors,
              ElementsAre(HasSubstr("0.0.0.0:18000 is no place to connect to")));
}

TEST(LoadConfig, PrefersFlagsThenEnvironmentThenFile) {
  const support::TemporaryDirectory folder;
  PosixFileSystem files;
  ConfigSources sources =
      sources_with({{"MESHDNS_TTL", "20s"}, {"MESHDNS_MESH", "env"}, {"MESHDNS_ALLOW", ""}});
  sources.path = folder.write("m.yaml",
                              "ttl: 10s\nmesh: file\nzone: file\ninstance: file\n"
                              "allow: [192.0.2.0/24]\nlisten: [127.0.0.1:1]\n");
  sources.flags = {{"mesh", {"flag"}}, {"listen", {"127.0.0.1:2", "127.0.0.1:3"}}};

  const LoadedConfig loaded = load_config(sources, files);

  EXPECT_THAT(loaded.errors, IsEmpty());
  EXPECT_EQ(loaded.config.mesh, "flag");
  EXPECT_EQ(loaded.config.ttl.count(), 20);
  EXPECT_EQ(loaded.config.zone, "file");
  EXPECT_THAT(loaded.config.allow, IsEmpty()) << "an empty variable is an empty list";
  ASSERT_EQ(loaded.config.listen.size(), 2U) << "a list is replaced, not joined";
  EXPECT_EQ(loaded.config.listen[0].port, 2);
  EXPECT_EQ(loaded.origins.at("mesh"), "--mesh");
  EXPECT_EQ(loaded.origins.at("ttl"), "MESHDNS_TTL");
  EXPECT_EQ(loaded.origins.at("zone"), sources.path + ":3");
}

TEST(LoadConfig, SplitsListsOfTheEnvironmentAtCommas) {
  PosixFileSystem files;
  const LoadedConfig loaded =
      load_config(sources_with({{"MESHDNS_ZONES", "mesh,mesh.local"}}), files);
  EXPECT_THAT(loaded.config.zones, ElementsAre("mesh", "mesh.local"));
}

TEST(LoadConfig, IgnoresBlanksAroundTheItemsOfAListInTheEnvironment) {
  PosixFileSystem files;
  const auto zones = [&files](const std::string& text) {
    return load_config(sources_with({{"MESHDNS_ZONES", text}}), files);
  };
  EXPECT_THAT(zones(" mesh , mesh.local\t").config.zones, ElementsAre("mesh", "mesh.local"));
  EXPECT_THAT(zones("mesh,").config.zones, ElementsAre("mesh")) << "a comma at the end";
  EXPECT_THAT(zones("mesh,,mesh.local").errors, ElementsAre(HasSubstr("MESHDNS_ZONES: ''")));
  EXPECT_THAT(zones(" ").errors, ElementsAre(HasSubstr("MESHDNS_ZONES: ''")));
}

TEST(LoadConfig, SuggestsTheVariableThatIsNear) {
  PosixFileSystem files;
  EXPECT_THAT(load_config(sources_with({{"MESHDNS_LISTNE", "x"}}), files).errors,
              ElementsAre("MESHDNS_LISTNE: is no known variable (did you mean MESHDNS_LISTEN?)"));
  EXPECT_THAT(
      load_config(sources_with({{"MESHDNS_\nWHATEVER", "x"}}), files).errors,
      ElementsAre("MESHDNS_\\010WHATEVER: is no known variable (see the settings, or unset it)"));
}

// Kubernetes sets these in each container where there is a Service called "meshdns", and the
// environment of meshdns-cp may be shared.
TEST(LoadConfig, PassesOverVariablesOfOthers) {
  PosixFileSystem files;
  for (const auto* name :
       {"MESHDNS_SERVICE_HOST", "MESHDNS_SERVICE_PORT", "MESHDNS_SERVICE_PORT_DNS", "MESHDNS_PORT",
        "MESHDNS_PORT_53_UDP", "MESHDNS_PORT_53_UDP_ADDR", "MESHDNS_CP_LISTEN"}) {
    EXPECT_THAT(load_config(sources_with({{name, "x"}}), files).errors, IsEmpty()) << name;
  }
  EXPECT_EQ(load_config(sources_with({{"MESHDNS_PORTS", "x"}}), files).errors.size(), 1U);
}

TEST(LoadConfig, ReportsBadAndUnknownVariablesAndFlags) {
  PosixFileSystem files;
  ConfigSources sources = sources_with(
      {{"MESHDNS_TTL", "soon"}, {"MESHDNS_LISTNE", "x"}, {"MESHDNS_CONFIG", "y"}, {"OTHER", "z"}});
  sources.flags = {{"workers", {"many"}}};
  EXPECT_THAT(load_config(sources, files).errors,
              ElementsAre(HasSubstr("MESHDNS_TTL: 'soon' is no duration"),
                          HasSubstr("MESHDNS_LISTNE: is no known variable"),
                          HasSubstr("--workers: 'many' is out of range or no number")));
}

TEST(LoadConfig, FailsWhenTheFileThatWasAskedForIsMissing) {
  const support::TemporaryDirectory folder;
  PosixFileSystem files;
  ConfigSources sources = sources_with({});
  sources.path = folder.file("none.yaml");
  const LoadedConfig loaded = load_config(sources, files);
  EXPECT_THAT(loaded.errors, ElementsAre(HasSubstr("none.yaml")));
  EXPECT_EQ(loaded.error_code, ErrorCode::kNotFound);
}

TEST(LoadConfig, TellsAFileThatCannotBeReadFromOneThatSaysNonsense) {
  const support::TemporaryDirectory folder;
  support::FaultyFileSystem files;
  ConfigSources sources = sources_with({});
  const auto code_for = [&](const std::string& path) {
    sources.path = path;
    const LoadedConfig loaded = load_config(sources, files);
    EXPECT_EQ(loaded.errors.size(), 1U) << path;
    EXPECT_THAT(loaded.errors.front(), HasSubstr(path));
    return loaded.error_code;
  };
  EXPECT_EQ(code_for(folder.path()), ErrorCode::kIo) << "a folder";
  EXPECT_EQ(code_for("/dev/null"), ErrorCode::kIo) << "no regular file";
  EXPECT_EQ(code_for(folder.write("long.yaml", std::string(kMaxConfigBytes + 1, '#'))),
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_for(folder.write("bad.yaml", "ttl: soon\n")), ErrorCode::kInvalidArgument);
  files.set_fault([](support::FileStep step, std::uint64_t) {
    return step == support::FileStep::kOpen ? EACCES : 0;
  });
  EXPECT_EQ(code_for(folder.file("secret.yaml")), ErrorCode::kPermissionDenied);
  // The default path counts too when something is there.
  sources.path.clear();
  EXPECT_EQ(load_config(sources, files).error_code, ErrorCode::kPermissionDenied);
}

TEST(LoadConfig, PutsTheStateFolderWhereTheUserMayWrite) {
  PosixFileSystem files;
  ConfigSources root = sources_with({{"MESHDNS_INSTANCE", "blue"}});
  root.is_root = true;
  EXPECT_EQ(load_config(root, files).config.state.directory, "/var/lib/meshdns/blue");
  EXPECT_EQ(load_config(sources_with({{"XDG_STATE_HOME", "/s"}, {"HOME", "/h"}}), files)
                .config.state.directory,
            "/s/meshdns/default");
  EXPECT_EQ(load_config(sources_with({{"HOME", "/h"}}), files).config.state.directory,
            "/h/.local/state/meshdns/default");
}

TEST(PrintConfig, GivesAFileThatReadsBackToTheSame) {
  const LoadedConfig loaded = parse_config(
      "mode: vm\nlisten: ['[::1]:53']\nallow: [192.0.2.0/24, '2001:db8::/32']\n"
      "upstreams: {servers: [192.0.2.53], timeout: 1500ms}\nvip: {ipv6: true}\n",
      "x.yaml");
  ASSERT_THAT(loaded.errors, IsEmpty());

  const std::string printed = print_config(loaded);
  const LoadedConfig again = parse_config(printed, "printed");

  EXPECT_THAT(again.errors, IsEmpty()) << printed;
  EXPECT_THAT(printed, HasSubstr("listen: [\"[::1]:53\"]  # x.yaml:2\n"));
  EXPECT_THAT(printed, HasSubstr("ttl: \"30s\"  # default\n"));
  // The second print differs in its comments alone.
  LoadedConfig bare = again;
  bare.origins = loaded.origins;
  EXPECT_EQ(print_config(bare), printed);
}

TEST(PrintConfig, WritesAnyOctetSoThatItReadsBack) {
  LoadedConfig loaded = parse_config("", "x");
  loaded.config.state.directory = "/a\n\"b\\\x7f\tc\xc3\xbc";
  const LoadedConfig again = parse_config(print_config(loaded), "printed");
  // What no setting accepts is at least the same text.
  EXPECT_EQ(again.errors.size(), 1U);
  EXPECT_THAT(again.errors.front(), HasSubstr("'/a\\010\\034b\\092\\127\\009c\\195\\188'"));
}

TEST(LoadConfigAgain, RefusesAFileThatIsBeingWritten) {
  const support::TemporaryDirectory folder;
  PosixFileSystem files;
  ConfigSources sources = sources_with({});
  sources.path = folder.write("x.yaml", "ttl: 20s\n");
  const LoadedConfig running = load_config(sources, files);
  ASSERT_THAT(running.errors, IsEmpty());

  folder.write("x.yaml", "");
  EXPECT_THAT(load_config_again(sources, files, running).errors,
              ElementsAre(HasSubstr("x.yaml is gone or empty by now (write {}")));
  folder.write("x.yaml", "{}\n");
  const LoadedConfig nothing = load_config_again(sources, files, running);
  EXPECT_THAT(nothing.errors, IsEmpty());
  EXPECT_EQ(nothing.config.ttl.count(), 30);
}

TEST(LoadConfigAgain, TakesAnEmptyFileThatWasEmptyAtTheStart) {
  const support::TemporaryDirectory folder;
  PosixFileSystem files;
  ConfigSources sources = sources_with({});
  sources.path = folder.write("x.yaml", "");
  const LoadedConfig running = load_config(sources, files);
  EXPECT_THAT(load_config_again(sources, files, running).errors, IsEmpty());
}

}  // namespace
}  // namespace meshdns::dns
