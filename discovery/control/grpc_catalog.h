// What gRPC's own clients are served, in all meshes: which listener leads to which service, and
// what was refused at admission.
//
// A service is reached by each of its hostnames and ports. Where two services have a hostname and
// port in common, one that is called so (NAME.mesh) goes before one that has it as its dotted form,
// then the order of names decides. Belongs to the control thread.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "discovery/control/mesh_change.h"
#include "discovery/control/service_generator.h"
#include "discovery/service.h"
#include "discovery/xds/resource_set.h"

namespace meshdns::discovery {

class GrpcCatalog {
 public:
  // The service is so from now on, or is no more; what put() returns are warnings about it. Once
  // each before take_changes().
  [[nodiscard]] std::vector<std::string> put(const GeneratedService& generated);
  void remove(const ServiceId& id);

  struct Changes {
    std::map<std::string, MeshChange> meshes;
    std::vector<std::string> contests;  // names that several services have, and had not before
  };
  // What was put and removed since the last call changes.
  [[nodiscard]] Changes take_changes();

  // A resource that gRPC's clients would refuse and so do not get, as it is now.
  struct Refused {
    ServiceId service;
    std::string reason;
  };
  [[nodiscard]] std::vector<Refused> refused() const;
  [[nodiscard]] std::size_t refused_count() const { return refused_.size(); }
  // The names that several services have now, in words.
  [[nodiscard]] std::vector<std::string> contests() const;

 private:
  // "HOSTNAME:PORT" in a mesh.
  struct Authority {
    std::string mesh;
    std::string name;
    friend auto operator<=>(const Authority&, const Authority&) = default;
  };
  // The least claim to an authority has it.
  struct Claim {
    bool is_dotted_form = false;
    ServiceId service;
    std::uint16_t port = 0;
    friend auto operator<=>(const Claim&, const Claim&) = default;
  };
  using Claims = std::map<Authority, Claim>;  // of one service
  struct ResourceKey {
    std::string mesh;
    std::string type_url;
    std::string name;
    friend auto operator<=>(const ResourceKey&, const ResourceKey&) = default;
  };

  [[nodiscard]] static Claims claims_of(const Service& service);
  void replace_claims(const ServiceId& id, Claims now);
  void decide(const Authority& authority, Changes& changes);
  void admit(const ServiceId& id, ResourceUpdate update, std::span<const std::string> authorities);
  void withdraw(const std::string& mesh, std::string_view type_url, const std::string& name);
  void withdraw_port(const ServiceId& id, std::uint16_t port);
  [[nodiscard]] std::string describe_contest(const Authority& authority) const;

  std::map<ServiceId, Claims> claims_by_service_;
  std::map<Authority, std::set<Claim>> claims_by_authority_;
  std::set<Authority> contested_;  // with more than one claim
  std::map<ServiceId, std::set<std::uint16_t>> ports_;
  std::map<ResourceKey, Refused> refused_;
  // Until take_changes().
  std::map<std::string, MeshChange> pending_;
  std::set<Authority> touched_;
};

}  // namespace meshdns::discovery
