// Reads a HostnameGenerator, as a Dataplane value without inbounds. Kuma's keys; of its selectors
// meshService stands for services of dataplanes, meshExternalService for external ones, and
// matchLabels alone for both.
#pragma once

#include <memory>

#include "discovery/control/entity_reader.h"

namespace meshdns::discovery {

[[nodiscard]] std::unique_ptr<EntityReader> make_hostname_generator_reader();

}  // namespace meshdns::discovery
