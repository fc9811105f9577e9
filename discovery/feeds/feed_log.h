// FeedLog: what one feed took, on disk: appended to as the feed takes more, written anew when most
// of it is old.
//
// Belongs to one thread. A write that failed leaves the file behind: what it lacks is kept in
// memory, up to a bound, until retry() has written the whole anew. A file that is no log is never
// touched. Neither reading a log nor writing it anew holds what it says: names' places and a block.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/file_system.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "discovery/feeds/feed_log_reader.h"
#include "discovery/feeds/feed_log_survey.h"

namespace meshdns::discovery {

class FeedLog {
 public:
  // A place in a log: everything before it was there. Generation 0: no log.
  struct Position {
    std::uint64_t generation = 0;
    std::uint64_t octets = 0;

    friend bool operator==(const Position&, const Position&) = default;
  };
  // What the file said at load().
  struct Loaded {
    FeedLogSurvey survey;

    [[nodiscard]] const FeedLogSummary& summary() const { return survey.summary(); }
    // Whether it knows all that was known at `position`; a position without a log nothing covers.
    [[nodiscard]] bool covers(const Position& position) const;
  };

  static constexpr std::size_t kMaxBacklogBytes = 64UL << 20U;
  // A log is written anew when it has twice the octets of what it held at the last time, and these.
  static constexpr std::uint64_t kSlackBytes = 4UL << 20U;

  FeedLog(std::string path, std::string fingerprint, FileSystem& files)
      : path_(std::move(path)), fingerprint_(std::move(fingerprint)), files_(files) {}

  // No file is kMissing.
  [[nodiscard]] Result<Loaded> load() const;
  // Where the file ends now, without reading it; generation 0 where there is none.
  [[nodiscard]] Position peek() const;

  // Goes on with what was loaded, or begins a log. Nothing may be appended before.
  [[nodiscard]] Result<void> begin(const Loaded& loaded);
  // Whole records. A failure is told once; what could not be written waits for retry().
  [[nodiscard]] Result<void> append(std::string_view records);
  [[nodiscard]] Result<void> sync();
  // Whether something waits for retry().
  [[nodiscard]] bool is_behind() const { return broken_ && !lost_; }
  [[nodiscard]] bool is_unsynced() const { return unsynced_ && !broken_; }
  // True where the backlog outgrew its bound: nothing is written any more.
  [[nodiscard]] bool is_lost() const { return lost_; }
  [[nodiscard]] Result<void> retry() { return rewrite(); }
  // What comes next is not all that came.
  void give_up();
  // Nothing is written, and the file stays.
  void leave_alone() { lost_ = true; }

  [[nodiscard]] Position position() const;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  [[nodiscard]] Result<void> rewrite();
  using Write = std::function<Result<void>(std::string_view)>;

  [[nodiscard]] Result<FeedLogSurvey> survey(FeedLogSource source) const;
  [[nodiscard]] Result<void> write_anew(const FeedLogSurvey& held, std::string_view more);
  [[nodiscard]] Result<void> copy(const FeedLogSurvey& held, const Write& write);
  void fall_behind(std::string_view records);

  std::string path_;
  std::string fingerprint_;
  FileSystem& files_;
  UniqueFd file_;
  std::uint64_t generation_ = 0;
  std::uint64_t octets_ = 0;       // that can be believed
  std::uint64_t base_octets_ = 0;  // of the last whole write
  bool in_doubt_ = false;          // whether the file lacks what it once had
  bool unsynced_ = false;
  bool broken_ = false;
  bool lost_ = false;
  std::string backlog_;
};

}  // namespace meshdns::discovery
