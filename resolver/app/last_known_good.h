// LastKnownGood: the table on disk, from one process to the next.
//
// At start, in this order: serve() gives the workers the image of the last snapshot, before
// anything slow is done; start() reads back, in the background, what each feed took, for the
// service table and for the control plane. From then on it writes down what feeds take, what is
// published, and how old that is.
//
// Control thread only. Nothing here fails the program: what cannot be read is as if it were not
// there, and said in the log; what cannot be written is tried again.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <semaphore>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/file_system.h"
#include "base/log.h"
#include "base/result.h"
#include "base/wall_clock.h"
#include "discovery/feeds/feed_log.h"
#include "discovery/feeds/feed_log_format.h"
#include "discovery/service.h"
#include "discovery/service_table.h"
#include "discovery/xds/ads_client.h"
#include "discovery/xds/held_versions.h"
#include "resolver/app/age_record.h"
#include "resolver/app/image_schedule.h"
#include "resolver/app/metrics.h"
#include "resolver/app/table_age.h"
#include "resolver/app/table_source.h"
#include "resolver/app/table_writer.h"
#include "resolver/snapshot/port_lists.h"
#include "resolver/snapshot/snapshot.h"
#include "resolver/snapshot/snapshot_builder.h"
#include "resolver/snapshot/snapshot_image.h"

namespace meshdns::dns {

class LastKnownGood {
 public:
  struct Options {
    std::string directory;
    std::string feed_fingerprint;    // of the configuration that feeds depend on
    std::string table_fingerprint;   // that tables depend on
    std::vector<std::string> feeds;  // by name
    FeedReader read;                 // on another thread
    HttpsRecords https_records = HttpsRecords::kTlsPorts;
    TableAge::Limits limits;
  };
  struct Environment {
    FileSystem& files;
    const Clock& clock;
    const WallClock& wall;
    Logger& log;
    AppMetrics& metrics;
  };
  // What the disk says about the feeds.
  struct Restored {
    struct Feed {
      bool is_usable = false;    // it knew everything once, and as much as the image
      bool is_complete = false;  // and all that there was: what is not in it does not exist
      discovery::HeldVersions held;
    };
    std::map<std::string, Feed> feeds;  // every one

    [[nodiscard]] bool are_complete() const;
  };
  struct Callbacks {
    std::function<void(const discovery::ServiceDelta&)> on_part;  // some of what a feed took
    std::function<void(Restored)> on_restored;                    // after all parts, once
    std::function<void()> on_written;                             // is_written() is so again
  };
  using Post = std::function<void(std::function<void()>)>;

  // References outlive it.
  LastKnownGood(Options options, const Environment& environment);
  LastKnownGood(const LastKnownGood&) = delete;
  LastKnownGood& operator=(const LastKnownGood&) = delete;
  // Writes what is queued. No callback runs afterwards.
  ~LastKnownGood();

  // Gives `builder` the image, if there is one, and the age.
  void serve(SnapshotBuilder& builder);
  // Reads the feeds' logs. `may_write`: the state folder is ours.
  void start(Post post, bool may_write, Callbacks callbacks);

  // A feed took this, and that came of it.
  void record(const discovery::ServiceDelta& delta, const discovery::TableChange& change);
  void record(const discovery::TableChange& change);
  // Whether all of that is on disk, or cannot be had there for now.
  [[nodiscard]] bool is_written() const { return !writer_ || writer_->is_written(); }
  // Whether who is killed now leaves a folder that says that some of it may be missing.
  [[nodiscard]] bool says_unsettled() const { return !writer_ || writer_->says_unsettled(); }
  // The same is to be so, though what was recorded waits behind a disk that hangs. Returns at once;
  // call it again where it does not come true.
  void say_unsettled() {
    if (writer_) {
      writer_->unsettle_ahead();
    }
  }
  // The feed has told all there is.
  void record_whole(const std::string& feed);
  // There is a newer snapshot than the image.
  void note_published();
  // Writes the image if it is due. Call it at wake_at(), and after publishing; only while `latest`
  // shows all that was recorded.
  void run(const Snapshot& latest);
  [[nodiscard]] std::optional<TimePoint> wake_at() const;
  // Writes what is not written yet, before the end.
  // null: something that was recorded is not in any.
  void finish(const Snapshot* latest);

  [[nodiscard]] const TableAge& age() const { return age_; }
  void confirm();
  // Whether a control plane that has told everything is connected. Every few seconds.
  void see(bool connected);

  // What is wrong with the files, for /readyz; empty when nothing is.
  [[nodiscard]] const std::string& trouble() const { return trouble_; }

 private:
  struct Mailbox;  // outlives this in tasks that are still posted
  static constexpr std::ptrdiff_t kPartsAhead = 4;

  // Of the reading that is under way.
  void stop_reading();

  [[nodiscard]] Result<std::unique_ptr<SnapshotImage>> load_image(const HashKey& key);
  [[nodiscard]] bool is_complete(const SnapshotImage& image) const;
  [[nodiscard]] bool is_settled() const;
  [[nodiscard]] AgeRecord moment() const;
  void restore_age();
  void note_trouble(const std::string& trouble);
  void append(const std::string& feed, discovery::FeedRecords& records);
  void write_age();
  void write_age_if_due();
  void write_image(const Snapshot& latest);
  void end_image(bool written);
  // The writer's thread.
  void read_log(std::size_t feed, const Result<discovery::FeedLog::Loaded>& loaded);
  void post(std::function<void(LastKnownGood&)> task) const;

  Options options_;
  Environment environment_;
  TableAge age_;
  std::string boot_id_;
  std::optional<std::vector<FeedMark>> marks_;  // of the image that was read
  bool may_write_image_ = true;                 // what is there is ours
  Post post_;
  Callbacks callbacks_;
  Restored restored_;  // the writer thread's until on_restored
  std::string trouble_;
  std::atomic<bool> stopping_{false};
  // How many more parts the writer's thread may hand over before the control thread has taken some:
  // else all of a large table would wait there, and hold up its timers.
  std::counting_semaphore<> parts_ahead_{kPartsAhead};

  ImageSchedule images_;
  std::unique_ptr<const Snapshot> image_in_work_;
  bool connected_ = false;
  std::set<std::string> whole_feeds_;  // that have told all there is
  std::optional<TimePoint> age_written_at_;
  std::shared_ptr<Mailbox> mailbox_;
  std::unique_ptr<TableWriter> writer_;  // last: its thread ends first
};

}  // namespace meshdns::dns
