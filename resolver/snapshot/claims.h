// Who wants a name or a reverse pointer: the one who has it, and the others in line.
//
// A value of the snapshot builder, which knows what stands behind an index.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

namespace meshdns::dns {

using OwnerIndex = std::uint32_t;
inline constexpr OwnerIndex kNobody = ~OwnerIndex{0};

struct Claims {
  OwnerIndex holder = kNobody;
  std::unique_ptr<std::vector<OwnerIndex>> waiting;  // null when nobody is

  // Behind all others, or as the holder when there is none.
  void add(OwnerIndex owner);
  // `owner` must be among them. The next in line takes what the holder lets go.
  void remove(OwnerIndex owner);
};

}  // namespace meshdns::dns
