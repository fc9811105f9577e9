// EntityLog: the entities that came over the API, on disk: appended to and synced change by change,
// written anew when most of it is old. The octets are those of feeds/feed_log_format.h.
//
// One thread at a time. A folder has one user (entities.lock). A change that fails is not in the
// log and counts for nothing: the file is cut back to what it was, or, where that fails too or a
// sync did, written anew before the next change.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "base/file_system.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace meshdns::discovery {

// An entity as it is kept: immutable and shared.
struct StoredEntity {
  std::string times;  // for the API's own use
  std::string value;

  friend bool operator==(const StoredEntity&, const StoredEntity&) = default;
};

class EntityLog {
 public:
  // By name.
  using Entities = std::map<std::string, std::shared_ptr<const StoredEntity>>;

  // Makes the folder, becomes its one user and reads what is there. A torn end is cut off; a copy
  // of a file that holds more than can be believed is kept as entities.log.cut. Where there is no
  // room for that, mended() says so, and each change tries it first. kAlreadyExists when another
  // uses the folder, kCorrupt when the file is not ours, which then stays as it is. `files`
  // outlives the log.
  [[nodiscard]] static Result<std::unique_ptr<EntityLog>> open(const std::string& folder,
                                                               FileSystem& files);

  [[nodiscard]] const Entities& entities() const { return entities_; }
  // How many octets at the end of the file could not be believed at open().
  [[nodiscard]] std::uint64_t cut_octets() const { return cut_octets_; }
  // Whether open() left a file that can be appended to.
  [[nodiscard]] const Result<void>& mended() const { return mended_; }

  // Durable when it returns. A null entity removes the name.
  [[nodiscard]] Result<void> store(const std::string& name,
                                   std::shared_ptr<const StoredEntity> entity);

 private:
  // The log is written anew when it has twice the octets of what it held at the last time, and
  // these.
  static constexpr std::uint64_t kSlackBytes = 1UL << 20U;

  EntityLog(std::string path, FileSystem& files, UniqueFd lock);
  [[nodiscard]] Result<void> load();
  [[nodiscard]] Result<void> append(const std::string& records);
  // Leaves the file as long as it was before a write that failed.
  void undo();
  // Puts what cannot be believed aside, once.
  [[nodiscard]] Result<void> keep_copy();
  [[nodiscard]] Result<void> write_anew();
  // Puts `entity` in the place of what `name` has; a null one is none.
  // NOLINTNEXTLINE(modernize-use-nodiscard): who puts back needs no answer.
  std::shared_ptr<const StoredEntity> exchange(const std::string& name,
                                               std::shared_ptr<const StoredEntity> entity);

  std::string path_;
  FileSystem& files_;
  UniqueFd lock_;
  UniqueFd file_;
  Entities entities_;
  std::uint64_t octets_ = 0;       // that can be believed
  std::uint64_t base_octets_ = 0;  // of the last whole write
  std::uint64_t cut_octets_ = 0;
  bool copy_is_due_ = false;
  Result<void> mended_;
  bool in_doubt_ = false;  // nobody knows what is in the file
};

}  // namespace meshdns::discovery
