#include "resolver/app/last_known_good.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/file_system.h"
#include "base/log.h"
#include "base/result.h"
#include "base/sip_hash.h"
#include "discovery/feeds/feed_log.h"
#include "discovery/feeds/feed_log_format.h"
#include "discovery/feeds/feed_log_reader.h"
#include "discovery/feeds/feed_log_survey.h"
#include "discovery/feeds/kuma_feed.h"
#include "discovery/feeds/kuma_mark.h"
#include "discovery/packed_service.h"
#include "discovery/service.h"
#include "discovery/service_table.h"
#include "discovery/xds/ads_client.h"
#include "resolver/app/age_record.h"
#include "resolver/app/table_writer.h"
#include "resolver/snapshot/snapshot.h"
#include "resolver/snapshot/snapshot_builder.h"
#include "resolver/snapshot/snapshot_image.h"

namespace meshdns::dns {
namespace {

using discovery::FeedLog;
using discovery::FeedLogKind;

constexpr std::size_t kMaxImageBytes = std::size_t{1} << 30U;
constexpr std::size_t kMaxAgeBytes = 4096;
constexpr const char* kBootIdPath = "/proc/sys/kernel/random/boot_id";
// While connected.
constexpr std::chrono::seconds kAgePause{60};

std::string read_boot_id(FileSystem& files) {
  auto id = read_file(files, kBootIdPath, kMaxAgeBytes);
  if (!id) {
    return {};
  }
  id->erase(std::min(id->find('\n'), id->size()));
  return *std::move(id);
}

}  // namespace

bool LastKnownGood::Restored::are_complete() const {
  return std::ranges::all_of(feeds, [](const auto& feed) { return feed.second.is_complete; });
}

struct LastKnownGood::Mailbox {
  LastKnownGood* owner = nullptr;  // the control thread's
};

LastKnownGood::LastKnownGood(Options options, const Environment& environment)
    : options_(std::move(options)),
      environment_(environment),
      age_(options_.limits),
      boot_id_(read_boot_id(environment.files)),
      mailbox_(std::make_shared<Mailbox>(Mailbox{.owner = this})) {
  restore_age();
}

LastKnownGood::~LastKnownGood() {
  mailbox_->owner = nullptr;
  stop_reading();
  writer_.reset();
}

void LastKnownGood::stop_reading() {
  stopping_ = true;
  parts_ahead_.release();  // who waits for room goes on, and sees that it is over
}

AgeRecord LastKnownGood::moment() const {
  return {.boot_id = boot_id_,
          .boot_time = environment_.clock.now(),
          .wall_time = environment_.wall.now()};
}

void LastKnownGood::restore_age() {
  const auto text =
      read_file(environment_.files, TableWriter::age_path(options_.directory), kMaxAgeBytes);
  const auto record = text ? parse_age_record(*text) : std::nullopt;
  if (record) {
    age_.restore(age_between(*record, moment()), environment_.clock.now());
  }
}

void LastKnownGood::serve(SnapshotBuilder& builder) {
  builder.set_age(age_.standing(environment_.clock.now()));
  auto image = load_image(builder.hash_key());
  if (!image) {
    if (image.error().code != ErrorCode::kNotFound) {
      environment_.log.warn("the table on disk is not used: {}", image.error().message);
    }
    return;
  }
  environment_.log.info("answering from the table on disk names={} complete={}",
                        (*image)->tables.names.size(), (*image)->is_complete);
  builder.serve_image(*std::move(image));
}

Result<std::unique_ptr<SnapshotImage>> LastKnownGood::load_image(const HashKey& key) {
  const std::string path = TableWriter::image_path(options_.directory);
  const auto file = read_file(environment_.files, path, kMaxImageBytes);
  if (!file) {
    return tl::unexpected(file.error());
  }
  may_write_image_ = is_image(*file);
  auto image = read_image(*file, options_.table_fingerprint, key, options_.https_records);
  if (!image) {
    if (image.error().code == ErrorCode::kNotFound) {
      environment_.log.info("{} is not used: {}", path, image.error().message);
    }
    return fail(path, std::move(image.error()));
  }
  marks_ = (*image)->marks;
  (*image)->is_complete = is_complete(**image);
  return image;
}

bool LastKnownGood::is_settled() const {
  return TableWriter::is_settled(options_.directory, environment_.files);
}

// Whether nothing was told after it was written.
bool LastKnownGood::is_complete(const SnapshotImage& image) const {
  return is_settled() && std::ranges::all_of(options_.feeds, [&](const std::string& feed) {
           const auto mark = std::ranges::find(image.marks, feed, &FeedMark::feed);
           const FeedLog log(TableWriter::log_path(options_.directory, feed),
                             options_.feed_fingerprint, environment_.files);
           const FeedLog::Position end = log.peek();
           return mark != image.marks.end() && end.generation != 0 &&
                  end == FeedLog::Position{.generation = mark->generation, .octets = mark->octets};
         });
}

void LastKnownGood::start(Post post, bool may_write, Callbacks callbacks) {
  post_ = std::move(post);
  callbacks_ = std::move(callbacks);
  const auto task = [this](auto work) { this->post(std::move(work)); };
  writer_ = std::make_unique<TableWriter>(
      TableWriter::Options{.directory = options_.directory,
                           .feed_fingerprint = options_.feed_fingerprint,
                           .table_fingerprint = options_.table_fingerprint,
                           .feeds = options_.feeds,
                           .may_write = may_write,
                           .may_write_image = may_write_image_},
      environment_.files,
      TableWriter::Callbacks{
          .on_log = [this](std::size_t feed, const auto& loaded) { read_log(feed, loaded); },
          .on_read =
              [task] {
                task([](LastKnownGood& self) {
                  self.callbacks_.on_restored(std::move(self.restored_));
                });
              },
          .on_written = [task] { task([](LastKnownGood& self) { self.callbacks_.on_written(); }); },
          .on_image =
              [task](const Result<void>& written) {
                task([ok = written.has_value()](LastKnownGood& self) { self.end_image(ok); });
              },
          .on_trouble =
              [task](const std::string& trouble) {
                task([trouble](LastKnownGood& self) { self.note_trouble(trouble); });
              }});
}

void LastKnownGood::post(std::function<void(LastKnownGood&)> task) const {
  post_([mailbox = mailbox_, task = std::move(task)] {
    if (mailbox->owner != nullptr) {
      task(*mailbox->owner);
    }
  });
}

void LastKnownGood::note_trouble(const std::string& trouble) {
  if (trouble.empty()) {
    environment_.log.info("the table is kept on disk again");
  } else {
    environment_.metrics.table_write_failures.add();
    environment_.log.warn("the table on disk is not up to date: {}", trouble);
  }
  trouble_ = trouble;
}

void LastKnownGood::read_log(std::size_t index, const Result<FeedLog::Loaded>& loaded) {
  const std::string& feed = options_.feeds[index];
  Restored::Feed& restored = restored_.feeds[feed];
  if (!loaded || loaded->summary().kind != FeedLogKind::kLog) {
    return;
  }
  const discovery::FeedLogSummary& said = loaded->summary();
  const auto mark = marks_ ? std::ranges::find(*marks_, feed, &FeedMark::feed)
                           : std::vector<FeedMark>::iterator();
  const bool covers_image =
      !marks_ || (mark != marks_->end() &&
                  loaded->covers({.generation = mark->generation, .octets = mark->octets}));
  restored.is_usable = said.whole && covers_image;
  restored.is_complete = restored.is_usable && !said.cut && is_settled();
  if (said.cut) {
    post([feed](LastKnownGood& self) {
      self.environment_.log.warn("the log of a feed has lost its end feed={}", feed);
    });
  }
  std::uint64_t kuma_checksum = 0;
  const auto read = loaded->survey.for_each_part([&](auto resources) {
    if (stopping_) {
      return false;
    }
    discovery::ResponseView view;
    for (const discovery::HeldResource& held : resources) {
      view.resources.push_back({.name = std::string(held.name),
                                .version = std::string(held.version),
                                .value = held.value,
                                .type_url = {}});
    }
    auto part = std::make_shared<discovery::ServiceDelta>(options_.read(feed, view));
    kuma_checksum += feed == discovery::KumaFeed::kName ? discovery::checksum(part->records) : 0;
    for (const discovery::AcceptedResource& resource : part->accepted) {
      restored.held.set(resource.name, resource.version);
    }
    part->accepted.clear();
    parts_ahead_.acquire();
    post([part](LastKnownGood& self) {
      self.parts_ahead_.release();
      self.callbacks_.on_part(*part);
    });
    return true;
  });
  if (!read) {
    post([message = read.error().message](LastKnownGood& self) {
      self.environment_.log.warn("the log of a feed was not read to its end: {}", message);
    });
    restored = {};
    return;
  }
  // A mark that is not of these very records.
  const auto kept = discovery::KumaMark::find(restored.held);
  if (kept && (kept->checksum != kuma_checksum || !restored.is_complete)) {
    restored.held.clear();
  }
}

void LastKnownGood::record(const discovery::ServiceDelta& delta,
                           const discovery::TableChange& change) {
  // Without versions everything is told at every change: what is the same is not written again.
  std::set<std::string> changed;
  for (const discovery::PackedService& service : change.services) {
    changed.insert(service.id().id().to_string());
  }
  for (const discovery::ServiceEndpoints& endpoints : change.endpoints) {
    changed.insert(endpoints.service.to_string());
  }
  for (const discovery::NameRecord& record : change.records) {
    changed.insert(record.name);
  }
  discovery::FeedRecords records;
  for (const discovery::AcceptedResource& resource : delta.accepted) {
    if (!resource.version.empty() || changed.contains(resource.name)) {
      records.set(resource);
    }
  }
  append(delta.feed, records);
  record(change);
}

void LastKnownGood::record(const discovery::TableChange& change) {
  for (const std::string& feed : options_.feeds) {
    discovery::FeedRecords records;
    for (const auto& dropped : change.dropped) {
      if (dropped.feed == feed) {
        records.drop(dropped.resource);
      }
    }
    append(feed, records);
  }
}

void LastKnownGood::record_whole(const std::string& feed) {
  discovery::FeedRecords records;
  records.say_whole(true);
  append(feed, records);
  if (whole_feeds_.insert(feed).second && writer_ && whole_feeds_.size() == options_.feeds.size()) {
    writer_->end_doubt();
  }
}

void LastKnownGood::append(const std::string& feed, discovery::FeedRecords& records) {
  const auto place = std::ranges::find(options_.feeds, feed);
  if (writer_ && place != options_.feeds.end() && !records.empty()) {
    writer_->append(static_cast<std::size_t>(place - options_.feeds.begin()), records.take());
  }
}

std::optional<TimePoint> LastKnownGood::wake_at() const {
  return writer_ ? images_.due() : std::nullopt;
}

void LastKnownGood::note_published() { images_.note_published(environment_.clock.now()); }

void LastKnownGood::run(const Snapshot& latest) {
  const auto due = wake_at();
  if (due && *due <= environment_.clock.now()) {
    write_image(latest);
  }
}

void LastKnownGood::write_image(const Snapshot& latest) {
  images_.begin(environment_.clock.now());
  // A copy, which shares its pages: the one that is served goes when the workers have passed it.
  image_in_work_ = std::make_unique<const Snapshot>(latest);
  writer_->write_image(*image_in_work_);
}

void LastKnownGood::end_image(bool written) {
  images_.end(environment_.clock.now(), written);
  image_in_work_.reset();
}

void LastKnownGood::finish(const Snapshot* latest) {
  if (!writer_) {
    return;
  }
  if (connected_) {
    write_age();
  }
  stop_reading();
  // One that is in work shows what was published before.
  std::unique_ptr<const Snapshot> before;
  if (images_.is_wanted() && latest != nullptr) {
    before = std::exchange(image_in_work_, nullptr);
    write_image(*latest);
  }
  writer_.reset();
}

void LastKnownGood::confirm() {
  age_.confirm(environment_.clock.now());
  write_age_if_due();
}

void LastKnownGood::write_age_if_due() {
  if (!age_written_at_ || environment_.clock.now() - *age_written_at_ >= kAgePause) {
    write_age();
  }
}

void LastKnownGood::see(bool connected) {
  const TimePoint now = environment_.clock.now();
  const bool was_connected = std::exchange(connected_, connected);
  if (was_connected && !connected) {
    write_age();
  }
  age_.see(connected, now);
  if (connected) {
    write_age_if_due();
  }
}

// The moment at which the table was confirmed, on both clocks.
void LastKnownGood::write_age() {
  const auto age = age_.age(environment_.clock.now());
  if (!age || !writer_) {
    return;
  }
  AgeRecord record = moment();
  record.boot_time -= *age;
  record.wall_time -= std::chrono::duration_cast<std::chrono::seconds>(*age);
  age_written_at_ = environment_.clock.now();
  writer_->write_age(print_age_record(record));
}

}  // namespace meshdns::dns
