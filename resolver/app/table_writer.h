// TableWriter: the thread that reads and writes what is known on disk: a log per feed, the image of
// the snapshot, and when the table was last confirmed.
//
// It reads the logs first, then does its jobs in the order they are given, so that an image is
// written after the logs of all that it shows; while it writes one, logs go on. Whatever fails is
// tried again; service does not wait for that, nor for a disk that hangs: nobody who answers
// touches a file. So what is on disk may lack what was answered when the process dies; a file whose
// length is a flag says whether it does (is_settled()): it is emptied before records are written,
// and set when all are.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/file_system.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "discovery/feeds/feed_log.h"
#include "resolver/snapshot/snapshot.h"

namespace meshdns::dns {

class TableWriter {
 public:
  struct Options {
    std::string directory;
    std::string feed_fingerprint;
    std::string table_fingerprint;
    std::vector<std::string> feeds;
    bool may_write = true;        // else it ends once it has read
    bool may_write_image = true;  // what stands in its place is ours
  };
  // All of them on the writer's thread.
  struct Callbacks {
    std::function<void(std::size_t feed, const Result<discovery::FeedLog::Loaded>&)> on_log;
    std::function<void()> on_read;     // after the last log
    std::function<void()> on_written;  // is_written() is so again
    std::function<void(const Result<void>&)> on_image;
    std::function<void(const std::string& trouble)> on_trouble;  // when it changes; empty: none
  };

  // References outlive the writer.
  TableWriter(Options options, FileSystem& files, Callbacks callbacks);
  TableWriter(const TableWriter&) = delete;
  TableWriter& operator=(const TableWriter&) = delete;
  // Does what is queued and ends the thread.
  ~TableWriter();

  // Any thread. Records of a feed, by its index in Options::feeds.
  void append(std::size_t feed, std::string records);
  // Any thread. Whether all records given so far were written, or cannot be for now; not whether
  // they would survive a loss of power.
  [[nodiscard]] bool is_written() const;
  // Any thread. Whether the folder says that it is not settled, or will as soon as the disk does
  // again what it is told, also if the process is killed by then.
  [[nodiscard]] bool says_unsettled() const;
  // One thread. Empties the flag on another one, for records that wait behind a sync or an image in
  // which the disk hangs. Returns at once; says_unsettled() follows. Ask again where it does not.
  void unsettle_ahead();
  // Every feed has told this process all there is: what an earlier one may not have written is of
  // no interest any more.
  void end_doubt();
  // `snapshot` lives until on_image, or the writer's end.
  void write_image(const Snapshot& snapshot);
  void write_age(std::string record);

  [[nodiscard]] static std::string log_path(const std::string& directory, const std::string& feed);
  [[nodiscard]] static std::string image_path(const std::string& directory);
  [[nodiscard]] static std::string age_path(const std::string& directory);
  // Whether the logs have all that any process was told, so that what is not in them does not
  // exist. Not so when a process was killed while records waited, or on a disk that took none; a
  // log may still lose its last second when the power goes.
  [[nodiscard]] static bool is_settled(const std::string& directory, FileSystem& files);

 private:
  struct Job {
    enum class Kind : std::uint8_t { kAppend, kGiveUp, kImage, kAge, kEndDoubt };
    Kind kind = Kind::kAppend;
    std::size_t feed = 0;
    std::string text;
    const Snapshot* snapshot = nullptr;

    [[nodiscard]] bool has_records() const {
      return kind == Kind::kAppend || kind == Kind::kGiveUp;
    }
  };

  void enqueue(Job job);
  void run();
  [[nodiscard]] bool is_stopping() const;
  void read_logs();
  // The next job; nothing when it is time to look after what is behind, or at the end.
  [[nodiscard]] bool next(Job& job);
  [[nodiscard]] bool is_behind() const;
  [[nodiscard]] bool has_unsynced() const;
  void perform(const Job& job);
  void finish(const Job& job);
  // Records that wait before any other job.
  void perform_appends();
  void catch_up();
  [[nodiscard]] bool is_sync_due() const;
  void sync_logs();
  void open_settled_file();
  void unsettle();
  void settle_if_written();
  // False where records have come.
  [[nodiscard]] bool begin_settling();
  // Both under flag_mutex_.
  void empty_flag();
  void set_settled(bool settled);
  void take(Job& job);  // under the mutex
  [[nodiscard]] Result<void> write_image_now(const Snapshot& snapshot);
  // What became of a step on this file.
  void note(const std::string& path, const Result<void>& result);

  Options options_;
  FileSystem& files_;
  Callbacks callbacks_;
  // The writer thread's.
  std::vector<discovery::FeedLog> logs_;
  std::vector<std::pair<std::string, std::string>> troubles_;  // path and reason
  std::chrono::milliseconds pause_;
  std::chrono::steady_clock::time_point unsynced_since_;
  bool in_doubt_ = true;  // what an earlier process was told may be missing

  std::mutex flag_mutex_;  // guards these three, and is taken before the other
  UniqueFd settled_file_;
  bool settled_ = false;  // what that file says
  Result<void> flagged_;  // what became of the last step on it

  mutable std::mutex mutex_;  // guards what follows, up to the threads
  std::condition_variable wake_;
  std::deque<Job> jobs_;
  std::size_t queued_octets_ = 0;
  std::size_t unwritten_ = 0;  // jobs with records that are not finished
  bool stopping_ = false;
  bool says_unsettled_ = true;

  std::atomic<bool> unsettling_ahead_{false};
  std::thread ahead_;   // of the last unsettle_ahead()
  std::thread thread_;  // last
};

}  // namespace meshdns::dns
