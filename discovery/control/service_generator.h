// From Dataplanes to services and endpoints. Pure: no I/O, no thread.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "discovery/dataplane.h"
#include "discovery/service.h"

namespace meshdns::discovery {

// One service as its dataplanes describe it.
struct GeneratedService {
  Service service;
  std::vector<Endpoint> endpoints;  // sorted, without repetition of address and port
  std::vector<std::string> warnings;
  bool is_external = false;  // it has external services alone
};

// `dataplanes`: all of one mesh that have an inbound of the service `id`, in an order that does not
// change. An endpoint's zone is its inbound's tag `kuma.io/zone`, else its dataplane's label of
// that name, else `default_zone`. Where inbounds disagree on a port's protocol it is tcp, with a
// warning; ignored inbounds do not count. The service's zone is its endpoints' only one, or empty;
// its tags are those that all its inbounds share. The addresses of one that has external services
// alone are those of their hosts: nobody listens on a virtual one.
[[nodiscard]] GeneratedService generate_service(const ServiceId& id,
                                                std::span<const Dataplane* const> dataplanes,
                                                const std::string& default_zone);

// The services that a dataplane's inbounds are of, sorted, each once.
[[nodiscard]] std::vector<ServiceId> services_of(const Dataplane& dataplane);

// NAME.mesh, and for a name with underscores also the form with dots instead.
[[nodiscard]] std::vector<std::string> hostnames_of(const std::string& service_name);

}  // namespace meshdns::discovery
