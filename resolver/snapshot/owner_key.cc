#include "resolver/snapshot/owner_key.h"

#include <cstddef>
#include <string>
#include <string_view>

#include "discovery/service.h"
#include "resolver/snapshot/name_octets.h"
#include "resolver/wire/name.h"

namespace meshdns::dns {
namespace {

// The first octet of a key.
constexpr char kService = 's';   // then MESH/NAME
constexpr char kRecord = 'r';    // then the folded name in wire form
constexpr char kInstance = 'i';  // then MESH/NAME of the service, kSeparator, NAME
constexpr char kSeparator = '\0';

}  // namespace

std::string service_key(const discovery::ServiceId& id) { return kService + id.to_string(); }

std::string record_key(std::string_view name) {
  std::string key(1, kRecord);
  if (auto parsed = Name::from_text(name)) {
    parsed->fold();
    key += to_characters(*parsed);
  }
  return key;
}

std::string instance_key(const discovery::ServiceId& service, std::string_view name) {
  std::string key = kInstance + service.to_string();
  return (key += kSeparator).append(name);
}

std::string owner_label(std::string_view key) {
  const char kind = key.front();
  const std::string_view what = key.substr(1);
  if (kind == kService) {
    return std::string(what);
  }
  if (kind == kInstance) {
    const std::size_t service_octets = what.find(kSeparator);
    return std::string("instance ")
        .append(what.substr(service_octets + 1))
        .append(" of ")
        .append(what.substr(0, service_octets));
  }
  std::string name = what.empty() ? "." : to_name(what).to_text();
  name.pop_back();  // the final dot
  return "record " + name;
}

}  // namespace meshdns::dns
