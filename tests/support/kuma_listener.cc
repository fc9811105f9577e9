#include "tests/support/kuma_listener.h"

#include <array>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <openssl/sha.h>

#include "envoy/config/listener/v3/listener.pb.h"
#include "envoy/extensions/filters/http/router/v3/router.pb.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb.h"

namespace meshdns::support {

std::string kuma_etag(const std::string& body) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): OpenSSL's API.
  SHA256(reinterpret_cast<const unsigned char*>(body.data()), body.size(), digest.data());
  return fmt::format("{:02x}", fmt::join(digest, ""));
}

std::string kuma_listener(const std::string& body, const std::string& name, const std::string& path,
                          const std::string& etag) {
  envoy::config::listener::v3::Listener listener;
  listener.set_name(name);
  listener.mutable_address()->mutable_pipe()->set_path("/tmp/kuma-mesh-metric-config.sock");
  envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager manager;
  manager.set_stat_prefix(name);
  manager.add_http_filters()->mutable_typed_config()->PackFrom(
      envoy::extensions::filters::http::router::v3::Router());
  auto& host = *manager.mutable_route_config()->add_virtual_hosts();
  host.set_name(name);
  host.add_domains("*");
  auto& not_modified = *host.add_routes();
  not_modified.set_name(name + "_dns_not_modified");
  not_modified.mutable_match()->set_path(path);
  not_modified.mutable_direct_response()->set_status(304);
  auto& route = *host.add_routes();
  route.set_name(name + "_dns");
  route.mutable_match()->set_path(path);
  route.mutable_direct_response()->set_status(200);
  route.mutable_direct_response()->mutable_body()->set_inline_string(body);
  if (etag != "none") {
    auto& header = *route.add_response_headers_to_add()->mutable_header();
    header.set_key("Etag");
    header.set_value(etag.empty() ? kuma_etag(body) : etag);
  }
  auto& filter = *listener.add_filter_chains()->add_filters();
  filter.set_name("envoy.filters.network.http_connection_manager");
  filter.mutable_typed_config()->PackFrom(manager);
  return listener.SerializeAsString();
}

std::string kuma_body(const std::vector<KumaRecord>& records, int ttl) {
  std::string text;
  for (const KumaRecord& record : records) {
    text += fmt::format(R"({}{{"name":"{}","ips":["{}"]}})", text.empty() ? "" : ",", record.name,
                        fmt::join(record.ips, R"(",")"));
  }
  return fmt::format(R"({{"records":[{}],"ttl":{},"extraLabels":{{"mesh":"default"}}}})", text,
                     ttl);
}

}  // namespace meshdns::support
