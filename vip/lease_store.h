// LeaseStore: the addresses of all keys, and the promise that none is told before it is on disk.
//
// Belongs to the control thread; the journal is written on a thread of its own, which only posts
// back. A lease is kPending until the batch it is in has been synced; then OnDurable names it. A
// folder is used by one store at a time (vips.lock).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/file_system.h"
#include "base/ip_address.h"
#include "base/log.h"
#include "base/result.h"
#include "vip/allocator.h"
#include "vip/journal_writer.h"
#include "vip/metrics.h"
#include "vip/pin.h"
#include "vip/state_folder.h"

namespace meshdns::vip {

enum class StateMode : std::uint8_t {
  kRequired,    // an unusable folder is an error of open()
  kBestEffort,  // an unusable folder at start means leases in memory, beginning with what can be
                // read, until look_at_folder() succeeds; a warning, a gauge and state_note()
  kGoOn,        // the same where the journal can be read and is nobody else's, but no new lease is
                // told before it is on disk
};

enum class LeaseStatus : std::uint8_t {
  kDurable,        // may be told
  kPending,        // on its way to disk
  kStorageFailed,  // could not be written; tried again
  kExhausted,      // no address is left
};

class LeaseStore {
 public:
  struct Options {
    std::optional<IpPrefix> ipv4_pool;
    std::optional<IpPrefix> ipv6_pool;
    std::string directory;
    std::string instance = "default";
    StateMode mode = StateMode::kBestEffort;
    std::chrono::nanoseconds quarantine{std::chrono::minutes(5)};
  };
  struct Lease {
    std::optional<IpAddress> ipv4;
    std::optional<IpAddress> ipv6;
    LeaseStatus status = LeaseStatus::kExhausted;
  };
  // Runs a task on the control thread; callable from any thread.
  using Post = std::function<void(std::function<void()>)>;
  // Control thread: the status of these keys changed.
  using OnChange = std::function<void(const std::vector<std::string>& keys)>;

  // Reads the journal, cuts a torn tail, keeps a copy of a damaged file as vips.journal.corrupt-N
  // and goes on with what can be read. What was read is synced before anything is told. Fails
  // when a pool has no usable address, and as StateMode says when the folder or the journal cannot
  // be used. References outlive the store.
  [[nodiscard]] static Result<std::unique_ptr<LeaseStore>> open(const Options& options,
                                                                FileSystem& files, Clock& clock,
                                                                Post post, OnChange on_change,
                                                                Logger& logger,
                                                                VipMetrics& metrics);
  LeaseStore(const LeaseStore&) = delete;
  LeaseStore& operator=(const LeaseStore&) = delete;
  ~LeaseStore();  // flushes and waits for the journal; no callback runs afterwards

  // The key's lease: the one it has, its old one, or a new one. A key has 1 to kMaxKeyOctets
  // octets; another one gets nothing.
  Lease acquire(std::string_view key);
  // Puts the key's addresses into quarantine; ends its asking where it got none.
  void release(std::string_view key);
  // Call it now and then. A journal that was removed or replaced, or its folder, is written anew.
  // Where leases are in memory, tries again to use the folder, every ten seconds at most: what is
  // in memory then is on disk, unless the journal is another than at start.
  void look_at_folder();
  // Hands all changes since the last flush to the journal, as one batch with one sync.
  void flush();

  // Why these pins may not be, the first reason of each; none when all may.
  [[nodiscard]] std::vector<PinRefusal> refusals(std::span<const Pin> pins, PinMode mode) const;
  // Gives pins without a refusal their addresses, in one whole write of the journal: after a crash
  // all are there or none is.
  void pin(std::span<const Pin> pins);
  // Whether leases are written to the folder, which is then ours.
  [[nodiscard]] bool is_recording() const { return writer_ != nullptr; }
  // Whether a change can be recorded now, or why not. Changes of people need that.
  [[nodiscard]] Result<void> can_record() const;
  // Flushes; calls `done` once everything until now is on disk, or could not be written (then it
  // is tried again, and told to nobody before).
  using OnRecorded = std::function<void(const Result<void>&)>;
  void confirm(OnRecorded done);

  [[nodiscard]] std::optional<Lease> find(std::string_view key) const;
  // The key that holds an address, released ones in quarantine included.
  [[nodiscard]] std::optional<std::string_view> holder(const IpAddress& address) const {
    return allocator_.holder(address);
  }
  void for_each(const std::function<void(std::string_view key, const Lease&)>& visit) const;
  // The state of a key that has or had addresses; nothing once they are anybody's.
  [[nodiscard]] std::optional<Allocator::Entry> entry(std::string_view key) const {
    return allocator_.find(key);
  }
  // What is wrong with the state folder, for /readyz; empty when nothing is.
  [[nodiscard]] std::string state_note() const;

 private:
  // The keys that changed in a batch that is not on disk yet.
  struct Unwritten {
    std::uint64_t batch = 0;
    std::vector<std::string> keys;
    bool failed = false;
  };
  struct Waiting {
    std::uint64_t batch = 0;
    OnRecorded done;
  };
  struct Mailbox;  // outlives the store in tasks that are still posted

  LeaseStore(const Options& options, const Allocator::Options& pools, FileSystem& files,
             Clock& clock, Post post, OnChange on_change, Logger& logger, VipMetrics& metrics);

  // The octets of the journal that the leases began with.
  struct Checked {
    bool is_there = false;
    std::uint32_t checksum = 0;
    std::size_t octets = 0;

    friend bool operator==(const Checked&, const Checked&) = default;
  };

  [[nodiscard]] Result<void> load();
  [[nodiscard]] Result<StateFolder::Found> read_folder();
  void go_on_in_memory(const Error& error);
  void start_writer(JournalWriter::Start start);
  void note_change(std::string_view key);
  void note_exhausted(std::string_view key);
  void forget_exhausted(std::string_view key);
  void on_done(const JournalWriter::Done& done);
  // The keys whose status `done` changes.
  [[nodiscard]] std::vector<std::string> take_changed(const JournalWriter::Done& done);
  void tell_waiting(const JournalWriter::Done& done);
  void replace_all();
  [[nodiscard]] std::string image() const;
  [[nodiscard]] Lease lease_of(const Allocator::Entry& entry) const;
  void update_metrics();

  FileSystem& files_;
  Clock& clock_;
  Post post_;
  OnChange on_change_;
  Logger& logger_;
  VipMetrics& metrics_;
  Allocator allocator_;
  StateFolder folder_;
  std::optional<Checked> begun_with_;  // nothing while the journal could not be read
  TimePoint retry_at_;
  std::string note_;
  bool withholds_ = false;  // what is new, while there is no writer
  std::uint64_t file_bytes_ = 0;
  std::uint64_t image_bytes_ = 0;  // of the last whole write
  std::uint64_t batch_ = 1;        // the one being gathered
  std::uint64_t done_batch_ = 0;   // the last that the writer is done with
  // The last that is on disk, as is all before it: once a batch failed, none is written before the
  // whole journal is.
  std::uint64_t durable_batch_ = 0;
  std::vector<Waiting> waiting_;
  std::string gathered_;                          // its records, unsealed
  bool replacing_ = false;                        // a whole write is on its way
  std::set<std::string, std::less<>> exhausted_;  // keys that asked in vain and were not released
  std::deque<Unwritten> unwritten_;               // by batch
  std::size_t unwritten_keys_ = 0;                // in all of them
  std::shared_ptr<Mailbox> mailbox_;
  std::unique_ptr<JournalWriter>
      writer_;  // last: its thread ends first; none with leases in memory
};

}  // namespace meshdns::vip
