// Who wants a name or a reverse pointer: the one who has it, and the others in line.
//
// Values of the snapshot builder, which knows what stands behind an index.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "base/numbered_values.h"

namespace meshdns::dns {

using OwnerIndex = std::uint32_t;
inline constexpr OwnerIndex kNobody = ~OwnerIndex{0};

// Of one name or pointer. Hardly any has a line, which therefore stands in ClaimLines.
struct Claims {
  static constexpr std::uint32_t kNoLine = ~std::uint32_t{0};

  OwnerIndex holder = kNobody;
  std::uint32_t line = kNoLine;

  [[nodiscard]] bool is_contested() const { return line != kNoLine; }
};

class ClaimLines {
 public:
  // Before the first who yields to it, else behind all others; as the holder when there is none.
  // Who yields stands behind those that do not.
  template <typename Yields>
  void add(Claims& claims, OwnerIndex owner, Yields yields) {
    if (claims.holder == kNobody) {
      claims.holder = owner;
      return;
    }
    if (!claims.is_contested()) {
      claims.line = lines_.add({});
    }
    std::vector<OwnerIndex>& line = lines_[claims.line];
    if (yields(claims.holder)) {
      line.insert(line.begin(), std::exchange(claims.holder, owner));
    } else {
      line.insert(std::find_if(line.begin(), line.end(), yields), owner);
    }
  }
  // `owner` must be among them. The next in line takes what the holder lets go.
  void remove(Claims& claims, OwnerIndex owner);

  // In order.
  [[nodiscard]] std::span<const OwnerIndex> waiting(const Claims& claims) const {
    return claims.is_contested() ? std::span(lines_[claims.line]) : std::span<const OwnerIndex>();
  }

 private:
  NumberedValues<std::vector<OwnerIndex>> lines_;
};

}  // namespace meshdns::dns
