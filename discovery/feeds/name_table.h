// The name table of Istio's NDS (istio.networking.nds.v1.NameTable): every hostname that a sidecar
// is to answer, with its addresses.
//
// Read as istio-agent does (istio/pkg/dns/client): a Kubernetes service also has its short names.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "discovery/service.h"

namespace meshdns::discovery {

// Where the one who asks stands among Kubernetes' names.
struct NameTableScope {
  std::string name_space;  // whose services are known by their first label alone
  std::string domain;      // of services, e.g. svc.cluster.local; others have no short names
};

struct NameTable {
  // More addresses of one name are left out: all must fit a message.
  static constexpr std::size_t kMaxAddresses = 1000;
  // Each other name of a host has all of its addresses: so many in the whole table.
  static constexpr std::size_t kMaxOtherAddresses = 1'000'000;

  std::vector<NameRecord> records;  // ascending by name, in lower case, each once
  // What was left out: hosts that are no names, addresses that are none, short names that two
  // services have, names past a bound. The first few are described.
  std::size_t skipped = 0;
  std::vector<std::string> reasons;
};

// Hosts without an address are left out, as istio-agent does: they are asked for upstream. A host
// may be a wildcard. Of two services with one short name that of the first host counts, and a host
// before any short name. Fails when `value` is no NameTable.
[[nodiscard]] Result<NameTable> read_name_table(std::string_view value,
                                                const NameTableScope& scope);

}  // namespace meshdns::discovery
