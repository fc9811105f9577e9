#include "resolver/app/mesh_table.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/ip_address.h"
#include "base/log.h"
#include "discovery/feeds/endpoints_feed.h"
#include "discovery/service.h"
#include "discovery/service_table.h"
#include "discovery/xds/held_versions.h"
#include "resolver/app/admin_routes.h"
#include "resolver/app/config.h"
#include "resolver/app/configured_source.h"
#include "resolver/app/dns_front.h"
#include "resolver/app/last_known_good.h"
#include "resolver/app/metrics.h"
#include "resolver/app/table_age.h"
#include "resolver/app/table_source.h"
#include "resolver/snapshot/snapshot.h"

namespace meshdns::dns {
namespace {

constexpr std::chrono::seconds kDiskPatience{1};
// From the asking for a mark on that disk until it is looked for.
constexpr std::chrono::milliseconds kFlagPause{100};

}  // namespace

std::string table_fingerprint(const Config& config) {
  std::string pools;
  for (const IpPrefix& pool : vip_pools(config)) {
    pools += pool.to_string() + ",";
  }
  return fmt::format("{} zones={} ttl={} pools={} answers={} instance_names={} https_records={}",
                     feed_fingerprint(config), fmt::join(config.zones, ","), config.ttl.count(),
                     pools, to_string(config.answers), config.instance_names,
                     static_cast<int>(config.https_records));
}

LastKnownGood::Options known_good_options(const Config& config) {
  return {.directory = config.state.directory,
          .feed_fingerprint = feed_fingerprint(config),
          .table_fingerprint = table_fingerprint(config),
          .feeds = feeds_of(config),
          .read = feed_reader(config),
          .https_records = config.https_records,
          .limits = {.stale_after = config.table.stale_after,
                     .expire_after = config.table.expire_after}};
}

MeshTable::MeshTable(const Config& config, const Environment& environment)
    : environment_(environment),
      publisher_(environment.front.builder(), environment.leases, vip_pools(config),
                 environment.clock, environment.logs.logger("table"), environment.metrics,
                 [this](std::unique_ptr<const Snapshot> next) {
                   environment_.front.publish(std::move(next));
                 },
                 {.answers = config.answers, .instance_names = config.instance_names}),
      source_(make_source(
          config, {.loop = environment.loop,
                   .clock = environment.clock,
                   .logs = environment.logs,
                   .files = environment.files,
                   .metrics = environment.source_metrics,
                   .on_delta = [this](const discovery::ServiceDelta& delta) { on_delta(delta); },
                   .name_servers =
                       [this] { return environment_.front.upstreams().servers_without_tls(); }})),
      first_tables_(source_->feeds()),
      table_(source_->feeds(), environment.clock, environment.logs.logger("table"),
             environment.registry),
      publish_timer_(environment.loop, environment.clock, [this] { pump(); }),
      expiry_timer_(environment.loop, environment.clock, [this] { expire(); }),
      settle_timer_(environment.loop, environment.clock, [this] { settle(); }),
      age_timer_(environment.loop, environment.clock, [this] { pump(); }),
      image_timer_(environment.loop, environment.clock, [this] { pump(); }) {}

MeshTable::~MeshTable() = default;

void MeshTable::start() {
  environment_.known_good.start(
      [this](std::function<void()> task) { environment_.loop.post(std::move(task)); },
      environment_.leases.is_recording(),
      {.on_part = [this](const discovery::ServiceDelta& part) { on_part(part); },
       .on_restored =
           [this](LastKnownGood::Restored restored) { on_restored(std::move(restored)); },
       .on_written = [this] { pump(); }});
}

void MeshTable::stop() {
  if (std::exchange(stopped_, true)) {
    return;
  }
  source_->stop();
  for (WakeTimer* const timer :
       {&publish_timer_, &expiry_timer_, &settle_timer_, &age_timer_, &image_timer_}) {
    timer->set({});
  }
  environment_.known_good.see(is_confirmed());
  environment_.known_good.finish(
      publisher_.is_settled() && is_complete() ? &environment_.front.latest() : nullptr);
}

void MeshTable::on_part(const discovery::ServiceDelta& part) {
  if (stopped_) {
    return;
  }
  if (const auto change = table_.apply(part); !change.empty()) {
    publisher_.apply(change);
  }
}

void MeshTable::on_restored(LastKnownGood::Restored restored) {
  if (stopped_) {
    return;
  }
  reading_ = false;
  std::map<std::string, discovery::HeldVersions> held;
  for (auto& [feed, found] : restored.feeds) {
    if (found.is_complete) {
      restored_.insert(feed);
    }
    held[feed] = std::move(found.held);
  }
  const LastKnownGood::Restored::Feed& services = restored.feeds[source_->feeds().front()];
  const bool instances_fit =
      !environment_.front.builder().serves_image() ||
      std::ranges::all_of(restored.feeds, [](const auto& feed) { return feed.second.is_usable; });
  if (services.is_usable && instances_fit) {
    environment_.logs.logger("table").info(
        "read the table from disk services={} records={} complete={}", table_.services(),
        table_.records(), restored.are_complete());
    publisher_.set_table_known(services.is_complete);
  }
  note_first_tables();
  source_->start(std::move(held));
  pump();
}

void MeshTable::on_delta(const discovery::ServiceDelta& delta) {
  const auto change = table_.apply(delta);
  // First, so that it is written by the time it is answered.
  environment_.known_good.record(delta, change);
  if (!change.empty()) {
    publisher_.apply(change);
  }
  first_tables_.take(delta, environment_.clock.now());
  note_first_tables();
  if (is_live()) {
    environment_.known_good.confirm();
  }
  pump();
}

void MeshTable::note_first_tables() {
  for (const std::string& feed : source_->feeds()) {
    if (first_tables_.is_whole(feed) && live_.insert(feed).second) {
      environment_.known_good.record_whole(feed);
    }
  }
  if (live_.contains(source_->feeds().front())) {
    publisher_.set_feeds_ready();
  }
  publisher_.set_awaits_instances(!first_tables_.is_whole(discovery::EndpointsFeed::kName) &&
                                  !is_known(discovery::EndpointsFeed::kName));
  settle_timer_.set(first_tables_.settles_at());
}

bool MeshTable::is_complete() const {
  return std::ranges::all_of(source_->feeds(),
                             [this](const std::string& feed) { return is_known(feed); });
}

void MeshTable::settle() {
  first_tables_.settle(environment_.clock.now());
  note_first_tables();
  pump();
}

void MeshTable::expire() {
  const auto change = table_.expire();
  if (!change.empty()) {
    publisher_.apply(change);
  }
  environment_.known_good.record(change);
  pump();
}

void MeshTable::on_lease_change(const std::vector<std::string>& keys) {
  if (stopped_) {
    return;
  }
  publisher_.on_lease_change(keys);
  pump();
}

void MeshTable::refresh() {
  environment_.known_good.see(is_confirmed());
  publisher_.retry();
  pump();
}

void MeshTable::pump() {
  if (stopped_) {
    return;
  }
  note_age();
  if (!reading_ && may_publish()) {
    if (publisher_.run()) {
      environment_.known_good.note_published();
    }
    publish_timer_.set(publisher_.wake_at());
  }
  if (publisher_.is_ready()) {
    environment_.on_ready();
  }
  // An image says that what is not in it does not exist.
  if (publisher_.is_settled() && is_complete()) {
    environment_.known_good.run(environment_.front.latest());
    image_timer_.set(environment_.known_good.wake_at());
  }
  expiry_timer_.set(table_.next_expiry());
}

bool MeshTable::may_publish() {
  const TimePoint now = environment_.clock.now();
  if (environment_.known_good.is_written()) {
    written_by_.reset();
    return true;
  }
  // A disk that hangs is waited for once, and not at every change.
  written_by_ = written_by_.value_or(now + kDiskPatience);
  if (now < *written_by_) {
    publish_timer_.set(written_by_);
    return false;
  }
  if (!environment_.known_good.says_unsettled()) {
    // The next process would deny what is told now: the disk hangs while the folder says that all
    // is there, in a sync or an image.
    environment_.known_good.say_unsettled();
    publish_timer_.set(now + kFlagPause);
    return false;
  }
  return true;
}

void MeshTable::note_age() {
  const TimePoint now = environment_.clock.now();
  const TableAge& age = environment_.known_good.age();
  publisher_.set_age(age.standing(now));
  age_timer_.set(age.changes_at(now));
}

std::string MeshTable::age_text() const {
  const auto age = environment_.known_good.age().age(environment_.clock.now());
  return age ? fmt::format("confirmed {} s ago",
                           std::chrono::duration_cast<std::chrono::seconds>(*age).count())
             : "nobody knows how old";
}

void MeshTable::report(Readiness& readiness) const {
  const bool serves_image = environment_.front.builder().serves_image();
  if (reading_ && !serves_image) {
    readiness.missing.push_back(fmt::format("table: the {} is not asked yet", source_->what()));
  } else if (!serves_image) {
    for (const std::string& feed : first_tables_.missing()) {
      if (!is_known(feed)) {
        readiness.missing.push_back(fmt::format("feed {}: nothing yet from the {}, {}", feed,
                                                source_->what(), source_->state()));
      }
    }
  }
  if (!publisher_.is_ready() && !serves_image) {
    if (readiness.missing.empty()) {
      readiness.missing.emplace_back("table: the addresses of its services are not stored yet");
    }
  } else if (!source_->is_connected()) {
    readiness.notes.push_back(source_->what() + ": " + source_->state() +
                              "; serving the last table, " + age_text());
  } else if (!is_live()) {
    readiness.notes.push_back(fmt::format("table: from disk, {}; the {} has not told all yet",
                                          age_text(), source_->what()));
  }
  if (const std::string note = source_->note(); !note.empty()) {
    readiness.notes.push_back(note);
  }
  if (written_by_ && environment_.clock.now() >= *written_by_) {
    readiness.notes.emplace_back("state: the disk does not take what was told");
  }
  if (!environment_.known_good.trouble().empty()) {
    readiness.notes.push_back("state: the table on disk is not up to date: " +
                              environment_.known_good.trouble());
  }
  if (publisher_.withheld() > 0 && !serves_image) {
    readiness.notes.push_back(
        fmt::format("addresses: {} services are withheld", publisher_.withheld()));
  }
}

void MeshTable::set_late_gauges() const {
  AppMetrics& metrics = environment_.metrics;
  metrics.records.set(static_cast<double>(table_.records()));
  metrics.services_held_down.set(static_cast<double>(table_.held_down()));
  const auto age = environment_.known_good.age().age(environment_.clock.now());
  metrics.table_age.set(age ? std::chrono::duration<double>(*age).count()
                            : std::numeric_limits<double>::infinity());
  const bool has_table = publisher_.is_ready() || environment_.front.builder().serves_image();
  metrics.table_from_disk.set(has_table && !is_live() ? 1 : 0);
}

}  // namespace meshdns::dns
