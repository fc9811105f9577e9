// A resolv.conf.
//
// Input: its text.
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/ip_address.h"
#include "fuzz/require.h"
#include "resolver/forward/resolv_conf.h"

namespace dns = meshdns::dns;

namespace {

using meshdns::fuzz::require;

// Control characters of the file must not reach a terminal or a log.
bool is_printable(const std::string& text) {
  for (const char c : text) {
    const auto octet = static_cast<unsigned char>(c);
    if (octet < 0x20 || octet == 0x7f) {
      return false;
    }
  }
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(data, data + size);
  const dns::ResolvConf conf = dns::parse_resolv_conf(text);
  require(conf.servers.size() <= dns::kMaxResolvConfServers);
  require(conf.warnings.size() <= dns::kMaxResolvConfWarnings + 1);
  for (const std::string& warning : conf.warnings) {
    require(is_printable(warning));
  }

  // The servers, written as a file, are the same servers.
  std::string again;
  for (const meshdns::SocketAddress& server : conf.servers) {
    again += "nameserver " + server.to_string() + "\n";
  }
  const dns::ResolvConf second = dns::parse_resolv_conf(again);
  require(second.servers == conf.servers);
  require(second.warnings.empty());

  // What follows the last line changes nothing that is there.
  if (size < dns::kMaxResolvConfBytes - 16) {
    require(dns::parse_resolv_conf(text + "\n# end").servers == conf.servers);
  }
  return 0;
}
