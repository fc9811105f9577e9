// The listener in which a Kuma control plane puts its DNS table, and the table's text.
#pragma once

#include <string>
#include <vector>

namespace meshdns::support {

// Of a body, as Kuma makes it: the SHA-256 in hexadecimal.
[[nodiscard]] std::string kuma_etag(const std::string& body);

// The octets of a Listener with the two routes that Kuma makes for the body: "not modified" first,
// then the body. Without an ETag where `etag` is "none".
[[nodiscard]] std::string kuma_listener(const std::string& body,
                                        const std::string& name = "system_dynamicconfig",
                                        const std::string& path = "/dns",
                                        const std::string& etag = "");

struct KumaRecord {
  std::string name;
  std::vector<std::string> ips;
};
// {"records":[...],"ttl":30,"extraLabels":{"mesh":"default"}}, in the order given.
[[nodiscard]] std::string kuma_body(const std::vector<KumaRecord>& records, int ttl = 30);

}  // namespace meshdns::support
