// What a control plane says exists, as plain values: services, endpoints, name records, and changes
// of them.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ip_address.h"

namespace meshdns::discovery {

// What is spoken on a port (`kuma.io/protocol`).
enum class Protocol : std::uint8_t { kTcp, kHttp, kHttp2, kGrpc, kKafka };

[[nodiscard]] std::string_view to_string(Protocol protocol);
// Case-insensitive; nothing for an unknown word.
[[nodiscard]] std::optional<Protocol> parse_protocol(std::string_view text);

struct ServicePort {
  std::string name;
  std::uint16_t number = 0;
  Protocol protocol = Protocol::kTcp;

  friend bool operator==(const ServicePort&, const ServicePort&) = default;
};

// Names a service; a service that stands in two zones is one service.
struct ServiceId {
  std::string mesh;
  std::string name;

  // "MESH/NAME", the name of its xDS resources.
  [[nodiscard]] std::string to_string() const { return mesh + "/" + name; }
  // What to_string() made; nothing without a slash.
  [[nodiscard]] static std::optional<ServiceId> parse(std::string_view text);
  friend auto operator<=>(const ServiceId&, const ServiceId&) = default;
};

// What the names of a service answer.
enum class Answers : std::uint8_t {
  kDefault,    // as the resolver is set
  kVip,        // the service's own address
  kEndpoints,  // those of its endpoints
};

// "vip" and "endpoints"; empty for the default.
[[nodiscard]] std::string_view to_string(Answers answers);
[[nodiscard]] std::optional<Answers> parse_answers(std::string_view text);

struct Service {
  ServiceId id;
  std::string zone;                    // empty when it stands in several
  std::vector<std::string> hostnames;  // without a trailing dot, in any case
  std::vector<IpAddress> addresses;    // empty: the resolver allocates
  std::vector<ServicePort> ports;      // ascending by number
  std::map<std::string, std::string> tags;
  Answers answers = Answers::kDefault;
  // The control plane gives it its address and has none to tell yet: nobody else allocates one.
  bool awaits_address = false;

  friend bool operator==(const Service&, const Service&) = default;
};

enum class Health : std::uint8_t { kUnknown, kHealthy, kUnhealthy };

struct Endpoint {
  IpAddress address;
  std::uint16_t port = 0;
  std::string zone;
  Health health = Health::kUnknown;
  // Names the one workload behind it within its service, in DNS as INSTANCE.HOSTNAME; a workload
  // may stand behind several endpoints. Empty: it has no name.
  std::string instance;

  friend auto operator<=>(const Endpoint&, const Endpoint&) = default;
};

// Where a service is served: all there is to know of it, sorted and without repetition.
struct ServiceEndpoints {
  ServiceId service;
  std::vector<Endpoint> endpoints;

  friend bool operator==(const ServiceEndpoints&, const ServiceEndpoints&) = default;
};

// A name and its addresses, from a feed that knows no services.
struct NameRecord {
  std::string name;  // without a trailing dot, in any case
  std::vector<IpAddress> addresses;
  std::optional<std::uint32_t> ttl_seconds;

  friend bool operator==(const NameRecord&, const NameRecord&) = default;
};

// A resource that a feed took, in the form in which it can be taken again.
struct AcceptedResource {
  std::string name;
  std::string version;  // empty where the protocol gives none
  std::string value;    // as the control plane sent it

  friend bool operator==(const AcceptedResource&, const AcceptedResource&) = default;
};

// What one response of one feed changes.
struct ServiceDelta {
  std::string feed;
  bool full_state = false;  // whatever is not listed here is gone
  // Something was asked for by its name and is not here yet: this is not all of a first table.
  bool awaits_more = false;
  std::vector<Service> services{};
  std::vector<ServiceId> removed_services{};
  std::vector<NameRecord> records{};
  std::vector<std::string> removed_records{};
  std::vector<ServiceEndpoints> endpoints{};
  std::vector<ServiceId> removed_endpoints{};
  // What the values above were made of, for last known good.
  std::vector<AcceptedResource> accepted{};
};

}  // namespace meshdns::discovery
