// Which ports of a service a name is about: the service's own name all of them, and the names below
// it that RFC 2782 and RFC 9460 section 2.3 make up with underscores some. Hot path.
//
// Names below a service follow from its ports at the time of the question; the table has no entry
// for them. With ports 8080 (named "web", protocol http) and 443 of shop.mesh there are
//
//     _web._tcp.shop.mesh, _8080._tcp.shop.mesh, _443._tcp.shop.mesh    SRV
//     _http._tcp.shop.mesh                                              SRV, unless a port has it
//     _443._https.shop.mesh                                             HTTPS     as its name
//     _tcp.shop.mesh, _https.shop.mesh                                  empty non-terminals
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "resolver/snapshot/port_lists.h"
#include "resolver/snapshot/snapshot.h"
#include "resolver/snapshot/zone_set.h"
#include "resolver/wire/name.h"

namespace meshdns::dns {

// Whether records of the type tell the ports of services: SRV, SVCB, HTTPS.
[[nodiscard]] bool tells_ports(std::uint16_t type);

// Some ports of a list.
class PortSelection {
 public:
  PortSelection() = default;  // all
  // Those named `label` (folded) or of that number; without one of that name, those of that
  // protocol.
  [[nodiscard]] static PortSelection of_service(std::span<const std::uint8_t> label,
                                                std::span<const Port> ports);
  // What `https://NAME/` may lead to: port 443 where it has an HTTPS record, else any.
  [[nodiscard]] static PortSelection of_https_origin(std::span<const Port> ports);
  // The one of that number.
  [[nodiscard]] static PortSelection of_number(std::span<const std::uint8_t> label);

  // Whether there is a record of `type` for the port.
  [[nodiscard]] bool has(const Port& port, std::uint16_t type) const;
  [[nodiscard]] std::size_t count(std::span<const Port> ports, std::uint16_t type) const;

 private:
  enum class By : std::uint8_t { kAll, kNameOrNumber, kProtocol, kNumber };
  PortSelection(By by, std::span<const std::uint8_t> label);

  By by_ = By::kAll;
  std::uint16_t number_ = 0;  // the label as a number; 0: it is none
  std::span<const std::uint8_t> label_;
};

// What a name below a service is.
struct ServicePlace {
  enum class Kind : std::uint8_t {
    kNone,              // not derived from any service's ports: no such name
    kEmptyNonTerminal,  // only longer names are
    kPorts,             // it has records of `type`
    kNotTold,           // the service's ports are not known
  };
  Kind kind = Kind::kNone;
  std::uint16_t type = 0;
  std::size_t offset = 0;  // of the service's name within the name
  Snapshot::Host host;     // the service
  PortSelection selection;

  [[nodiscard]] bool exists() const { return kind != Kind::kNone; }
};

// `zone_offset`: of the zone's name within `folded`; the service must be in the zone too. A service
// whose addresses static records decide has no names below it.
[[nodiscard]] ServicePlace find_service_place(const Snapshot& snapshot, NameView folded,
                                              std::size_t zone_offset);

// Whether a name that is not there may be that of a single endpoint, whose feed has yet to deliver:
// it is below the name of a service of `zone`.
[[nodiscard]] bool may_be_instance(const Snapshot& snapshot, NameView folded,
                                   const OwnedZone& zone);

}  // namespace meshdns::dns
