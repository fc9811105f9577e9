// NumberIndex: finds NumberedValues by one part of them, say a key. It holds their numbers alone
// and looks at the values for the rest, so one that is found by three parts costs three times some
// six octets.
//
// One thread. The values outlive it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include <boost/unordered/unordered_flat_set.hpp>

#include "base/numbered_values.h"

namespace meshdns {

// `Part` says what the values are found by:
//     using Key = ...;                          comparable by ==
//     static Key of(const Value& value);        or a reference to it
//     static std::size_t hash(const Key& key);
template <typename Value, typename Part>
class NumberIndex {
 public:
  using Number = typename NumberedValues<Value>::Number;
  using Key = typename Part::Key;

  explicit NumberIndex(const NumberedValues<Value>& values)
      : numbers_(0, Hash{&values}, Equal{&values}) {}
  NumberIndex(const NumberIndex&) = delete;
  NumberIndex& operator=(const NumberIndex&) = delete;
  NumberIndex(NumberIndex&&) = delete;
  NumberIndex& operator=(NumberIndex&&) = delete;
  ~NumberIndex() = default;

  [[nodiscard]] std::optional<Number> find(const Key& key) const {
    const auto place = numbers_.find(key);
    return place == numbers_.end() ? std::nullopt : std::optional(*place);
  }
  // The value's key is not there yet, and does not change until it is erased.
  void insert(Number number) { numbers_.insert(number); }
  void erase(Number number) { numbers_.erase(number); }

  [[nodiscard]] std::size_t size() const { return numbers_.size(); }
  // In no order.
  [[nodiscard]] auto begin() const { return numbers_.begin(); }
  [[nodiscard]] auto end() const { return numbers_.end(); }

 private:
  struct Hash {
    using is_transparent = void;
    const NumberedValues<Value>* values;
    std::size_t operator()(Number number) const { return Part::hash(Part::of((*values)[number])); }
    std::size_t operator()(const Key& key) const { return Part::hash(key); }
  };
  struct Equal {
    using is_transparent = void;
    const NumberedValues<Value>* values;
    bool operator()(Number a, Number b) const { return a == b; }
    bool operator()(const Key& key, Number number) const {
      return Part::of((*values)[number]) == key;
    }
    bool operator()(Number number, const Key& key) const { return (*this)(key, number); }
  };

  boost::unordered_flat_set<Number, Hash, Equal> numbers_;
};

}  // namespace meshdns
