// What a broken or malicious control plane says, step by step by a seed, together with what must
// become of each step: the script and its oracle.
//
// The table has services that never change ("calm-0" ...), some whose address is the resolver's to
// give ("leased-0" ...), some that change ("busy-0" ...), and some whose bytes are damaged at
// random
// ("fuzz-0" ...).
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "envoy/service/discovery/v3/discovery.pb.h"
#include "meshdns/mesh/v1/service.pb.h"

namespace meshdns::support {

inline constexpr const char* kServiceType = "type.googleapis.com/meshdns.mesh.v1.Service";
inline constexpr const char* kEndpointsType =
    "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment";

// What a resolver that was told all this holds: resource name to version, by type.
using HeldVersions = std::map<std::string, std::map<std::string, std::string>>;

enum class Outcome : std::uint8_t {
  kAck,
  kNack,
  kEither,      // depends on what chance made of the bytes
  kNoReply,     // nothing is owed
  kStreamLost,  // nothing is left to answer
};

struct Message {
  std::string bytes;
  std::string nonce;
  Outcome outcome = Outcome::kAck;
  std::vector<std::string> faults = {};  // what a NACK must say: "NAME: REASON"
  std::string type_url = kServiceType;
  // What is held after it: of kEither if it is acknowledged.
  std::map<std::string, std::string> taken = {};
  std::vector<std::string> dropped = {};
};

// How a step ends.
enum class Ending : std::uint8_t { kStays, kStatus, kUnimplemented };

struct Step {
  std::string what;
  std::vector<Message> messages;  // sent at once
  // What names answer one after the other, the last one for good: an address, "NXDOMAIN" or
  // "SERVFAIL".
  std::map<std::string, std::vector<std::string>> answers = {};
  Ending ending = Ending::kStays;
  int status_code = 0;
  std::string status_text = {};
};

class HostileScript {
 public:
  static constexpr int kCalm = 20;
  static constexpr int kLeased = 4;
  static constexpr int kBusy = 6;

  // `bulk`: services in a large response. `leased_address`: of leased-0.
  HostileScript(std::uint64_t seed, std::size_t bulk);

  // The table to begin with, and the endpoints.
  [[nodiscard]] std::vector<Step> prologue();
  void set_leased_address(std::string address) { leased_address_ = std::move(address); }
  // Each kind of step once, then any.
  [[nodiscard]] Step next();
  [[nodiscard]] std::size_t kinds() const;
  // Says that all is well, which proves a new stream.
  [[nodiscard]] Step greeting();

 private:
  using Response = envoy::service::discovery::v3::DeltaDiscoveryResponse;
  using Resource = envoy::service::discovery::v3::Resource;
  using Service = mesh::v1::Service;
  struct Kind {
    const char* what;
    Step (HostileScript::*make)();
    int weight;
  };
  static const std::vector<Kind>& all_kinds();

  // --- Kinds ---
  Step change();
  Step remove();
  Step partly_bad();
  Step flipped_bits();
  Step truncated();
  Step wrong_type();
  Step nameless();
  Step another_mesh();
  Step another_name();
  Step duplicates();
  Step sent_and_removed();
  Step unknown_removals();
  Step nonce_missing();
  Step nonce_huge();
  Step nonce_again();
  Step version_again();
  Step heartbeat();
  Step heartbeat_of_nobody();
  Step octets_in_name();
  Step control_characters_in_name();
  Step bad_hostname();
  Step many_hostnames();
  Step deep_value();
  Step deep_resource();
  Step long_strings();
  Step bad_address();
  Step bad_port();
  Step type_not_asked_for();
  Step stolen_address();
  Step stolen_hostname();
  Step burst();
  Step bulk();
  Step bad_endpoints();
  Step good_endpoints();
  Step empty();
  Step no_message();
  Step too_large();
  Step status();
  Step unimplemented();

  // --- Pieces ---
  [[nodiscard]] std::size_t draw(std::size_t least, std::size_t most);
  [[nodiscard]] std::string next_nonce();
  [[nodiscard]] std::string next_version();
  [[nodiscard]] Response response(const std::string& type_url = kServiceType);
  [[nodiscard]] static Service service(const std::string& name, const std::string& address);
  static Resource& add(Response& response, const Service& service, const std::string& version);
  [[nodiscard]] std::string new_address();
  [[nodiscard]] static Message message(const Response& response, Outcome outcome,
                                       std::vector<std::string> faults = {});
  // A response with the one service, which is refused with that reason.
  [[nodiscard]] Step refused(const Service& service, const std::string& reason);
  [[nodiscard]] Step chance(const std::string& bytes);

  std::mt19937_64 random_;
  std::size_t bulk_;
  std::string leased_address_;
  std::uint64_t nonces_ = 0;
  std::uint64_t versions_ = 0;
  std::uint64_t addresses_ = 0;
  std::size_t done_ = 0;
  std::map<int, std::string> busy_;  // version; absent: removed
};

}  // namespace meshdns::support
