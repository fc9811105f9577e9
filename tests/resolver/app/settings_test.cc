#include "resolver/app/settings.h"

#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "resolver/app/config.h"

namespace meshdns::dns {
namespace {

TEST(Settings, HaveKeysFlagsAndVariablesOfTheirOwn) {
  std::set<std::string> names;
  for (const Setting& setting : settings()) {
    EXPECT_TRUE(names.insert(std::string(setting.key)).second) << setting.key;
    EXPECT_TRUE(names.insert(std::string(setting.flag)).second) << setting.flag;
    EXPECT_TRUE(names.insert(environment_name(setting.key)).second) << setting.key;
    EXPECT_TRUE(setting.flag.starts_with("--")) << setting.key;
    EXPECT_EQ(find_setting(setting.key), &setting);
    EXPECT_EQ(setting.clear != nullptr, setting.shape == SettingShape::kList) << setting.key;
  }
  EXPECT_EQ(find_setting("vip"), nullptr);
  EXPECT_EQ(environment_name("vip.ipv4_pool"), "MESHDNS_VIP_IPV4_POOL");
}

// Every accepted text prints as a text that is accepted and prints the same.
TEST(Settings, PrintWhatTheyRead) {
  struct Case {
    std::string key;
    std::string text;
    std::string want;
  };
  const std::vector<Case> cases{
      {"mode", "vm", "vm"},
      {"instance", "blue", "blue"},
      {"listen", "[::1]:53", "[::1]:53"},
      {"listen", "192.0.2.1", "192.0.2.1:53"},
      {"allow", "192.0.2.0/24", "192.0.2.0/24"},
      {"workers", "auto", "auto"},
      {"workers", "3", "3"},
      {"user", "nobody", "nobody"},
      {"watchdog", "500ms", "500ms"},
      {"watchdog", "off", "off"},
      {"mesh", "prod", "prod"},
      {"zone", "east-1", "east-1"},
      {"zone", "", ""},
      {"zones", "MESH.local.", "mesh.local"},
      {"ttl", "60s", "1m"},
      {"answers", "endpoints", "endpoints"},
      {"instance_names", "true", "true"},
      {"https_records", "none", "none"},
      {"upstreams.resolv_conf", "/run/resolv.conf", "/run/resolv.conf"},
      {"records.zone_files", "/etc/corp.zone", "/etc/corp.zone"},
      {"records.hosts_files", "/etc/hosts", "/etc/hosts"},
      {"upstreams.servers", "2001:db8::1", "[2001:db8::1]:53"},
      {"upstreams.servers", "tls://192.0.2.1#Dns.example.org.",
       "tls://192.0.2.1:853#dns.example.org"},
      {"upstreams.timeout", "500ms", "500ms"},
      {"upstreams.groups", "corp=192.0.2.1", "corp = sequential 192.0.2.1:53"},
      {"upstreams.groups", " corp  =  hedged 192.0.2.1  tcp://192.0.2.2 ",
       "corp = hedged 192.0.2.1:53 tcp://192.0.2.2:53"},
      {"upstreams.routes", "Corp.Example.=corp", "corp.example = corp"},
      {"upstreams.routes", ". = no-aaaa corp", ". = no-aaaa corp"},
      {"upstreams.routes", "ads.example=refuse", "ads.example = refuse"},
      {"cache.size", "65536KiB", "64MiB"},
      {"cache.size", "0MiB", "0MiB"},
      {"cache.min_ttl", "5s", "5s"},
      {"cache.max_ttl", "60m", "1h"},
      {"cache.max_negative_ttl", "10m", "10m"},
      {"cache.serve_stale", "0s", "0ms"},
      {"special_names.localhost", "false", "false"},
      {"special_names.invalid", "false", "false"},
      {"special_names.test", "false", "false"},
      {"special_names.onion", "false", "false"},
      {"special_names.resolver_arpa", "false", "false"},
      {"special_names.reverse_loopback", "false", "false"},
      {"vip.ipv4_pool", "10.0.0.0/8", "10.0.0.0/8"},
      {"vip.ipv6", "true", "true"},
      {"vip.ipv6_pool", "fd00::/64", "fd00::/64"},
      {"vip.quarantine", "1h", "1h"},
      {"state.directory", "/tmp/x", "/tmp/x"},
      {"state.mode", "required", "required"},
      {"table.stale_after", "never", "never"},
      {"table.stale_after", "90m", "90m"},
      {"table.expire_after", "24h", "24h"},
      {"control_plane.address", "cp.example.org:5678", "cp.example.org:5678"},
      {"control_plane.address", "unix:/run/cp.sock", "unix:/run/cp.sock"},
      {"control_plane.address", "unix:/" + std::string(106, 'x'), "unix:/" + std::string(106, 'x')},
      {"control_plane.address", "[::1]:5678", "[::1]:5678"},
      {"control_plane.address", "10.example:5678", "10.example:5678"},
      {"control_plane.node", "vm-1.example.org", "vm-1.example.org"},
      {"services.file", "/etc/meshdns/services.yaml", "/etc/meshdns/services.yaml"},
      {"services.file", "none", "none"},
      {"xds.servers", "cp.example.org:18000", "cp.example.org:18000"},
      {"xds.servers", "unix:/run/xds.sock", "unix:/run/xds.sock"},
      {"xds.node_id", "sidecar~192.0.2.1~web", "sidecar~192.0.2.1~web"},
      {"xds.node_id", "", ""},
      {"xds.node_cluster", "edge", "edge"},
      {"xds.tls", "true", "true"},
      {"xds.ca_cert_file", "ca.crt", "ca.crt"},
      {"control_plane.tls", "true", "true"},
      {"control_plane.server_name", "cp.example.org", "cp.example.org"},
      {"control_plane.server_name", "2001:db8::1", "2001:db8::1"},
      {"control_plane.server_name", "", ""},
      {"control_plane.ca_cert_file", "ca.crt", "ca.crt"},
      {"control_plane.cert_file", "/etc/meshdns/client.crt", "/etc/meshdns/client.crt"},
      {"control_plane.key_file", "/etc/meshdns/client.key", "/etc/meshdns/client.key"},
      {"control_plane.token_file", "token", "token"},
      {"control_plane.allow_plaintext_token", "true", "true"},
      {"kuma.cp_addresses", "https://localhost:5678/", "https://localhost:5678"},
      {"kuma.cp_addresses", "https://[::1]:5678", "https://[::1]:5678"},
      {"kuma.name", "client-1", "client-1"},
      {"kuma.name", "", ""},
      {"kuma.dataplane_token", "", ""},
      {"kuma.dataplane_token", " a.b.c\n", "a.b.c"},
      {"kuma.dataplane_token_file", "token", "token"},
      {"kuma.ca_cert_file", "/etc/kuma/ca.crt", "/etc/kuma/ca.crt"},
      {"kuma.dataplane_file", "./dp.yaml", "./dp.yaml"},
      {"kuma.dataplane_file", "", ""},
      {"kuma.dynamicconfig_socket", "/tmp/kuma-dp/kuma-mesh-metric-config.sock",
       "/tmp/kuma-dp/kuma-mesh-metric-config.sock"},
      {"kuma.dynamicconfig_socket", "", ""},
      {"kuma.dynamicconfig_interval", "100ms", "100ms"},
      {"kuma.dynamicconfig_interval", "1000ms", "1s"},
      {"kuma.readiness_port", "9902", "9902"},
      {"kuma.readiness_port", "none", "none"},
      {"istio.addresses", "https://istiod.istio-system.svc:15012/",
       "https://istiod.istio-system.svc:15012"},
      {"istio.addresses", "http://127.0.0.1:15010", "http://127.0.0.1:15010"},
      {"istio.workload", "vm-1", "vm-1"},
      {"istio.workload", "", ""},
      {"istio.namespace", "shop", "shop"},
      {"istio.domain", "svc.corp.example", "svc.corp.example"},
      {"istio.instance_ip", "192.0.2.10", "192.0.2.10"},
      {"istio.instance_ip", "2001:db8::a", "2001:db8::a"},
      {"istio.instance_ip", "auto", "auto"},
      {"istio.token_file", "/var/run/secrets/tokens/istio-token",
       "/var/run/secrets/tokens/istio-token"},
      {"istio.ca_cert_file", "root-cert.pem", "root-cert.pem"},
      {"istio.metadata", "CLUSTER_ID=east", "CLUSTER_ID=east"},
      {"istio.metadata", "LABELS=a=b,c", "LABELS=a=b,c"},
      {"admin.listen", "none", "none"},
      {"admin.listen", "127.0.0.1:0", "127.0.0.1:0"},
      {"log.level", "debug", "debug"},
      {"log.format", "json", "json"},
      {"query_log.file", "/var/log/q", "/var/log/q"},
      {"query_log.file", "stderr", "stderr"},
      {"query_log.file", "none", "none"},
      {"query_log.sample", "100", "100"},
      {"query_log.names", "hashed", "hashed"},
      {"dnstap.output", "unix:/run/dnstap.sock", "unix:/run/dnstap.sock"},
      {"dnstap.output", "/tmp/x.tap", "/tmp/x.tap"},
      {"dnstap.output", "none", "none"},
      {"dnstap.identity", "vm-1.example.org", "vm-1.example.org"},
      {"dnstap.identity", "", ""},
  };
  std::set<std::string> covered;
  for (const Case& row : cases) {
    const Setting* const setting = find_setting(row.key);
    ASSERT_NE(setting, nullptr) << row.key;
    Config config;
    if (setting->clear != nullptr) {
      setting->clear(config);
    }
    const auto added = setting->add(config, row.text);
    ASSERT_TRUE(added) << row.key << ": " << added.error().message;
    EXPECT_EQ(setting->print(config), std::vector{row.want}) << row.key;
    covered.insert(row.key);
  }
  EXPECT_EQ(covered.size(), settings().size()) << "a key without a row";
}

TEST(Settings, RefuseWhatTheyCannotMean) {
  struct Case {
    std::string key;
    std::string text;
  };
  const std::vector<Case> cases{
      {"mode", "cluster"},
      {"mode", ""},
      {"instance", "../root"},
      {"listen", "localhost:53"},
      {"listen", "127.0.0.1:65536"},
      {"listen", "127.0.0.1:"},
      {"allow", "10.0.0.1/8"},
      {"allow", "10.0.0.0/33"},
      {"workers", "0"},
      {"workers", "257"},
      {"user", "a user"},
      {"watchdog", "100ms"},
      {"watchdog", "0s"},
      {"mesh", ""},
      {"zones", "."},
      {"ttl", "30"},
      {"https_records", "all"},
      {"ttl", "0s"},
      {"ttl", "25h"},
      {"ttl", "1500ms"},
      {"upstreams.resolv_conf", "resolv.conf"},
      {"upstreams.resolv_conf", "/etc/a\nb"},
      {"upstreams.servers", "dns.example.org"},
      {"upstreams.servers", "tls://192.0.2.1"},
      {"upstreams.timeout", "5s"},
      {"upstreams.groups", "192.0.2.1"},
      {"upstreams.groups", "refuse = 192.0.2.1"},
      {"upstreams.routes", "corp.example"},
      {"upstreams.routes", "a..b = refuse"},
      {"cache.size", "16"},
      {"cache.size", "16MB"},
      {"cache.size", "1023KiB"},
      {"cache.size", "65GiB"},
      {"cache.size", "18446744073709551615GiB"},
      {"cache.min_ttl", "2h"},
      {"cache.max_ttl", "0s"},
      {"cache.max_negative_ttl", "1500ms"},
      {"cache.serve_stale", "8760h"},
      {"vip.ipv4_pool", "fd00::/64"},
      {"vip.ipv4_pool", "10.0.0.0/31"},
      {"vip.ipv4_pool", "0.0.0.0/0"},
      {"vip.ipv6", "yes"},
      {"vip.ipv6_pool", "10.0.0.0/8"},
      {"vip.quarantine", "0s"},
      {"state.directory", "state"},
      {"state.mode", "maybe"},
      {"table.stale_after", "none"},
      {"table.expire_after", "0s"},
      {"control_plane.address", "5678"},
      {"control_plane.address", "unix:relative"},
      {"control_plane.address", "unix:/a\x7f"},
      {"control_plane.address", "unix:/" + std::string(107, 'x')},
      {"control_plane.address", "10.0.0:5678"},
      {"control_plane.address", "10.0.0.256:5678"},
      {"control_plane.address", "cp.1.:5678"},
      {"control_plane.address", "cp.example.org"},
      {"control_plane.address", "cp.example.org:0"},
      {"control_plane.address", "http://cp:1"},
      {"control_plane.node", "a b"},
      {"answers", "both"},
      {"services.file", "services.yaml"},
      {"services.file", "/a\nb"},
      {"xds.servers", "https://localhost:18000"},
      {"xds.servers", "localhost"},
      {"xds.node_id", "a b"},
      {"xds.node_id", std::string(1025, 'x')},
      {"xds.node_cluster", "\x7f"},
      {"xds.tls", "maybe"},
      {"xds.ca_cert_file", "a\nb"},
      {"kuma.cp_addresses", "http://localhost:5678"},
      {"kuma.cp_addresses", "localhost:5678"},
      {"kuma.cp_addresses", "https://localhost"},
      {"kuma.cp_addresses", "https://"},
      {"kuma.cp_addresses", "https://unix:/run/cp.sock"},
      {"kuma.cp_addresses", "https://localhost:5678/path"},
      {"kuma.name", "a b"},
      {"kuma.dataplane_token", "Bearer a.b.c"},
      {"kuma.dataplane_token", std::string(16385, 'x')},
      {"kuma.dataplane_token_file", "a\nb"},
      {"kuma.dynamicconfig_socket", "a\nb"},
      {"kuma.dynamicconfig_socket", "/" + std::string(107, 'x')},
      {"kuma.dynamicconfig_interval", "99ms"},
      {"kuma.dynamicconfig_interval", "2h"},
      {"kuma.dynamicconfig_interval", "1"},
      {"kuma.readiness_port", "0"},
      {"kuma.readiness_port", "65536"},
      {"control_plane.tls", "yes"},
      {"control_plane.server_name", "cp.example.org:5678"},
      {"control_plane.server_name", "a b"},
      {"control_plane.ca_cert_file", "a\nb"},
      {"control_plane.cert_file", "a\nb"},
      {"control_plane.key_file", "a\nb"},
      {"control_plane.token_file", "a\nb"},
      {"control_plane.allow_plaintext_token", "1"},
      {"istio.addresses", "istiod:15012"},
      {"istio.addresses", "grpc://istiod:15012"},
      {"istio.addresses", "https://istiod"},
      {"istio.addresses", "http://unix:/run/istiod.sock"},
      {"istio.workload", "vm~1"},
      {"istio.namespace", ""},
      {"istio.domain", "svc cluster"},
      {"istio.instance_ip", "0.0.0.0"},
      {"istio.instance_ip", "192.0.2.0/24"},
      {"istio.metadata", "CLUSTER_ID"},
      {"istio.metadata", "=x"},
      {"istio.metadata", "cluster=x"},
      {"istio.metadata", "A=\n"},
      {"admin.listen", "19153"},
      {"log.level", "loud"},
      {"log.format", "xml"},
      {"query_log.file", "queries.log"},
      {"query_log.file", "unix:/run/x"},
      {"query_log.file", "stdout"},
      {"query_log.sample", "0"},
      {"query_log.sample", "1000001"},
      {"query_log.names", "plain"},
      {"dnstap.output", "stderr"},
      {"dnstap.output", "unix:x"},
      {"dnstap.output", "unix:"},
      {"dnstap.identity", "a b"},
  };
  for (const Case& row : cases) {
    const Setting* const setting = find_setting(row.key);
    ASSERT_NE(setting, nullptr) << row.key;
    Config config;
    const auto added = setting->add(config, row.text);
    ASSERT_FALSE(added) << row.key << ": " << row.text;
    EXPECT_NE(added.error().message.find("(write "), std::string::npos)
        << row.key << " does not say what to write: " << added.error().message;
  }
}

TEST(Settings, RefuseAnItemThatIsInTheListAlready) {
  Config config;
  const Setting* const listen = find_setting("listen");
  listen->clear(config);
  ASSERT_TRUE(listen->add(config, "127.0.0.1"));
  EXPECT_FALSE(listen->add(config, "127.0.0.1:53"));
}

}  // namespace
}  // namespace meshdns::dns
