// RankedEntries: what several feeds say of the same things, and which of it counts: what the feed
// of the lowest rank says.
//
// A container; belongs to whom has it.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <absl/container/btree_set.h>
#include <absl/hash/hash.h>

#include "discovery/packed_service.h"
#include "discovery/service.h"

namespace meshdns::discovery {

// What names a value (KeyView), and what its owner keeps of that (Key).
template <typename Value>
struct EntryKey;

template <>
struct EntryKey<PackedService> {
  using Key = ServiceId;
  using KeyView = ServiceIdView;
  static KeyView of(const PackedService& service) { return service.id(); }
  static Key keep(const KeyView& key) { return key.id(); }
};

template <>
struct EntryKey<ServiceEndpoints> {
  using Key = ServiceId;
  using KeyView = ServiceIdView;
  static KeyView of(const ServiceEndpoints& endpoints) { return endpoints.service; }
  static Key keep(const KeyView& key) { return key.id(); }
};

template <>
struct EntryKey<NameRecord> {
  using Key = std::string;
  using KeyView = std::string_view;
  static KeyView of(const NameRecord& record) { return record.name; }
  static Key keep(const KeyView& key) { return std::string(key); }
};

template <typename Value>
class RankedEntries {
 public:
  using Key = typename EntryKey<Value>::Key;
  using KeyView = typename EntryKey<Value>::KeyView;

  // Each returns whether the effective value of the key changed.
  bool set(std::size_t rank, const Value& value) {
    const auto [told, is_new] = entries_.insert(Told{.value = value,
                                                     .rank = static_cast<std::uint32_t>(rank),
                                                     .hash = hash_of(EntryKey<Value>::of(value))});
    if (is_new) {
      ++counts_[rank];
      effective_ += is_alone(told) ? 1U : 0U;
    } else if (told->value == value) {
      return false;
    } else {
      told->value = value;
    }
    return is_effective(told);
  }

  bool erase(std::size_t rank, const KeyView& key) {
    const auto told = entries_.find(Place(key, rank));
    if (told == entries_.end()) {
      return false;
    }
    const bool was_effective = is_effective(told);
    effective_ -= is_alone(told) ? 1U : 0U;
    --counts_[rank];
    entries_.erase(told);
    return was_effective;
  }

  // The effective value; null when there is none.
  [[nodiscard]] const Value* find(const KeyView& key) const {
    const auto told = entries_.lower_bound(Place(key, 0));
    return told != entries_.end() && key_of(*told) == key ? &told->value : nullptr;
  }

  [[nodiscard]] bool has(std::size_t rank, const KeyView& key) const {
    return entries_.contains(Place(key, rank));
  }

  // What a feed tells of, in no order.
  [[nodiscard]] std::vector<Key> keys_of(std::size_t rank) const {
    std::vector<Key> keys;
    for (const Told& told : entries_) {
      if (told.rank == rank) {
        keys.push_back(EntryKey<Value>::keep(key_of(told)));
      }
    }
    return keys;
  }

  // Keys that some feed says something of, and the entries of one feed.
  [[nodiscard]] std::size_t effective() const { return effective_; }
  [[nodiscard]] std::size_t count_of(std::size_t rank) const {
    const auto count = counts_.find(rank);
    return count == counts_.end() ? 0 : count->second;
  }

  // Each effective value, in no order.
  template <typename Visit>
  void for_each(Visit visit) const {
    for (auto told = entries_.begin(); told != entries_.end(); ++told) {
      if (is_effective(told)) {
        visit(told->value);
      }
    }
  }

 private:
  // What one feed says of one key.
  struct Told {
    mutable Value value;  // its key stays
    std::uint32_t rank = 0;
    std::uint32_t hash = 0;  // of the key
  };
  struct Place {
    Place(KeyView of, std::size_t of_rank) : key(of), rank(of_rank), hash(hash_of(of)) {}
    KeyView key;
    std::size_t rank;
    std::uint32_t hash;
  };
  static std::uint32_t hash_of(const KeyView& key) {
    return static_cast<std::uint32_t>(absl::HashOf(key));
  }
  static KeyView key_of(const Told& told) { return EntryKey<Value>::of(told.value); }
  static KeyView key_of(const Place& place) { return place.key; }
  // By their hashes first: they stand in the set's nodes, the keys all over the memory.
  struct Order {
    using is_transparent = void;
    bool operator()(const auto& a, const auto& b) const {
      if (a.hash != b.hash) {
        return a.hash < b.hash;
      }
      const auto by_key = key_of(a) <=> key_of(b);
      return by_key != 0 ? by_key < 0 : a.rank < b.rank;
    }
  };
  // What is told of one key stands together, the effective value first.
  using Entries = absl::btree_set<Told, Order>;
  using Iterator = typename Entries::const_iterator;

  static bool have_same_key(const Told& a, const Told& b) {
    return a.hash == b.hash && key_of(a) == key_of(b);
  }
  [[nodiscard]] bool is_effective(Iterator told) const {
    return told->rank == 0 || told == entries_.begin() || !have_same_key(*std::prev(told), *told);
  }
  // Whether no other feed says anything of the key.
  [[nodiscard]] bool is_alone(Iterator told) const {
    const auto next = std::next(told);
    return is_effective(told) && (next == entries_.end() || !have_same_key(*next, *told));
  }

  Entries entries_;
  std::map<std::size_t, std::size_t> counts_;  // by rank
  std::size_t effective_ = 0;
};

}  // namespace meshdns::discovery
