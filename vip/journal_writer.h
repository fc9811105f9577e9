// JournalWriter: the one thread that writes the lease journal, a batch at a time.
//
// Jobs are done in the order they are given; each ends in one call of `on_done`, on the writer's
// thread. After a write or a sync that failed nothing more is appended to that file, since nobody
// knows what of it is on disk: every append fails at once until a replace() has written the whole
// journal anew, which is tried with growing pauses as often as it is asked for.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
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

  struct Start {
    std::string path;
    std::string instance;
    UniqueFd file;  // open for appending, at its end
    std::uint64_t file_bytes = 0;
    std::uint64_t next_sequence = 0;
  };

  JournalWriter(Start start, FileSystem& files, OnDone on_done);
  JournalWriter(const JournalWriter&) = delete;
  JournalWriter& operator=(const JournalWriter&) = delete;
  // Does what is queued, without pauses, and ends the thread.
  ~JournalWriter();

  // Appends unsealed records (append_record()) with one write and one sync. Any thread.
  void append(std::uint64_t batch, std::string records);
  // Replaces the file by these unsealed records. Any thread.
  void replace(std::uint64_t batch, std::string records);

 private:
  struct Job {
    std::uint64_t batch = 0;
    bool whole = false;
    std::string records;
  };

  void enqueue(Job job);
  void run();
  [[nodiscard]] Result<void> perform(Job& job);
  [[nodiscard]] Result<void> append_now(std::string& records);
  [[nodiscard]] Result<void> replace_now(std::string& records);
  // Waits before another try of a replace, unless the writer is stopping.
  void pause();

  Start state_;  // the writer thread's
  FileSystem& files_;
  OnDone on_done_;
  bool broken_ = false;                       // the writer thread's
  std::chrono::milliseconds retry_pause_{0};  // the writer thread's

  std::mutex mutex_;  // guards jobs_ and stopping_
  std::condition_variable wake_;
  std::deque<Job> jobs_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace meshdns::vip
