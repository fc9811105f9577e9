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
    const auto [told, is_new] =
        entries_.insert(Told{.value = value, .rank = static_cast<std::uint32_t>(rank)});
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
    const auto told = entries_.find(Place{key, rank});
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
    const auto told = entries_.lower_bound(Place{key, 0});
    return told != entries_.end() && place(*told).key == key ? &told->value : nullptr;
  }

  [[nodiscard]] bool has(std::size_t rank, const KeyView& key) const {
    return entries_.contains(Place{key, rank});
  }

  [[nodiscard]] std::vector<Key> keys_of(std::size_t rank) const {
    std::vector<Key> keys;
    for (const Told& told : entries_) {
      if (told.rank == rank) {
        keys.push_back(EntryKey<Value>::keep(place(told).key));
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

  // Each effective value, in the order of keys.
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
  };
  struct Place {
    KeyView key;
    std::size_t rank = 0;

    friend auto operator<=>(const Place&, const Place&) = default;
  };
  static Place place(const Told& told) { return {EntryKey<Value>::of(told.value), told.rank}; }
  static Place place(Place at) { return at; }
  struct Order {
    using is_transparent = void;
    bool operator()(const auto& a, const auto& b) const { return place(a) < place(b); }
  };
  // What is told of one key stands together, the effective value first.
  using Entries = absl::btree_set<Told, Order>;
  using Iterator = typename Entries::const_iterator;

  [[nodiscard]] bool is_effective(Iterator told) const {
    return told->rank == 0 || told == entries_.begin() ||
           place(*std::prev(told)).key != place(*told).key;
  }
  // Whether no other feed says anything of the key.
  [[nodiscard]] bool is_alone(Iterator told) const {
    const auto next = std::next(told);
    return is_effective(told) && (next == entries_.end() || place(*next).key != place(*told).key);
  }

  Entries entries_;
  std::map<std::size_t, std::size_t> counts_;  // by rank
  std::size_t effective_ = 0;
};

}  // namespace meshdns::discovery
