#include "resolver/app/table_dump.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/ip_address.h"
#include "base/json_text.h"
#include "discovery/service.h"
#include "resolver/app/service_entries.h"
#include "resolver/app/service_lease_key.h"

namespace meshdns::dns {
namespace {

// Less than a millisecond of work.
constexpr std::size_t kServicesPerPiece = 200;

template <typename Items, typename Print>
std::string json_list(const Items& items, Print print) {
  std::string out = "[";
  for (const auto& item : items) {
    out += (out.size() > 1 ? "," : "") + print(item);
  }
  return out + "]";
}

std::string hostnames_of(const ServiceEntry& entry) {
  return json_list(entry.service.hostnames,
                   [](const std::string& name) { return json_string(name); });
}

// Those that may be told: whoever listens on an address before it is on disk could find another
// service behind it after a crash.
std::vector<IpAddress> told_addresses(const ServiceEntry& entry) {
  return is_withheld(entry.status) ? std::vector<IpAddress>() : entry.addresses;
}

std::string addresses_of(const ServiceEntry& entry) {
  return json_list(told_addresses(entry),
                   [](const IpAddress& address) { return json_string(address.to_string()); });
}

std::string ports_of(const ServiceEntry& entry) {
  return json_list(entry.service.ports, [](const discovery::ServicePort& port) {
    return fmt::format(R"({{"name":{},"number":{},"protocol":{}}})", json_string(port.name),
                       port.number, json_string(discovery::to_string(port.protocol)));
  });
}

std::string tags_of(const ServiceEntry& entry) {
  std::string out = "{";
  for (const auto& [key, value] : entry.service.tags) {
    out += (out.size() > 1 ? "," : "") + json_string(key) + ":" + json_string(value);
  }
  return out + "}";
}

std::string print_service(const ServiceEntry& entry) {
  const discovery::Service& service = entry.service;
  return fmt::format(
      R"({{"mesh":{},"name":{},"zone":{},"hostnames":{},"addresses":{},"status":"{}","ports":{},"tags":{}}})",
      json_string(service.id.mesh), json_string(service.id.name), json_string(service.zone),
      hostnames_of(entry), addresses_of(entry), to_string(entry.status), ports_of(entry),
      tags_of(entry));
}

std::string first_of(const ServiceEntry& entry, IpFamily family, std::string_view name) {
  const std::vector<IpAddress> addresses = told_addresses(entry);
  const auto first = std::ranges::find(addresses, family, &IpAddress::family);
  return first == addresses.end()
             ? std::string()
             : fmt::format(R"("{}":{},)", name, json_string(first->to_string()));
}

std::string print_vip(const ServiceEntry& entry) {
  return fmt::format(
      R"({{"key":{},"mesh":{},"service":{},"hostnames":{},{}{}"addresses":{},"ports":{},"status":"{}"}})",
      json_string(service_lease_key(entry.service.id)), json_string(entry.service.id.mesh),
      json_string(entry.service.id.name), hostnames_of(entry),
      first_of(entry, IpFamily::kV4, "ipv4"), first_of(entry, IpFamily::kV6, "ipv6"),
      addresses_of(entry), ports_of(entry), to_string(entry.status));
}

// Where a dump stands: the last service it has shown, by name, since the table may change.
class Dump {
 public:
  using Print = std::string (*)(const ServiceEntry&);

  Dump(const ServiceEntries& entries, std::string_view name, Print print)
      : entries_(entries), head_(fmt::format("{{\"{}\":[", name)), print_(print) {}

  std::optional<std::string> next() {
    if (done_) {
      return std::nullopt;
    }
    std::string piece = std::exchange(head_, {});
    const auto some = entries_.some(last_ ? &*last_ : nullptr, kServicesPerPiece);
    for (const ServiceEntry& entry : some) {
      piece += (std::exchange(any_, true) ? ",\n" : "\n") + print_(entry);
      last_ = entry.service.id;
    }
    if (some.size() < kServicesPerPiece) {
      done_ = true;
      piece += "\n]}\n";
    }
    return piece;
  }

 private:
  const ServiceEntries& entries_;
  std::string head_;
  Print print_;
  std::optional<discovery::ServiceId> last_;
  bool any_ = false;
  bool done_ = false;
};

Pieces pieces_of(const ServiceEntries& entries, std::string_view name, Dump::Print print) {
  return [dump = Dump(entries, name, print)]() mutable { return dump.next(); };
}

}  // namespace

Pieces dump_table(const ServiceEntries& entries) {
  return pieces_of(entries, "services", print_service);
}

Pieces dump_vips(const ServiceEntries& entries) { return pieces_of(entries, "vips", print_vip); }

}  // namespace meshdns::dns
