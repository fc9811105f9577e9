// Which wildcard names a table has, by their number of labels, so that a name is looked up under
// those alone. Hot path.
//
// A plain value without owner or thread.
#pragma once

#include <array>
#include <bitset>
#include <cstddef>
#include <cstdint>

#include "resolver/wire/name.h"

namespace meshdns::dns {

class WildcardDepths {
 public:
  // Whether the first label is "*".
  [[nodiscard]] static bool is_wildcard(NameView name) {
    const auto label = name.first_label();
    return label.size() == 1 && label.front() == '*';
  }

  void add(NameView wildcard) {
    const std::size_t depth = wildcard.label_count();
    ++counts_.at(depth);
    present_.set(depth);
  }
  // One that was added.
  void remove(NameView wildcard) {
    const std::size_t depth = wildcard.label_count();
    present_.set(depth, --counts_.at(depth) > 0);
  }

  [[nodiscard]] bool any() const { return present_.any(); }
  [[nodiscard]] bool has(std::size_t labels) const { return present_[labels]; }

 private:
  static constexpr std::size_t kDepths = kMaxNameOctets / 2 + 1;  // labels have two octets or more

  std::bitset<kDepths> present_;
  std::array<std::uint32_t, kDepths> counts_{};
};

}  // namespace meshdns::dns
