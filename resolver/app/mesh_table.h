// MeshTable: the services of the mesh, on their way from disk and from their source (a control
// plane, or a file) to the answers: ServiceTable says what is, TablePublisher gives it addresses
// and publishes it.
//
// Control thread only. What an earlier process kept is there first; the control plane is asked once
// that has been read. Losing the control plane changes how old the table is, and no answer before
// that is too much.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/file_system.h"
#include "base/log.h"
#include "base/metrics.h"
#include "discovery/feeds/kuma_feed.h"
#include "discovery/service.h"
#include "discovery/service_table.h"
#include "resolver/app/admin_routes.h"
#include "resolver/app/config.h"
#include "resolver/app/configured_source.h"
#include "resolver/app/control_loop.h"
#include "resolver/app/dns_front.h"
#include "resolver/app/first_table.h"
#include "resolver/app/last_known_good.h"
#include "resolver/app/metrics.h"
#include "resolver/app/table_publisher.h"
#include "resolver/app/table_source.h"
#include "vip/lease_store.h"

namespace meshdns::dns {

class MeshTable {
 public:
  struct Environment {
    ControlLoop& loop;
    Clock& clock;
    Logs& logs;
    MetricRegistry& registry;
    AppMetrics& metrics;
    SourceMetrics source_metrics;
    DnsFront& front;
    vip::LeaseStore& leases;
    LastKnownGood& known_good;
    FileSystem& files;
    std::function<void()> on_ready;  // a whole table is published; often
  };

  // References outlive the table.
  MeshTable(const Config& config, const Environment& environment);
  MeshTable(const MeshTable&) = delete;
  MeshTable& operator=(const MeshTable&) = delete;
  ~MeshTable();

  // Reads what is on disk; then connects, and tries that for ever.
  void start();
  // Nothing comes from the source any more and nothing changes; what is known is written
  // down. A second call does nothing.
  void stop();

  // Publishes what is due and sets the timers to what is due next. Call it after changing
  // anything.
  void pump();
  // At a reload.
  void refresh_source() { source_->refresh(); }
  void on_lease_change(const std::vector<std::string>& keys);
  // Every few seconds.
  void refresh();

  [[nodiscard]] const TablePublisher& publisher() const { return publisher_; }
  [[nodiscard]] const discovery::KumaFeed* kuma_feed() const { return source_->kuma_feed(); }
  // Whether there is a table and what is worth knowing of it.
  void report(Readiness& readiness) const;
  void set_late_gauges() const;

 private:
  void on_part(const discovery::ServiceDelta& part);
  void on_restored(LastKnownGood::Restored restored);
  void on_delta(const discovery::ServiceDelta& delta);
  // Tells the publisher which feeds' first tables are known.
  void note_first_tables();
  [[nodiscard]] bool is_known(const std::string& feed) const {
    return live_.contains(feed) || restored_.contains(feed);
  }
  // Whether nothing that was known is missing in the table.
  [[nodiscard]] bool is_complete() const;
  // Whether what would be published is on disk, so that a killed process's successor answers it,
  // too; or has been waited for for long enough.
  [[nodiscard]] bool may_publish();
  void note_age();
  void expire();
  void settle();
  [[nodiscard]] bool is_live() const { return first_tables_.missing().empty(); }
  [[nodiscard]] bool is_confirmed() const { return is_live() && source_->is_connected(); }
  [[nodiscard]] std::string age_text() const;

  Environment environment_;
  TablePublisher publisher_;
  std::unique_ptr<TableSource> source_;
  FirstTables first_tables_;
  discovery::ServiceTable table_;
  bool stopped_ = false;
  bool reading_ = true;                  // what is on disk is not all there yet
  std::optional<TimePoint> written_by_;  // until when the disk is waited for
  std::set<std::string> restored_;       // feeds of which the disk had all there was
  std::set<std::string> live_;           // feeds that have told all there is
  WakeTimer publish_timer_;
  WakeTimer expiry_timer_;
  WakeTimer settle_timer_;  // until a first table is taken for whole
  WakeTimer age_timer_;
  WakeTimer image_timer_;
};

// What a table on disk depends on, as text.
[[nodiscard]] std::string table_fingerprint(const Config& config);

[[nodiscard]] LastKnownGood::Options known_good_options(const Config& config);

}  // namespace meshdns::dns
