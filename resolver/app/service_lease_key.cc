#include "resolver/app/service_lease_key.h"

#include <charconv>
#include <optional>
#include <string>
#include <string_view>

#include "discovery/service.h"
#include "vip/key.h"

namespace meshdns::dns {
namespace {

// Of a part of a lease key.
std::string unescape(std::string_view part) {
  std::string text;
  while (!part.empty()) {
    unsigned octet = 0;
    const bool is_escape =
        part.size() >= 3 && part[0] == '%' &&
        std::from_chars(part.data() + 1, part.data() + 3, octet, 16).ptr == part.data() + 3;
    text += is_escape ? static_cast<char>(octet) : part[0];
    part.remove_prefix(is_escape ? 3 : 1);
  }
  return text;
}

}  // namespace

std::string service_lease_key(const discovery::ServiceId& id) {
  return vip::service_lease_key(id.mesh, id.name);
}

std::optional<discovery::ServiceId> service_of_lease_key(std::string_view key) {
  constexpr std::string_view kMiddle = "/service///";
  const auto middle = key.find(kMiddle);
  if (middle == std::string_view::npos) {
    return std::nullopt;
  }
  discovery::ServiceId id{unescape(key.substr(0, middle)),
                          unescape(key.substr(middle + kMiddle.size()))};
  return service_lease_key(id) == key ? std::optional(id) : std::nullopt;
}

}  // namespace meshdns::dns
