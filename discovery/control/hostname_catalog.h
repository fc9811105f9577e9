// The names that hostname generators give to services, and who has each.
//
// Within a mesh a name is one service's: the one's that is called so by itself (NAME.mesh), else of
// those that generators give it to, the first in order. Belongs to the control thread.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "discovery/control/hostname_template.h"
#include "discovery/hostname_generator.h"
#include "discovery/service.h"

namespace meshdns::discovery {

class HostnameCatalog {
 public:
  // Every service is to be put anew afterwards. The template is one that parses.
  void set_generator(const std::string& name, const HostnameGenerator& generator);
  void remove_generator(const std::string& name);

  enum class Origin : std::uint8_t { kDataplanes, kExternal };
  // Adds to the service's own hostnames those that generators give it. What is left out is told in
  // `warnings`. Returns the other services whose names this changes: they are to be put anew.
  [[nodiscard]] std::vector<ServiceId> put(Service& service, Origin origin,
                                           std::vector<std::string>& warnings);
  // The service is no more. Returns as put() does.
  [[nodiscard]] std::vector<ServiceId> remove(const ServiceId& id);

 private:
  struct Generator {
    HostnameGenerator value;
    HostnameTemplate hostname;
  };
  enum class Right : std::uint8_t { kOwnName, kGenerated };
  using Claim = std::pair<Right, ServiceId>;
  using Place = std::pair<std::string, std::string>;  // mesh, hostname

  // What it claims: names with the generator they come from; none for its own.
  [[nodiscard]] std::map<std::string, std::string> wishes(const Service& service, Origin origin,
                                                          std::vector<std::string>& warnings) const;
  // Makes these the claims of a service.
  [[nodiscard]] std::vector<ServiceId> claim(const ServiceId& id,
                                             const std::map<std::string, Right>& names);

  std::map<std::string, Generator> generators_;
  std::map<Place, std::set<Claim>> claims_;
  std::map<ServiceId, std::map<std::string, Right>> names_;
};

}  // namespace meshdns::discovery
