// What an Envoy beside a workload needs for its calls to a service: a listener on the service's
// virtual address and port. Its clusters and endpoints are those of grpc_resources.h. Pure: no I/O,
// no thread.
//
// A listener is called MESH/NAME:PORT as its cluster is, and MESH/NAME:PORT/ipv6 for an IPv6
// address. gRPC's listeners are called HOSTNAME:PORT, which has no slash.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/ip_address.h"
#include "discovery/service.h"
#include "discovery/xds/resource_set.h"

namespace meshdns::discovery {

// How connections to a virtual address get to the Envoy.
enum class ListenerBinding : std::uint8_t {
  kBound,       // it listens on the address itself, which is one of the host's or will be
  kRedirected,  // the host's packet filter redirects them to one port, as under Kuma and Istio
};

[[nodiscard]] std::string envoy_listener_name(const ServiceId& id, std::uint16_t port,
                                              IpFamily family);

// http, http2 and grpc get routes (all to the one cluster, without a timeout: calls may be long,
// and the client knows how long), tcp and kafka pass as octets.
[[nodiscard]] ResourceUpdate envoy_listener(const ServiceId& id, const ServicePort& port,
                                            const IpAddress& address, ListenerBinding binding);

// What an Envoy that is redirected to needs besides: on `port` of the loopback address of each
// family a listener that hands a connection to the one for its destination, or passes it on to
// there where nothing is at that address, which is what the cluster is for.
[[nodiscard]] std::vector<ResourceUpdate> envoy_redirect(std::uint16_t port,
                                                         const std::vector<IpFamily>& families);

}  // namespace meshdns::discovery
