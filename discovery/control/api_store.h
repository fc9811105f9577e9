// The entities that came over the API: kept on disk, and a source of the DataplaneStore.
//
// Belongs to the control thread, on whose io_context the callbacks run; a thread of its own writes.
// Changes are made one after the other, in the order in which they were asked for, and each is told
// when it is on disk and in the next commit. One that cannot be stored changes nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>

#include "base/file_system.h"
#include "base/log.h"
#include "base/result.h"
#include "base/wall_clock.h"
#include "discovery/control/dataplane_store.h"
#include "discovery/control/entity_log.h"
#include "discovery/dataplane.h"
#include "discovery/entity_id.h"

namespace meshdns::discovery {

class ApiStore {
 public:
  enum class Outcome : std::uint8_t { kCreated, kUpdated, kRemoved };
  // kNotFound: there is nothing to remove. kUnavailable: there is no state folder. Anything else:
  // it could not be stored.
  using Done = std::function<void(const Result<Outcome>& outcome)>;

  // References outlive the store.
  ApiStore(boost::asio::io_context& io, DataplaneStore& store, const WallClock& clock,
           Logger& logger);
  ApiStore(const ApiStore&) = delete;
  ApiStore& operator=(const ApiStore&) = delete;
  // Waits for the write that is under way. What is asked for by then is not told.
  ~ApiStore();

  // Takes what the folder holds. Where that cannot be used there is a note, and each change fails.
  // Once, before anything else. `files` outlives the store.
  void load(const std::string& folder, FileSystem& files);
  // After each change that counts.
  void on_change(std::function<void()> listener) { listener_ = std::move(listener); }

  // `members` as members_of() made them of the document that `dataplane` is of.
  void put(std::shared_ptr<const Dataplane> dataplane, std::string members, Done done);
  void remove(EntityId id, Done done);

  // Null where the API has no such entity.
  [[nodiscard]] std::shared_ptr<const StoredEntity> find(const EntityId& id) const;
  [[nodiscard]] std::size_t size() const { return entities_.size(); }
  // What is wrong, for people: a folder that cannot be used, entities that this version refuses.
  [[nodiscard]] const std::vector<std::string>& problems() const { return problems_; }

 private:
  struct Change {
    EntityId id;
    std::shared_ptr<const Dataplane> dataplane;  // null: the entity is removed
    std::string members;
    Done done;
  };

  void take_held();
  void enqueue(Change change);
  // Begins with the first change in the queue that needs the disk; tells those before it.
  void advance();
  // What is to be stored for it; nothing where nothing is, and `outcome` says why.
  [[nodiscard]] std::optional<std::shared_ptr<const StoredEntity>> prepare(
      const Change& change, Result<Outcome>& outcome) const;
  void finish(const std::shared_ptr<const StoredEntity>& entity, const Result<void>& stored);
  void apply(const Change& change);

  boost::asio::io_context& io_;
  DataplaneStore& store_;
  const WallClock& clock_;
  Logger& logger_;
  std::function<void()> listener_;
  std::unique_ptr<EntityLog> log_;  // the disk thread's, once loaded; null: no folder
  EntityLog::Entities entities_;    // as the log has them
  std::vector<std::string> problems_;
  std::deque<Change> queue_;
  bool is_writing_ = false;  // the first of the queue
  boost::asio::thread_pool disk_{1};
};

}  // namespace meshdns::discovery
