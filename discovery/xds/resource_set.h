// What one audience is served: every resource of every type, each serialised once for all streams.
//
// Thread-safe behind one mutex, held to look up and to link, never while anything is sent. Memory
// follows the resources; the cost of a change follows the change.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "discovery/xds/type_table.h"

namespace meshdns::discovery {

struct ResourceUpdate {
  std::string type_url;
  std::string name;
  std::string value;  // the serialised message: what goes into Any.value. Serialise maps sorted.
  ZoneValues zone_values{};
  Listing listing = Listing::kListed;
};

struct ResourceRemoval {
  std::string type_url;
  std::string name;
};

class ResourceSet {
 public:
  struct Stats {
    std::size_t resources = 0;         // present now, all types
    std::uint64_t serialisations = 0;  // wire forms built since the start: one per real change
    std::uint64_t commits = 0;         // calls of apply() that changed something
  };

  ResourceSet() = default;
  ResourceSet(const ResourceSet&) = delete;
  ResourceSet& operator=(const ResourceSet&) = delete;
  ~ResourceSet() = default;

  // One commit over all types; a stream sees none of it or all of it. An update with the bytes the
  // resource already has, and the removal of what is not there, are no change. A name in both lists
  // ends up removed. Listeners run afterwards, on the caller's thread, if anything changed.
  void apply(const std::vector<ResourceUpdate>& updates,
             const std::vector<ResourceRemoval>& removals);

  [[nodiscard]] Stats stats() const;

  // --- For the server ---

  // Calls `reader` with the table of a type under the lock; with an empty table when the type is
  // known but has no resource yet, not at all (and returns false) when it is unknown. `reader`
  // only copies pointers.
  bool read(std::string_view type_url, const std::function<void(const TypeTable&)>& reader) const;

  // `listener` runs after each commit on the thread that made it and only takes a note. Returns a
  // token for remove_listener(), after which it does not run and is not running.
  [[nodiscard]] std::uint64_t add_listener(std::function<void()> listener);
  void remove_listener(std::uint64_t token);

 private:
  TypeTable& table(const std::string& type_url);  // under mutex_

  mutable std::mutex mutex_;  // guards tables_, commits_
  std::map<std::string, TypeTable, std::less<>> tables_;
  std::uint64_t commits_ = 0;

  std::mutex listeners_mutex_;  // guards what follows; held while listeners run
  std::map<std::uint64_t, std::function<void()>> listeners_;
  std::uint64_t next_token_ = 1;
};

}  // namespace meshdns::discovery
