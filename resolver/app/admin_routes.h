// What the admin HTTP server says under which path.
//
// Control thread. Everything is read at the request; nothing is changed.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/metrics.h"
#include "resolver/app/admin_server.h"
#include "resolver/app/service_entries.h"
#include "resolver/app/table_dump.h"

namespace meshdns::dns {

// Whether the resolver is ready, and what is worth knowing either way.
struct Readiness {
  std::vector<std::string> missing;  // one line for each thing that is not ready; empty: ready
  std::vector<std::string> notes;    // degraded, but answering
};

struct AdminSources {
  std::function<Readiness()> readiness;
  std::function<std::string()> config;             // YAML
  std::function<const ServiceEntries*()> entries;  // null while there is no table
  std::function<void()> before_metrics;            // sets gauges that are read late
  std::function<Pieces()> cache;
  std::function<std::string()> upstreams;  // for people
  const MetricRegistry* registry = nullptr;
};

// /healthz, /readyz, /metrics, /config, /table, /vips, /cache, /upstreams. What the sources refer
// to outlives the server that gets the routes.
[[nodiscard]] AdminServer::Routes make_admin_routes(AdminSources sources);

}  // namespace meshdns::dns
