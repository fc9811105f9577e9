// The resources of one type, and in which order they last changed.
//
// Each name has one entry, present or a tombstone, at the sequence number of its latest change. So
// "what changed since N" is the entries after N: a log without duplicates, whose size follows the
// table and not its history. Tombstones are bounded; whoever is behind the oldest forgotten one
// (horizon) can no longer be told all removals.
//
// A resource may have other forms for the clients of some zones: one entry, one place in the log,
// each form serialised once. And it may be there for those alone who ask for it by name, as gRPC's
// clients do, and no part of everything: an Envoy that asks for all listeners could use none that
// has no address.
//
// Not thread-safe; ResourceSet locks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "discovery/xds/resource.h"

namespace meshdns::discovery {

// Who is told of a resource. It does not change while somebody may hold the resource.
enum class Listing : std::uint8_t {
  kListed,
  kByNameOnly,  // a wildcard does not cover it
};

// Zone -> what the clients of that zone get instead.
using ZoneValues = std::map<std::string, std::string>;

class TypeTable {
 public:
  struct Entry {
    std::uint64_t sequence = 0;  // of the latest change
    std::string name;
    ResourcePtr resource;  // null: a tombstone
    std::vector<std::pair<std::string, ResourcePtr>> zone_forms;
    Listing listing = Listing::kListed;

    // The form for a client of this zone; null for a tombstone.
    [[nodiscard]] const ResourcePtr& form_for(std::string_view zone) const;
  };
  // Sequence -> entry, ascending.
  using Log = std::map<std::uint64_t, const Entry*>;

  // Every listed resource present, in log order and in pieces of about `kChunkBytes`. A stream that
  // holds what precedes `begin` and takes a chunk holds everything up to `end`.
  struct Chunk {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    SharedBytes bytes;
  };
  struct Body {
    std::vector<Chunk> chunks;
  };
  static constexpr std::size_t kChunkBytes = 1 << 20;

  // Tombstones kept even by a small table, so that a reader who is a little behind still learns of
  // every removal.
  static constexpr std::size_t kMinimumTombstones = 4096;

  explicit TypeTable(std::string type_url, std::size_t minimum_tombstones = kMinimumTombstones);
  TypeTable(const TypeTable&) = delete;
  TypeTable& operator=(const TypeTable&) = delete;
  ~TypeTable() = default;

  // False when nothing changed.
  bool update(std::string_view name, std::string_view value, const ZoneValues& zone_values = {},
              Listing listing = Listing::kListed);
  bool remove(std::string_view name);

  [[nodiscard]] const std::string& type_url() const { return type_url_; }
  [[nodiscard]] std::size_t size() const { return present_; }
  [[nodiscard]] std::uint64_t serialisations() const { return serialisations_; }
  // The latest sequence number; 0 before the first change.
  [[nodiscard]] std::uint64_t head() const { return head_; }
  // Removals up to this sequence number may have been forgotten.
  [[nodiscard]] std::uint64_t horizon() const { return horizon_; }
  // Whether any listed resource has forms for zones.
  [[nodiscard]] bool has_zone_forms() const { return zoned_ > 0; }
  // A hash over all names and values, as text: DiscoveryResponse.version_info. Equal tables have
  // equal versions, at any replica.
  [[nodiscard]] std::string version() const { return version_text(hash_); }
  // Null when there is no such resource and no tombstone of it either.
  [[nodiscard]] const Entry* find(std::string_view name) const;
  [[nodiscard]] const Log& log() const { return log_; }

  // All that is listed, in the form for no zone, as shared bytes: built when asked for and kept
  // only while somebody holds it.
  [[nodiscard]] std::shared_ptr<const Body> delta_body() const;
  [[nodiscard]] std::shared_ptr<const Body> sotw_body() const;  // one chunk

 private:
  struct CachedBody {
    std::uint64_t head = 0;
    std::weak_ptr<const Body> body;
  };

  Entry& find_or_make(std::string_view name);
  [[nodiscard]] ResourcePtr serialise(std::string_view name, std::string_view value);
  void count(const Entry& entry);
  void discount(const Entry& entry);
  void touch(Entry& entry);
  void forget_old_tombstones();

  std::string type_url_;
  std::size_t minimum_tombstones_;
  // Keys view the entries' own names, which never move.
  std::unordered_map<std::string_view, std::unique_ptr<Entry>> entries_;
  Log log_;
  std::map<std::uint64_t, const Entry*> tombstones_;  // by sequence
  std::size_t present_ = 0;
  std::size_t zoned_ = 0;  // listed, with forms for zones
  std::uint64_t head_ = 0;
  std::uint64_t horizon_ = 0;
  std::uint64_t hash_ = 0;  // sum of the resources' hashes: order does not matter
  std::uint64_t serialisations_ = 0;
  mutable CachedBody delta_;
  mutable CachedBody sotw_;
};

}  // namespace meshdns::discovery
