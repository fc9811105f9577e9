#include "resolver/app/config_loader.h"

#include <cstddef>
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

TEST(ParseConfig, ChecksWhatConcernsMoreThanOneKey) {
  EXPECT_THAT(parse_config("ttl: 1h\nvip: {quarantine: 30m}\n", "x").errors,
              ElementsAre("x:2: vip.quarantine: is shorter than ttl (write at least 1h: clients "
                          "keep an address so long)"));
  EXPECT_THAT(parse_config("listen: []\n", "x").errors,
              ElementsAre("x:1: listen: is empty (write at least one ADDRESS:PORT)"));
  EXPECT_THAT(parse_config("zones: []\n", "x").errors, ElementsAre(HasSubstr("zones: is empty")));
  EXPECT_THAT(parse_config("upstreams: {servers: ['0.0.0.0', '192.0.2.1:0']}\n", "x").errors,
              ElementsAre(HasSubstr("0.0.0.0:53 is no place to send to"),
                          HasSubstr("192.0.2.1:0 is no place to send to")));
  EXPECT_THAT(parse_config("control_plane: {address: '127.0.0.1:0'}\n", "x").errors,
              ElementsAre(HasSubstr("127.0.0.1:0 is no place to connect to")));
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

}  // namespace
}  // namespace meshdns::dns
