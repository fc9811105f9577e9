// SlotMap: objects that come and go by the thousand, found by ids that are never given twice.
//
// The place of one that has gone serves the next, so that in the steady state nothing is allocated;
// the places go, too, when the map becomes empty after it was large. Objects never move.
//
// One thread, or the caller's lock.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace meshdns {

template <typename T>
class SlotMap {
 public:
  using Id = std::uint64_t;  // never 0

  SlotMap() = default;
  SlotMap(const SlotMap&) = delete;
  SlotMap& operator=(const SlotMap&) = delete;
  ~SlotMap() { clear(); }

  // Constructs a T from its id and `args`.
  template <typename... Args>
  T& emplace(Args&&... args) {
    if (free_.empty()) {
      free_.reserve(std::bit_ceil(slots_.size() + 1));  // so that freeing never fails
      slots_.push_back(std::make_unique<Slot>());
      free_.push_back(static_cast<std::uint32_t>(slots_.size() - 1));
    }
    const std::uint32_t index = free_.back();
    Slot& slot = *slots_[index];
    const Id id = ++last_ << kIndexBits | (index + 1);
    free_.pop_back();  // the constructor may add others
    try {
      slot.value.emplace(id, std::forward<Args>(args)...);
    } catch (...) {
      free_.push_back(index);
      throw;
    }
    slot.id = id;
    return slot.value.value();
  }

  // Null when it has gone. Any number is no id but those that were given.
  [[nodiscard]] T* find(Id id) const {
    const std::size_t index = index_of(id);
    if (id == 0 || index >= slots_.size() || slots_[index]->id != id) {
      return nullptr;
    }
    // NOLINTNEXTLINE(bugprone-unchecked-optional-access): the id says that it is there.
    return &*slots_[index]->value;
  }

  // Nothing when it has gone. It is not found any more while it is destroyed.
  void erase(Id id) { take(id).reset(); }

  // What was in the map until now, and is destroyed with the handle. Null when it has gone.
  class Free {
   public:
    Free() = default;
    Free(SlotMap& map, std::size_t index) : map_(&map), index_(index) {}
    void operator()(T* /*value*/) const { map_->free(index_); }

   private:
    SlotMap* map_ = nullptr;
    std::size_t index_ = 0;
  };
  using Taken = std::unique_ptr<T, Free>;
  [[nodiscard]] Taken take(Id id) {
    T* const found = find(id);
    const std::size_t index = index_of(id);
    if (found != nullptr) {
      slots_[index]->id = 0;
    }
    return Taken(found, Free(*this, index));
  }

  // Destroys all, in no order.
  void clear() {
    for_each([this](Id id, T& /*value*/) { erase(id); });
  }

  // `visit(id, value)` may erase, not add.
  template <typename Visit>
  void for_each(Visit visit) {
    for (std::size_t index = 0; index < slots_.size(); ++index) {
      if (slots_[index]->id != 0) {
        // NOLINTNEXTLINE(bugprone-unchecked-optional-access): the id says that it is there.
        visit(slots_[index]->id, *slots_[index]->value);
      }
    }
  }

  [[nodiscard]] std::size_t size() const { return slots_.size() - free_.size(); }

 private:
  static constexpr unsigned kIndexBits = 24;
  static constexpr std::size_t kKept = 1024;  // places of an empty map
  struct Slot {
    Id id = 0;  // 0: not to be found
    std::optional<T> value;
  };

  // Of the place; of 0, which is no id, one that no map has.
  [[nodiscard]] static std::size_t index_of(Id id) {
    return static_cast<std::size_t>((id & ((Id{1} << kIndexBits) - 1)) - 1);
  }
  void free(std::size_t index) {
    slots_[index]->value.reset();
    free_.push_back(static_cast<std::uint32_t>(index));
    if (free_.size() == slots_.size() && slots_.size() > kKept) {
      slots_.clear();
      free_.clear();
    }
  }

  Id last_ = 0;
  std::vector<std::unique_ptr<Slot>> slots_;
  std::vector<std::uint32_t> free_;  // places
};

}  // namespace meshdns
