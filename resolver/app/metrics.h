// The metrics of the program as a whole: what it is, what it serves, whether it is ready.
#pragma once

#include "base/build_info.h"
#include "base/metrics.h"

namespace meshdns::dns {

// Registers all cells; gauges are set on the control thread.
struct AppMetrics {
  explicit AppMetrics(MetricRegistry& registry)
      : build_info(registry.gauge(
            "meshdns_build_info", "Always 1; the labels say what this build is.",
            {{"version", kVersion}, {"build", kBuildType}, {"compiler", kCompiler}})),
        ready(registry.gauge("meshdns_ready", "1 while /readyz says ready.")),
        snapshot_version(registry.gauge("meshdns_snapshot_version",
                                        "Number of the snapshot that is being served.")),
        snapshot_generations(registry.gauge("meshdns_snapshot_generations",
                                            "Snapshots not freed yet, the newest among them.")),
        snapshot_pages(registry.counter("meshdns_snapshot_pages_total",
                                        "Table pages written for all snapshots so far.")),
        services(registry.gauge("meshdns_table_services", "Services in the table.")),
        records(registry.gauge("meshdns_table_records",
                               "Names in the table that came with their addresses.")),
        services_withheld(registry.gauge(
            "meshdns_table_services_withheld",
            "Services answered with SERVFAIL because no address of theirs may be told.")),
        services_held_down(
            registry.gauge("meshdns_table_services_held_down",
                           "Removed services that keep answering until a hold-down is over.")),
        entries(registry.gauge("meshdns_table_entries",
                               "Names, empty non-terminals and reverse names in the snapshot.")),
        contested_names(
            registry.gauge("meshdns_table_contested_names",
                           "Names that more than one service, record or instance claims.")),
        clashes(registry.counter("meshdns_table_clashes_total",
                                 "Hostnames that arrived while another service held them.")),
        rejected_addresses(
            registry.counter("meshdns_table_rejected_addresses_total",
                             "Addresses of services refused because another service leases them.")),
        rejected_instances(registry.counter(
            "meshdns_table_rejected_instances_total",
            "Names of instances that are no DNS names, or too long with their service's.")),
        table_age(registry.gauge(
            "meshdns_table_age_seconds",
            "Time since a connected control plane last confirmed the table; 0 while one is "
            "connected, +Inf while it is not known.")),
        table_from_disk(registry.gauge(
            "meshdns_table_from_disk",
            "1 while the table that is answered from was read from the state folder and no "
            "control plane has confirmed it since.")),
        table_write_failures(
            registry.counter("meshdns_table_write_failures_total",
                             "Times that the table could not be kept in the state folder.")),
        services_file_taken(registry.counter("meshdns_services_file_reads_total",
                                             "Versions of the services file, by what became of "
                                             "them.",
                                             {{"result", "taken"}})),
        services_file_refused(registry.counter("meshdns_services_file_reads_total",
                                               "Versions of the services file, by what became of "
                                               "them.",
                                               {{"result", "refused"}})),
        services_file_problems(registry.gauge(
            "meshdns_services_file_problems",
            "Mistakes in the services file as it is now; while there are any, an earlier version "
            "is answered from.")),
        static_records(registry.gauge("meshdns_table_static_records",
                                      "Records of zone files and hosts files.")),
        upstreams(registry.gauge("meshdns_forward_upstreams",
                                 "Servers that other names are forwarded to.")),
        upstreams_refused(registry.gauge(
            "meshdns_forward_upstreams_refused",
            "Servers of resolv.conf that are not asked because they are this resolver.")),
        cache_entries(
            registry.gauge("meshdns_cache_entries", "Answers of upstream that are kept.")),
        cache_bytes(registry.gauge("meshdns_cache_bytes", "Memory that they take.")),
        cache_evictions(registry.counter("meshdns_cache_evictions_total",
                                         "Answers that had to go for others before their time.")),
        reloads(registry.counter("meshdns_config_reloads_total",
                                 "Configuration reloads, by what became of them.",
                                 {{"result", "ok"}})),
        failed_reloads(registry.counter("meshdns_config_reloads_total",
                                        "Configuration reloads, by what became of them.",
                                        {{"result", "error"}})),
        log_lines_dropped(registry.gauge("meshdns_log_lines_dropped",
                                         "Log lines lost because they came too fast.")),
        query_log_lines(
            registry.counter("meshdns_query_log_lines_total", "Lines written to the query log.")),
        query_log_dropped(
            registry.counter("meshdns_query_log_dropped_total",
                             "Lines of the query log lost because its file did not take them.")),
        dnstap_frames(
            registry.counter("meshdns_dnstap_frames_total", "Messages written as dnstap.")),
        dnstap_dropped(registry.counter("meshdns_dnstap_dropped_total",
                                        "Messages lost because nobody took them as dnstap.")) {
    build_info.set(1);
  }

  Gauge& build_info;
  Gauge& ready;
  Gauge& snapshot_version;
  Gauge& snapshot_generations;
  Counter& snapshot_pages;
  Gauge& services;
  Gauge& records;
  Gauge& services_withheld;
  Gauge& services_held_down;
  Gauge& entries;
  Gauge& contested_names;
  Counter& clashes;
  Counter& rejected_addresses;
  Counter& rejected_instances;
  Gauge& table_age;
  Gauge& table_from_disk;
  Counter& table_write_failures;
  Counter& services_file_taken;
  Counter& services_file_refused;
  Gauge& services_file_problems;
  Gauge& static_records;
  Gauge& upstreams;
  Gauge& upstreams_refused;
  Gauge& cache_entries;
  Gauge& cache_bytes;
  Counter& cache_evictions;
  Counter& reloads;
  Counter& failed_reloads;
  Gauge& log_lines_dropped;
  Counter& query_log_lines;
  Counter& query_log_dropped;
  Counter& dnstap_frames;
  Counter& dnstap_dropped;
};

}  // namespace meshdns::dns
