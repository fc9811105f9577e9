// The name table of an Istio control plane, as a test writes it.
#pragma once

#include <string>
#include <vector>

namespace meshdns::support {

struct IstioHost {
  std::string host;
  std::vector<std::string> ips = {};
  // Of a Kubernetes service; empty: from elsewhere.
  std::string shortname = {};
  std::string name_space = {};
  std::vector<std::string> alt_hosts = {};
};

// Octets of an istio.networking.nds.v1.NameTable.
[[nodiscard]] std::string istio_name_table(const std::vector<IstioHost>& hosts);

// A Kubernetes service "NAME.NAMESPACE.svc.cluster.local".
[[nodiscard]] IstioHost kubernetes_service(const std::string& name, const std::string& name_space,
                                           const std::vector<std::string>& ips);

}  // namespace meshdns::support
