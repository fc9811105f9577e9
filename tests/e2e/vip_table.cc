#include "tests/e2e/vip_table.h"

#include <cstdint>
#include <stdexcept>
#include <string>

#include <yaml-cpp/yaml.h>

#include "base/ip_address.h"
#include "tests/support/programs.h"

namespace meshdns::e2e {

VipListener vip_listener(const support::ResolverProgram& resolver, const std::string& service) {
  const std::string body = resolver.get("/vips").body;
  const YAML::Node document = YAML::Load(body);  // JSON is YAML
  for (const YAML::Node& vip : document["vips"]) {
    if (vip["service"].as<std::string>() == service) {
      return {.address = IpAddress::parse(vip["ipv4"].as<std::string>()).value(),
              .port = vip["ports"][0]["number"].as<std::uint16_t>()};
    }
  }
  throw std::runtime_error(service + " is not in " + body);
}

}  // namespace meshdns::e2e
