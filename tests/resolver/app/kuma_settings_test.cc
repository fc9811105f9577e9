#include "resolver/app/kuma_settings.h"

#include <map>
#include <optional>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/file_system.h"
#include "resolver/app/config.h"
#include "resolver/app/config_loader.h"
#include "resolver/app/config_print.h"
#include "resolver/app/settings.h"
#include "tests/support/temporary_directory.h"

namespace meshdns::dns {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr const char* kUrl = "https://cp.example.org:5678";

class KumaSettings : public testing::Test {
 protected:
  LoadedConfig load(const std::map<std::string, std::string>& variables) {
    ConfigSources sources = given;
    sources.path = folder.write("m.yaml", file);
    sources.environment = [variables](const std::string& name) {
      const auto found = variables.find(name);
      return found == variables.end() ? std::nullopt : std::optional(found->second);
    };
    return load_config(sources, files);
  }

  support::TemporaryDirectory folder;
  PosixFileSystem files;
  ConfigSources given;
  std::string file;
};

TEST_F(KumaSettings, OfOtherProgramsCountOnlyWhereKumaIsTheControlPlane) {
  const LoadedConfig ours = load({{"KUMA_DATAPLANE_MESH", "m"}, {"KUMA_READINESS_PORT", "x"}});
  EXPECT_THAT(ours.errors, IsEmpty());
  EXPECT_EQ(ours.config.mesh, "default");
  EXPECT_FALSE(ours.config.uses_kuma());
  EXPECT_THAT(ours.config.zones, ElementsAre("mesh"));

  const LoadedConfig kumas = load({{"KUMA_DATAPLANE_MESH", "m"}, {"KUMA_CONTROL_PLANE_URL", kUrl}});
  EXPECT_THAT(kumas.errors, IsEmpty());
  EXPECT_EQ(kumas.config.mesh, "m");
  EXPECT_THAT(kumas.config.kuma.cp_addresses, ElementsAre(kUrl));
  EXPECT_THAT(kumas.config.zones, ElementsAre("mesh", "mesh.local"));
  EXPECT_EQ(kumas.config.kuma.name, kumas.config.control_plane.node);
  EXPECT_EQ(kumas.origins.at("mesh"), "KUMA_DATAPLANE_MESH");
}

TEST_F(KumaSettings, LoseToOursAndToFlags) {
  file = "mesh: file\nzones: [mesh]\n";
  given.flags = {{"kuma.cp_addresses", {kUrl}}, {"kuma.name", {"flag"}}};
  const LoadedConfig loaded = load({{"KUMA_DATAPLANE_MESH", "theirs"},
                                    {"MESHDNS_MESH", "ours"},
                                    {"KUMA_DATAPLANE_NAME", "theirs"},
                                    {"KUMA_CONTROL_PLANE_CA_CERT_FILE", ""}});
  EXPECT_THAT(loaded.errors, IsEmpty());
  EXPECT_EQ(loaded.config.mesh, "ours");
  EXPECT_EQ(loaded.config.kuma.name, "flag");
  EXPECT_THAT(loaded.config.zones, ElementsAre("mesh")) << "as the file says";
}

TEST_F(KumaSettings, KumaDpsDnsPortIsListenedOn) {
  const LoadedConfig loaded =
      load({{"KUMA_CONTROL_PLANE_URL", kUrl}, {"KUMA_DNS_PROXY_PORT", "15353"}});
  EXPECT_THAT(loaded.errors, IsEmpty());
  ASSERT_EQ(loaded.config.listen.size(), 1U);
  EXPECT_EQ(loaded.config.listen.front().to_string(), "127.0.0.1:15353");
  for (const std::string bad : {"0", "http", "70000"}) {
    EXPECT_THAT(load({{"KUMA_CONTROL_PLANE_URL", kUrl}, {"KUMA_DNS_PROXY_PORT", bad}}).errors,
                ElementsAre(HasSubstr("KUMA_DNS_PROXY_PORT")))
        << bad;
  }
}

TEST_F(KumaSettings, AreSettingsThatThereAre) {
  for (const KumaVariable& variable : kuma_variables()) {
    EXPECT_NE(find_setting(variable.key), nullptr) << variable.name;
  }
}

TEST_F(KumaSettings, ThatContradictEachOtherAreErrors) {
  file = "control_plane: {address: '127.0.0.1:5678'}\ninstance_names: true\n";
  EXPECT_THAT(load({{"KUMA_CONTROL_PLANE_URL", kUrl}}).errors,
              ElementsAre(HasSubstr("there is a control plane already"),
                          HasSubstr("Kuma tells of no endpoints")));
  file =
      "kuma: {dataplane_file: " + folder.write("dp.yaml", "type: Dataplane\nmesh: m\nname: one\n") +
      ", name: two}\n";
  EXPECT_THAT(load({{"KUMA_CONTROL_PLANE_URL", kUrl}}).errors,
              ElementsAre(HasSubstr("says that kuma.name is 'one'")));
}

TEST_F(KumaSettings, BesideAKumaDpItsVariablesAreItsOwn) {
  const std::map<std::string, std::string> kuma_dps{
      {"KUMA_CONTROL_PLANE_URL", kUrl},
      {"KUMA_DATAPLANE_MESH", "theirs"},
      {"KUMA_READINESS_PORT", "9902"},
      {"KUMA_DATAPLANE_RUNTIME_TOKEN_PATH", "/nowhere"}};
  const auto expect_socket = [](const LoadedConfig& loaded, const std::string& from) {
    EXPECT_THAT(loaded.errors, IsEmpty()) << from;
    EXPECT_TRUE(loaded.config.uses_kuma_socket()) << from;
    EXPECT_THAT(loaded.config.kuma.cp_addresses, IsEmpty()) << from;
    EXPECT_FALSE(loaded.config.kuma.readiness_port) << from << ": kuma-dp listens there";
    EXPECT_EQ(loaded.config.mesh, "default") << from;
    EXPECT_THAT(loaded.config.zones, ElementsAre("mesh", "mesh.local")) << from;
  };
  file = "kuma: {dynamicconfig_socket: /a.sock}\n";
  expect_socket(load(kuma_dps), "file");
  file = "";
  auto with_ours = kuma_dps;
  with_ours["MESHDNS_KUMA_DYNAMICCONFIG_SOCKET"] = "/a.sock";
  expect_socket(load(with_ours), "environment");
  given.flags = {{"kuma.dynamicconfig_socket", {"/a.sock"}}};
  expect_socket(load(kuma_dps), "flag");
}

TEST_F(KumaSettings, OneTokenIsEnough) {
  const LoadedConfig loaded =
      load({{"KUMA_CONTROL_PLANE_URL", kUrl}, {"KUMA_DATAPLANE_RUNTIME_TOKEN", "a.b.c"}});
  EXPECT_THAT(loaded.errors, IsEmpty());
  EXPECT_EQ(read_kuma_credentials(files, loaded.config.kuma)->token, "a.b.c");
  EXPECT_THAT(print_config(loaded), Not(HasSubstr("a.b.c")));
  EXPECT_THAT(print_config(loaded), HasSubstr("(not shown)\"  # KUMA_DATAPLANE_RUNTIME_TOKEN"));

  const LoadedConfig both = load({{"KUMA_CONTROL_PLANE_URL", kUrl},
                                  {"KUMA_DATAPLANE_RUNTIME_TOKEN", "a.b.c"},
                                  {"KUMA_DATAPLANE_RUNTIME_TOKEN_PATH", folder.write("t", "d")}});
  EXPECT_THAT(both.errors, ElementsAre(HasSubstr("there is a token already")));
  const LoadedConfig bad =
      load({{"KUMA_CONTROL_PLANE_URL", kUrl}, {"KUMA_DATAPLANE_RUNTIME_TOKEN", "my secret"}});
  EXPECT_THAT(bad.errors, ElementsAre(AllOf(HasSubstr("KUMA_DATAPLANE_RUNTIME_TOKEN"),
                                            Not(HasSubstr("secret")))));
}

TEST_F(KumaSettings, ASocketIsTheOnlySource) {
  file = "kuma: {dynamicconfig_socket: /a.sock, cp_addresses: ['https://a:1']}\n";
  EXPECT_THAT(load({}).errors, ElementsAre(AllOf(HasSubstr("there is a control plane already"),
                                                 HasSubstr("m.yaml:1"))));
  file = "kuma: {dynamicconfig_socket: /a.sock}\ncontrol_plane: {address: 'a:1'}\n";
  EXPECT_THAT(load({}).errors, ElementsAre(HasSubstr("there is a control plane already")));
  file = "kuma: {dynamicconfig_socket: /a.sock}\ninstance_names: true\n";
  EXPECT_THAT(load({}).errors, ElementsAre(HasSubstr("Kuma tells of no endpoints")));
}

TEST_F(KumaSettings, ADataplanesFileNamesItAndItsMesh) {
  file = "kuma: {dataplane_file: " +
         folder.write("dp.json", R"({"type":"Dataplane","mesh":"m","name":"one"})") + "}\n";
  const LoadedConfig loaded = load({{"KUMA_CONTROL_PLANE_URL", kUrl}});
  EXPECT_THAT(loaded.errors, IsEmpty());
  EXPECT_EQ(loaded.config.mesh, "m");
  EXPECT_EQ(loaded.config.kuma.name, "one");
  EXPECT_THAT(loaded.config.kuma.dataplane, HasSubstr(R"("name":"one")"));
}

TEST_F(KumaSettings, ATokenIsTakenWithoutTheBlanksAroundIt) {
  Config::Kuma kuma;
  kuma.dataplane_token_file = folder.write("token", " \n a.b.c \r\n\n");
  const auto credentials = read_kuma_credentials(files, kuma);
  ASSERT_TRUE(credentials);
  EXPECT_TRUE(credentials->tls);
  EXPECT_EQ(credentials->token, "a.b.c");
  EXPECT_THAT(credentials->ca_certificates, IsEmpty());
  for (const char* const bad : {"", "\n", "a b", "a\x01", "Bearer a.b.c", "\xff"}) {
    kuma.dataplane_token_file = folder.write("token", bad);
    EXPECT_FALSE(read_kuma_credentials(files, kuma)) << bad;
  }
}

}  // namespace
}  // namespace meshdns::dns
