// JournalWriter: the one thread that writes the lease journal, a batch at a time.
//
// Jobs are done in the order they are given; each ends in one call of `on_done`, on the writer's
// thread. After a write or a sync that failed nothing more is appended to that file, since nobody
// knows what of it is on disk: every append fails at once until a replace() has written the whole
// journal anew, which is tried with growing pauses as often as it is asked for. What was written
// and does not stand at the journal's path then has failed, too: somebody removed or replaced the
// file or its folder, or mounted another over it.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "base/file_system.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace meshdns::vip {

class JournalWriter {
 public:
  struct Done {
    std::uint64_t batch = 0;
    Result<void> result;
    std::uint64_t file_bytes = 0;
  };
  using OnDone = std::function<void(const Done&)>;
  // Makes the folder of the journal there and ours, before a whole write after one that failed or
  // was lost. The writer's thread.
  using Hold = std::function<Result<void>()>;

  struct Start {
    std::string path;
    std::string instance;
    UniqueFd file;  // open for appending, at its end
    std::uint64_t file_bytes = 0;
    std::uint64_t next_sequence = 0;
    std::string end;  // the last octets of the file, by which it is known again
  };

  JournalWriter(Start start, FileSystem& files, Hold hold, OnDone on_done);
  JournalWriter(const JournalWriter&) = delete;
  JournalWriter& operator=(const JournalWriter&) = delete;
  // Does what is queued, without pauses, and ends the thread.
  ~JournalWriter();

  // Appends unsealed records (append_record()) with one write and one sync. Any thread.
  void append(std::uint64_t batch, std::string records);
  // Replaces the file by these unsealed records. Any thread.
  void replace(std::uint64_t batch, std::string records);
  // Looks whether the journal still stands where it was written. Where it does not, the last batch
  // is told as failed, once. Any thread.
  void look();

  // The last octets of a journal, as many as Start::end wants: more than a record's checksum and
  // number.
  [[nodiscard]] static std::string end_of(std::string_view content);

 private:
  enum class Kind : std::uint8_t { kAppend, kReplace, kLook };
  struct Job {
    std::uint64_t batch = 0;
    Kind kind = Kind::kAppend;
    std::string records;
  };

  void enqueue(Job job);
  void run();
  [[nodiscard]] Result<void> perform(Job& job);
  [[nodiscard]] Result<void> append_now(std::string& records);
  [[nodiscard]] Result<void> replace_now(std::string& records);
  // Fails where what was written last does not stand at the path. Not where nobody can say.
  [[nodiscard]] Result<void> find() const;
  // Waits before another try of a replace, unless the writer is stopping.
  void pause();

  Start state_;  // the writer thread's
  FileSystem& files_;
  Hold hold_;
  OnDone on_done_;
  std::uint64_t last_batch_ = 0;              // the writer thread's
  bool broken_ = false;                       // the writer thread's
  std::chrono::milliseconds retry_pause_{0};  // the writer thread's

  std::mutex mutex_;  // guards jobs_ and stopping_
  std::condition_variable wake_;
  std::deque<Job> jobs_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace meshdns::vip
