// Reads an ExternalService: a service whose one endpoint is a host outside of the mesh, as a
// Dataplane value with one inbound. Kuma's keys, of which networking.tls says nothing here.
#pragma once

#include <memory>

#include "discovery/control/entity_reader.h"

namespace meshdns::discovery {

[[nodiscard]] std::unique_ptr<EntityReader> make_external_service_reader();

}  // namespace meshdns::discovery
