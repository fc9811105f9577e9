// Who may ask: the host itself, and whom the configuration allows. The one decision for UDP and
// TCP, taken before the table or upstream are looked at.
//
// Immutable: replaced as a whole. Any thread.
#pragma once

#include <vector>

#include "base/ip_address.h"
#include "base/result.h"
#include "resolver/answer/query_handler.h"

namespace meshdns::dns {

class AccessList {
 public:
  AccessList() = default;  // loopback alone
  AccessList(std::vector<IpAddress> host_addresses, std::vector<IpPrefix> allowed);

  // Hot path: loopback first; the rest is logarithmic in the host's addresses and linear in the
  // allowed blocks. An IPv4-mapped address counts as the IPv4 address it holds.
  [[nodiscard]] ClientAccess check(const IpAddress& client) const;

  // The address against which what `client` holds of us is counted. Programs of this host share
  // its addresses, whichever of them a packet filter leaves their questions: all are loopback,
  // which has no limit of its own.
  [[nodiscard]] IpAddress counted_as(const IpAddress& client) const;

  friend bool operator==(const AccessList&, const AccessList&) = default;

 private:
  [[nodiscard]] bool is_host(const IpAddress& address) const;

  std::vector<IpAddress> host_addresses_;  // sorted
  std::vector<IpPrefix> allowed_;
};

// The addresses of the host's interfaces now; they come and go, so read them again now and then.
[[nodiscard]] Result<std::vector<IpAddress>> read_host_addresses();

}  // namespace meshdns::dns
