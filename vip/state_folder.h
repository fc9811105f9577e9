// StateFolder: the folder that a lease journal lives in. It makes and locks the folder, reads the
// journal, and leaves one there that can be appended to.
//
// Belongs to the control thread, save that lock() is the journal's thread's once there is a
// JournalWriter. Nothing of an old journal is lost before a new one is on disk: a
// torn tail is cut, a damaged file is copied to vips.journal.corrupt-N before it is replaced, and a
// file that is not ours is never touched.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file_system.h"
#include "base/log.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "vip/journal_format.h"
#include "vip/journal_writer.h"
#include "vip/lease_record.h"
#include "vip/metrics.h"

namespace meshdns::vip {

class StateFolder {
 public:
  // What was in the folder.
  struct Found {
    bool is_there = false;     // whether there is a journal
    std::string content;       // its octets
    JournalContents contents;  // what they say
    [[nodiscard]] bool is_damaged() const { return !contents.damages.empty(); }
  };

  // References outlive the folder.
  StateFolder(std::string directory, std::string instance, FileSystem& files, Logger& logger,
              VipMetrics& metrics);

  // Makes the folder and becomes its one user (vips.lock), until unlock(); again where another
  // folder is at its path by now.
  [[nodiscard]] Result<void> lock();
  void unlock() { lock_.reset(); }

  // Reads the journal and calls `on_record` for each believed record, in order; changes nothing.
  // No journal is no failure; kCorrupt and no record where the file is not ours.
  [[nodiscard]] Result<Found> read(const std::function<void(const LeaseRecord&)>& on_record) const;

  // Makes what was found durable and goes on with it. Needs the lock. A journal that is missing or
  // damaged is written anew, from unsealed records.
  [[nodiscard]] Result<JournalWriter::Start> take_over(const Found& found, std::string records);
  // Writes the journal anew, from unsealed records. Needs the lock.
  [[nodiscard]] Result<JournalWriter::Start> write_anew(const Found& found, std::string records);

  // Where a damaged journal was kept, for people; empty when there was none.
  [[nodiscard]] const std::string& damage_note() const { return damage_note_; }

 private:
  [[nodiscard]] Result<JournalWriter::Start> append_to(const Found& found);
  // Copies the damaged octets to vips.journal.corrupt-N, unless they are there already.
  [[nodiscard]] Result<void> keep_damaged(const Found& found);

  std::string directory_;
  std::string instance_;
  FileSystem& files_;
  Logger& logger_;
  VipMetrics& metrics_;
  std::string path_;
  std::string damage_note_;
  UniqueFd lock_;
};

}  // namespace meshdns::vip
