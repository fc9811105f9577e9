// VipEditor: what people change about virtual IPs (release, pin, import), on the leases of a
// running resolver or of a state folder that none uses.
//
// Control thread. Requests are JSON: a list of names to release, an object of names to addresses to
// pin or import; a name is SERVICE or MESH/SERVICE, its addresses are one, or a list of one of each
// family. A change that is done is on disk; one that is refused has changed nothing, and says for
// each name why and what to do.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ip_address.h"
#include "base/result.h"
#include "discovery/service.h"
#include "resolver/app/service_entries.h"
#include "vip/lease_store.h"
#include "vip/pin.h"

namespace meshdns::dns {

class VipEditor {
 public:
  // The services that exist: null entries where that is not known.
  struct Services {
    const ServiceEntries* entries = nullptr;
    bool are_awaited = false;  // they will be known once the control plane has spoken
  };
  // What was done, in lines; or why not. kInvalidArgument: the request is wrong; kNotFound,
  // kAlreadyExists: it contradicts what is; kIo: it is not on disk.
  using Done = std::function<void(const Result<std::string>&)>;

  // References outlive the editor. `mesh` is meant by a name without one; `pools` are those of
  // `leases`.
  VipEditor(vip::LeaseStore& leases, std::string mesh, std::vector<IpPrefix> pools,
            std::function<Services()> services);

  // Quarantines the addresses of a name that no service bears.
  void release(const std::string& json, Done done);
  void pin(const std::string& json, vip::PinMode mode, Done done);
  // pin() of names without a lease, all or none.
  void import(const std::string& json, Done done);

 private:
  struct Wish {
    std::string name;  // as written
    vip::Pin pin;
  };

  [[nodiscard]] Result<discovery::ServiceId> parse_name(const std::string& text) const;
  [[nodiscard]] Result<std::vector<Wish>> parse_wishes(const std::string& json) const;
  // A line for each wish that must not be.
  [[nodiscard]] std::vector<std::string> problems(const std::vector<Wish>& wishes,
                                                  vip::PinMode mode) const;
  [[nodiscard]] std::vector<std::string> conflicts_with_feeds(
      const std::vector<Wish>& wishes) const;
  [[nodiscard]] std::string explain(const vip::PinRefusal& refusal) const;
  [[nodiscard]] std::string readable(std::string_view key) const;
  void fulfil(const std::vector<Wish>& wishes, vip::PinMode mode, const std::string& report,
              Done done);

  vip::LeaseStore& leases_;
  std::string mesh_;
  std::vector<IpPrefix> pools_;
  std::function<Services()> services_;
};

}  // namespace meshdns::dns
