// A hostname template, behind an octet 1 what it is filled in with. Whatever they hold: why it is
// refused is fit for a log, and what it gives is a DNS name in lower case.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "discovery/control/hostname_template.h"
#include "discovery/dns_name.h"
#include "fuzz/require.h"

namespace {

using namespace meshdns::discovery;

using meshdns::fuzz::require;

void check_reason(std::string_view reason) {
  require(!reason.empty(), "there is a reason");
  for (const char c : reason) {
    require(c >= ' ' && c <= '~', "a reason is printable");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // Octets as characters, the same bytes.
  const std::string_view all(reinterpret_cast<const char*>(data), size);  // NOLINT(*-cast)
  const std::size_t end = std::min(all.find('\1'), all.size());
  const std::string value(all.substr(std::min(end + 1, all.size())));
  const auto parsed = HostnameTemplate::parse(std::string(all.substr(0, end)));
  if (!parsed) {
    check_reason(parsed.error().message);
    return 0;
  }
  const auto name = parsed->render({.name = value,
                                    .name_space = value,
                                    .mesh = "default",
                                    .zone = value,
                                    .labels = {{"k", value}}});
  if (name) {
    require(is_dns_name(*name) && fold_name(*name) == *name, "a name is one, in lower case");
  } else {
    check_reason(name.error().message);
  }
  return 0;
}
