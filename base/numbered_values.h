// NumberedValues: values that are known by a number of four octets while they are there, so that
// many tables can refer to them at half the price of a pointer.
//
// Values never move and a growing number of them copies nothing. A number that was removed is given
// again; who might still have it is told so by the owner (SlotMap has ids that are given once).
//
// One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <utility>
#include <vector>

namespace meshdns {

// `Value` is small, and holds nothing when it is made without arguments.
template <typename Value>
class NumberedValues {
 public:
  using Number = std::uint32_t;

  Number add(Value value) {
    if (free_.empty()) {
      values_.push_back(std::move(value));
      return static_cast<Number>(values_.size() - 1);
    }
    const Number number = free_.back();
    values_[number] = std::move(value);
    free_.pop_back();
    return number;
  }
  void remove(Number number) {
    free_.push_back(number);
    values_[number] = Value{};
    if (free_.size() == values_.size()) {
      values_ = std::deque<Value>();
      free_ = std::vector<Number>();
    }
  }
  [[nodiscard]] Value& operator[](Number number) { return values_[number]; }
  [[nodiscard]] const Value& operator[](Number number) const { return values_[number]; }
  [[nodiscard]] std::size_t size() const { return values_.size() - free_.size(); }

 private:
  std::deque<Value> values_;
  std::vector<Number> free_;
};

}  // namespace meshdns
