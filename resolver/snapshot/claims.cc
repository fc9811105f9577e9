#include "resolver/snapshot/claims.h"

#include <vector>

namespace meshdns::dns {

void ClaimLines::remove(Claims& claims, OwnerIndex owner) {
  if (!claims.is_contested()) {
    claims.holder = kNobody;
    return;
  }
  std::vector<OwnerIndex>& line = lines_[claims.line];
  if (claims.holder == owner) {
    claims.holder = line.front();
    line.erase(line.begin());
  } else {
    std::erase(line, owner);
  }
  if (line.empty()) {
    lines_.remove(claims.line);
    claims.line = Claims::kNoLine;
  }
}

}  // namespace meshdns::dns
