#include "resolver/app/reload_plan.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "resolver/app/config.h"
#include "resolver/app/config_loader.h"
#include "resolver/app/settings.h"

namespace meshdns::dns {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

LoadedConfig parse(const std::string& text) {
  LoadedConfig loaded = parse_config(text, "x.yaml");
  EXPECT_THAT(loaded.errors, IsEmpty()) << text;
  return loaded;
}

TEST(ReloadPlan, TakesWhatMayChange) {
  const ReloadPlan plan =
      plan_reload(parse("listen: [127.0.0.1:1]\nupstreams: {servers: [192.0.2.1]}\n"),
                  parse("listen: [127.0.0.1:2]\nallow: [192.0.2.0/24]\nlog: {level: debug}\n"
                        "upstreams: {servers: [192.0.2.2], resolv_conf: /x}\n"));
  EXPECT_THAT(plan.needs_restart, IsEmpty());
  EXPECT_EQ(plan.next.config.listen.front().port, 2);
  EXPECT_EQ(plan.next.config.allow.size(), 1U);
  EXPECT_EQ(plan.next.config.log.level, "debug");
  EXPECT_EQ(plan.next.config.upstreams.servers.front().label(), "192.0.2.2:53");
  EXPECT_EQ(plan.next.config.upstreams.resolv_conf, "/x");
  EXPECT_EQ(plan.next.origins.at("listen"), "x.yaml:1");
}

TEST(ReloadPlan, KeepsWhatTakesARestartAndSaysSo) {
  const LoadedConfig running = parse("mesh: one\nzones: [mesh, mesh.local]\nttl: 10s\n");
  const ReloadPlan plan = plan_reload(running, parse("\n\nmesh: two\nworkers: 4\nttl: 10s\n"));
  EXPECT_THAT(plan.needs_restart, ElementsAre("workers", "mesh", "zones"));
  EXPECT_EQ(plan.next.config.mesh, "one");
  EXPECT_EQ(plan.next.config.workers, 1U);
  EXPECT_THAT(plan.next.config.zones, ElementsAre("mesh", "mesh.local"));
  // /config tells where the value in use comes from, not the one that waits.
  EXPECT_EQ(plan.next.origins.at("mesh"), "x.yaml:1");
  EXPECT_EQ(plan.next.origins.at("ttl"), "x.yaml:5");
  EXPECT_FALSE(plan.next.origins.contains("workers"));
}

// What follows from another key was not changed by anybody.
TEST(ReloadPlan, DoesNotReportADefaultThatFollowsAnotherKey) {
  const ReloadPlan plan = plan_reload(parse("mode: sidecar\n"), parse("mode: vm\ninstance: b\n"));
  EXPECT_THAT(plan.needs_restart, ElementsAre("mode", "instance"));
  EXPECT_EQ(plan.next.config.mode, Mode::kSidecar);
  EXPECT_EQ(plan.next.config.state.policy, StatePolicy::kBestEffort);
  EXPECT_THAT(plan.next.config.state.directory, testing::EndsWith("/meshdns/default"));
}

TEST(ReloadPlan, CarriesEverySettingOver) {
  // Each setting that takes a restart, with another value than its default.
  const LoadedConfig running = parse(
      "mode: vm\ninstance: a\nworkers: 2\nuser: u\nwatchdog: 1s\nmesh: m\nzone: z\nzones: "
      "[a.example]\nttl: 1s\n"
      "https_records: none\nanswers: endpoints\ninstance_names: true\n"
      "upstreams: {timeout: 1s}\n"
      "cache: {size: 1MiB, min_ttl: 1s, max_ttl: 1h, max_negative_ttl: 1h, serve_stale: 1h}\n"
      "special_names: {localhost: false, invalid: false, test: false, onion: false,\n"
      "                resolver_arpa: false, reverse_loopback: false}\n"
      "vip: {ipv4_pool: 10.0.0.0/8, ipv6: true, ipv6_pool: 'fd00::/64', quarantine: 1h}\n"
      "state: {directory: /s, mode: required}\n"
      "table: {stale_after: never, expire_after: 1h}\n"
      "control_plane: {address: 'a:1', node: n, tls: true, server_name: s, ca_cert_file: c,\n"
      "                cert_file: c, key_file: k, token_file: t, allow_plaintext_token: true}\n"
      "admin: {listen: none}\nlog: {format: json}\n"
      "query_log: {file: /q, sample: 2, names: hashed}\ndnstap: {output: /d, identity: i}\n");
  // These do not go together with some of those.
  const LoadedConfig kuma = parse(
      "kuma: {cp_addresses: ['https://a:1'], name: n, dataplane_token_file: t, ca_cert_file: c,\n"
      "       dataplane_file: d, readiness_port: 1}\n");
  const LoadedConfig socket =
      parse("kuma: {dynamicconfig_socket: s, dynamicconfig_interval: 2s, dataplane_token: t}\n");
  const ReloadPlan plan = plan_reload(running, parse("control_plane: {node: other}\n"));
  const ReloadPlan kuma_plan = plan_reload(kuma, parse(""));
  const ReloadPlan socket_plan = plan_reload(socket, parse(""));
  const LoadedConfig file = parse("services: {file: /f}\n");
  const ReloadPlan file_plan = plan_reload(file, parse(""));
  EXPECT_THAT(file_plan.needs_restart, ElementsAre("services.file"));
  EXPECT_EQ(file_plan.next.config.services.file, "/f");
  const LoadedConfig xds =
      parse("xds: {servers: ['a:1'], node_id: n, node_cluster: c, tls: true, ca_cert_file: /c}\n");
  const ReloadPlan xds_plan = plan_reload(xds, parse(""));
  const LoadedConfig istio = parse(
      "istio: {addresses: ['https://a:1'], workload: w, namespace: n, domain: d, instance_ip: "
      "192.0.2.1,\n        token_file: t, ca_cert_file: c, metadata: ['A=b']}\n");
  const ReloadPlan istio_plan = plan_reload(istio, parse(""));
  for (const Setting& setting : settings()) {
    if (setting.key.starts_with("xds.")) {
      EXPECT_THAT(xds_plan.needs_restart, testing::Contains(setting.key));
      EXPECT_EQ(setting.print(xds_plan.next.config), setting.print(xds.config)) << setting.key;
    } else if (setting.key.starts_with("istio.")) {
      EXPECT_THAT(istio_plan.needs_restart, testing::Contains(setting.key));
      EXPECT_EQ(setting.print(istio_plan.next.config), setting.print(istio.config)) << setting.key;
    } else if (setting.key.starts_with("kuma.")) {
      const bool is_of_kuma = kuma.origins.contains(setting.key);
      const ReloadPlan& changed = is_of_kuma ? kuma_plan : socket_plan;
      EXPECT_THAT(changed.needs_restart, testing::Contains(setting.key));
      EXPECT_EQ(setting.print(changed.next.config),
                setting.print((is_of_kuma ? kuma : socket).config))
          << setting.key;
    } else if (setting.scope == SettingScope::kRestart && setting.key != "services.file") {
      EXPECT_THAT(plan.needs_restart, testing::Contains(setting.key)) << "the same as its default?";
      EXPECT_EQ(setting.print(plan.next.config), setting.print(running.config)) << setting.key;
    }
  }
}

}  // namespace
}  // namespace meshdns::dns
