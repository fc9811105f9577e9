#include "tests/support/istio_name_table.h"

#include <string>
#include <vector>

#include "istio/networking/nds/v1/nds.pb.h"

namespace meshdns::support {

std::string istio_name_table(const std::vector<IstioHost>& hosts) {
  istio::networking::nds::v1::NameTable table;
  for (const IstioHost& host : hosts) {
    auto& info = (*table.mutable_table())[host.host];
    info.mutable_ips()->Assign(host.ips.begin(), host.ips.end());
    info.set_registry(host.shortname.empty() ? "External" : "Kubernetes");
    info.set_shortname(host.shortname);
    info.set_namespace_(host.name_space);
    info.mutable_alt_hosts()->Assign(host.alt_hosts.begin(), host.alt_hosts.end());
  }
  return table.SerializeAsString();
}

IstioHost kubernetes_service(const std::string& name, const std::string& name_space,
                             const std::vector<std::string>& ips) {
  return {.host = name + "." + name_space + ".svc.cluster.local",
          .ips = ips,
          .shortname = name,
          .name_space = name_space};
}

}  // namespace meshdns::support
