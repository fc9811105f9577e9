// Who wants a name or a reverse pointer: the one who has it, and the others in line.
//
// A value of the snapshot builder, which knows what stands behind an index.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace meshdns::dns {

using OwnerIndex = std::uint32_t;
inline constexpr OwnerIndex kNobody = ~OwnerIndex{0};

struct Claims {
  OwnerIndex holder = kNobody;
  std::unique_ptr<std::vector<OwnerIndex>> waiting;  // null when nobody is

  // Before the first who yields to it, else behind all others; as the holder when there is none.
  // Who yields stands behind those that do not.
  template <typename Yields>
  void add(OwnerIndex owner, Yields yields) {
    if (holder == kNobody) {
      holder = owner;
      return;
    }
    if (waiting == nullptr) {
      waiting = std::make_unique<std::vector<OwnerIndex>>();
    }
    if (yields(holder)) {
      waiting->insert(waiting->begin(), std::exchange(holder, owner));
    } else {
      waiting->insert(std::find_if(waiting->begin(), waiting->end(), yields), owner);
    }
  }
  // `owner` must be among them. The next in line takes what the holder lets go.
  void remove(OwnerIndex owner);
};

}  // namespace meshdns::dns
