#include "resolver/answer/service_place.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "resolver/snapshot/port_lists.h"
#include "resolver/snapshot/snapshot.h"
#include "resolver/snapshot/static_records.h"
#include "resolver/snapshot/zone_set.h"
#include "resolver/wire/name.h"
#include "resolver/wire/protocol.h"

namespace meshdns::dns {
namespace {

using Label = std::span<const std::uint8_t>;

constexpr std::string_view kTcpLabel = "_tcp";
constexpr std::string_view kHttpsLabel = "_https";

bool is_same(Label label, std::string_view text) {
  return std::ranges::equal(label, text, {}, {},
                            [](char c) { return static_cast<std::uint8_t>(c); });
}

// The type of the records below a name that begins with this label; 0 for none.
std::uint16_t type_below(Label label) {
  if (is_same(label, kTcpLabel)) {
    return rrtype::kSrv;
  }
  return is_same(label, kHttpsLabel) ? rrtype::kHttps : std::uint16_t{0};
}

// The port that the label writes as RFC 2782 and RFC 9460 section 2.3 do: decimal digits without
// leading zeros. 0 for another label.
std::uint16_t number_of(Label label) {
  std::uint32_t number = 0;
  if (label.empty() || label.size() > 5 || label[0] == '0') {
    return 0;
  }
  for (const std::uint8_t octet : label) {
    if (octet < '0' || octet > '9') {
      return 0;
    }
    number = number * 10 + (octet - std::uint32_t{'0'});
  }
  return number > UINT16_MAX ? std::uint16_t{0} : static_cast<std::uint16_t>(number);
}

// The service whose name begins at `offset`, if it tells anything below its name.
Snapshot::Host find_service(const Snapshot& snapshot, NameView folded, std::size_t offset,
                            std::size_t zone_offset) {
  if (offset > zone_offset) {
    return {};
  }
  const NameView name(folded.octets().subspan(offset));
  const Snapshot::Host host = snapshot.find(name, snapshot.hash(name));
  if (host.ports == kNoPorts) {
    return {};
  }
  const StaticNode* const fixed = snapshot.static_records().find(name);
  return fixed != nullptr && fixed->decides_addresses() ? Snapshot::Host{} : host;
}

}  // namespace

bool tells_ports(std::uint16_t type) {
  return type == rrtype::kSrv || type == rrtype::kSvcb || type == rrtype::kHttps;
}

PortSelection PortSelection::of_service(Label label, std::span<const Port> ports) {
  const PortSelection exact(By::kNameOrNumber, label);
  return exact.count(ports, rrtype::kSrv) > 0 ? exact : PortSelection(By::kProtocol, label);
}

PortSelection PortSelection::of_https_origin(std::span<const Port> ports) {
  static constexpr std::array<std::uint8_t, 3> kDefaultPort{'4', '4', '3'};
  const PortSelection its_own = of_number(kDefaultPort);
  return its_own.count(ports, rrtype::kHttps) > 0 ? its_own : PortSelection();
}

PortSelection PortSelection::of_number(Label label) { return {By::kNumber, label}; }

PortSelection::PortSelection(By by, Label label)
    : by_(by), number_(number_of(label)), label_(label) {}

bool PortSelection::has(const Port& port, std::uint16_t type) const {
  if (type == rrtype::kHttps && !port.has_https_record) {
    return false;
  }
  switch (by_) {
    case By::kNameOrNumber:
      return is_same(label_, port.name) || port.number == number_;
    case By::kProtocol:
      return is_same(label_, port.protocol);
    case By::kNumber:
      return port.number == number_;
    default:
      return true;
  }
}

std::size_t PortSelection::count(std::span<const Port> ports, std::uint16_t type) const {
  return static_cast<std::size_t>(
      std::ranges::count_if(ports, [this, type](const Port& port) { return has(port, type); }));
}

ServicePlace find_service_place(const Snapshot& snapshot, NameView folded,
                                std::size_t zone_offset) {
  const Label first = folded.first_label();
  if (first.empty() || first[0] != '_') {
    return {};
  }
  const NameView parent = folded.parent();
  ServicePlace place;
  // _LABEL._tcp.SERVICE
  if (const std::uint16_t type = type_below(parent.first_label()); type != 0 && first.size() > 1) {
    place.offset = folded.size() - parent.parent().size();
    place.host = find_service(snapshot, folded, place.offset, zone_offset);
    const std::span<const Port> ports = snapshot.ports(place.host);
    const Label label = first.subspan(1);
    place.type = type;
    place.selection = type == rrtype::kSrv ? PortSelection::of_service(label, ports)
                                           : PortSelection::of_number(label);
    if (place.host.ports == kPortsNotTold || place.selection.count(ports, type) > 0) {
      place.kind = place.host.ports == kPortsNotTold ? ServicePlace::Kind::kNotTold
                                                     : ServicePlace::Kind::kPorts;
      return place;
    }
  }
  // _tcp.SERVICE
  if (const std::uint16_t type = type_below(first); type != 0) {
    place.offset = folded.size() - parent.size();
    place.host = find_service(snapshot, folded, place.offset, zone_offset);
    if (place.host.ports == kPortsNotTold) {
      place.kind = ServicePlace::Kind::kNotTold;
    } else if (PortSelection().count(snapshot.ports(place.host), type) > 0) {
      place.kind = ServicePlace::Kind::kEmptyNonTerminal;
    }
  }
  return place;
}

bool may_be_instance(const Snapshot& snapshot, NameView folded, const OwnedZone& zone) {
  if (!zone.awaits_instances) {
    return false;
  }
  const std::size_t zone_size = zone.name.size();
  while (folded.size() > zone_size) {
    folded = folded.parent();
    if (folded.size() > zone_size && snapshot.find(folded, snapshot.hash(folded)).is_named()) {
      return true;
    }
  }
  return false;
}

}  // namespace meshdns::dns
