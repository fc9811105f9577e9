// A Cluster of xDS as a service of ours: what it is called, and who tells its endpoints.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "discovery/service.h"

namespace meshdns::discovery {

// What clusters become services of.
struct ClusterNaming {
  std::string mesh;
  std::vector<std::string> zones;  // as cluster_hostname() takes them
};

struct Cluster {
  Service service;  // called MESH/CLUSTER, with one hostname
  // Why it is no service, though a good cluster; empty: it is one.
  std::string left_out;
  // The name of the ClusterLoadAssignment to ask for; empty: it has no such.
  std::string assignment;
  // What it brings along instead. Nothing: who knows.
  std::optional<std::vector<Endpoint>> endpoints;
  // Its serialisation, reduced to what is read here: the rest may hold a proxy's secrets.
  std::string stored;
};

// The error names the field: no name; endpoints that it brings along and that
// read_load_assignment() does not take. Left out are names that are no DNS names
// (cluster_hostname), and ORIGINAL_DST, which stands for no host of its own. Host names as
// endpoints are looked up by nobody here: a cluster of STRICT_DNS or LOGICAL_DNS has the IP
// addresses among its endpoints, if there are any.
[[nodiscard]] Result<Cluster> decode_cluster(std::string_view value, const ClusterNaming& naming);

}  // namespace meshdns::discovery
