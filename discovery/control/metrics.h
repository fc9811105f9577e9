// The control plane's own metrics. Gauges are set on the control thread.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

#include "base/build_info.h"
#include "base/metrics.h"
#include "discovery/control/token_refusal.h"

namespace meshdns::discovery {

// Clients that were refused, by why.
class RefusedClients {
 public:
  explicit RefusedClients(MetricRegistry& registry) {
    for (std::size_t i = 0; i < kReasons.size(); ++i) {
      cells_.at(i) = &registry.counter("meshdns_control_refused_clients_total",
                                       "Clients refused for their token, and streams ended for it.",
                                       {{"reason", std::string(kReasons.at(i))}});
    }
  }
  [[nodiscard]] Counter& of(TokenRefusal::Reason reason) const {
    return *cells_.at(static_cast<std::size_t>(reason));
  }

 private:
  // In the order of the enumeration.
  static constexpr std::array<std::string_view, 8> kReasons{
      "missing", "invalid", "expired", "early", "revoked", "mesh", "name", "zone"};
  std::array<Counter*, kReasons.size()> cells_{};
};

struct ControlMetrics {
  explicit ControlMetrics(MetricRegistry& registry)
      : build_info(registry.gauge(
            "meshdns_build_info", "Always 1; the labels say what this build is.",
            {{"version", kVersion}, {"build", kBuildType}, {"compiler", kCompiler}})),
        dataplanes(registry.gauge("meshdns_control_dataplanes", "Dataplanes that are served.")),
        services(registry.gauge("meshdns_control_services", "Services made of them.")),
        problems(registry.gauge("meshdns_control_problems",
                                "What is wrong now with the dataplanes of all sources.")),
        generated(registry.counter("meshdns_control_services_generated_total",
                                   "Services made anew because a dataplane of theirs changed.")),
        grpc_refused(
            registry.gauge("meshdns_control_grpc_refused",
                           "Resources left out because gRPC's clients would refuse them.")),
        access_problems(registry.gauge("meshdns_control_access_problems",
                                       "What is wrong now with the files of TLS and tokens.")),
        tls_reloads(registry.counter("meshdns_control_tls_reloads_total",
                                     "Changes of the certificate that xDS is served with.")),
        tls_certificate_end(registry.gauge(
            "meshdns_control_tls_certificate_end_seconds",
            "When the certificate that xDS is served with ends, in Unix time; 0 without TLS.")),
        resources(registry.gauge("meshdns_control_resources", "Resources that are served.")),
        serialisations(registry.counter("meshdns_control_serialisations_total",
                                        "Wire forms made of resources, each for all streams.")),
        services_without_address(registry.gauge("meshdns_control_services_without_address",
                                                "Services that wait for a virtual address.")),
        refused_clients(registry),
        log_lines_dropped(registry.gauge("meshdns_log_lines_dropped",
                                         "Log lines lost because they came too fast.")) {
    build_info.set(1);
  }

  Gauge& build_info;
  Gauge& dataplanes;
  Gauge& services;
  Gauge& problems;
  Counter& generated;
  Gauge& grpc_refused;
  Gauge& access_problems;
  Counter& tls_reloads;
  Gauge& tls_certificate_end;
  Gauge& resources;
  Counter& serialisations;
  Gauge& services_without_address;
  RefusedClients refused_clients;
  Gauge& log_lines_dropped;
};

}  // namespace meshdns::discovery
