#include "resolver/snapshot/claims.h"

#include <memory>
#include <vector>

namespace meshdns::dns {

void Claims::remove(OwnerIndex owner) {
  if (holder != owner) {
    std::erase(*waiting, owner);
  } else if (waiting == nullptr) {
    holder = kNobody;
  } else {
    holder = waiting->front();
    waiting->erase(waiting->begin());
  }
  if (waiting != nullptr && waiting->empty()) {
    waiting.reset();
  }
}

}  // namespace meshdns::dns
