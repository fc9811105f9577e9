// A Dataplane as a plain value: one workload, where it listens (inbounds) and what it calls
// (outbounds), in Kuma's model.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/ip_address.h"
#include "discovery/entity_id.h"
#include "discovery/hostname_generator.h"

namespace meshdns::discovery {

// Whether an inbound may be sent traffic.
enum class InboundState : std::uint8_t {
  kReady,
  kNotReady,
  kIgnored,  // not an endpoint at all
};

struct Inbound {
  IpAddress address;  // the inbound's own, else the dataplane's
  std::uint16_t port = 0;
  std::uint16_t service_port = 0;  // where the application listens; `port` when not given
  std::string name;                // `port` when not given
  std::string protocol;            // as written; empty when not given
  std::map<std::string, std::string> tags;
  InboundState state = InboundState::kReady;
  bool health_ready = true;

  friend bool operator==(const Inbound&, const Inbound&) = default;
};

struct Outbound {
  IpAddress address;
  std::uint16_t port = 0;
  std::map<std::string, std::string> tags;

  friend bool operator==(const Outbound&, const Outbound&) = default;
};

// Names a dataplane, or another kind of entity.
struct DataplaneId {
  std::string mesh;
  std::string name;
  EntityKind kind = EntityKind::kDataplane;

  // "MESH/NAME", the name of its xDS resource.
  [[nodiscard]] std::string to_string() const { return mesh + "/" + name; }
  friend auto operator<=>(const DataplaneId&, const DataplaneId&) = default;
};

// Entities of other kinds have this form, too. An external service is a host outside of the mesh:
// its one inbound is where it listens. A hostname generator has a name, labels and `generator`.
struct Dataplane {
  EntityKind kind = EntityKind::kDataplane;
  std::string mesh;
  std::string name;
  std::map<std::string, std::string> labels;
  IpAddress address;
  std::vector<Inbound> inbounds;
  std::vector<Outbound> outbounds;
  std::optional<HostnameGenerator> generator;

  [[nodiscard]] DataplaneId id() const { return {mesh, name, kind}; }
  friend bool operator==(const Dataplane&, const Dataplane&) = default;
};

}  // namespace meshdns::discovery
