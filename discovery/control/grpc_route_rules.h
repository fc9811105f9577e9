// gRPC's rules for the virtual hosts of a route configuration, inside of a listener or not.
#pragma once

#include <span>
#include <string>

#include <google/protobuf/repeated_ptr_field.h>

#include "envoy/config/route/v3/route_components.pb.h"

namespace meshdns::discovery {

// Throws a GrpcRefusal; `field` is where the hosts stand. `authorities`: those of the calls that
// they are for.
void check_virtual_hosts(
    const std::string& field,
    const google::protobuf::RepeatedPtrField<envoy::config::route::v3::VirtualHost>& hosts,
    std::span<const std::string> authorities);

}  // namespace meshdns::discovery
