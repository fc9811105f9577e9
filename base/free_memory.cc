#include "base/free_memory.h"

#include <jemalloc/jemalloc.h>

// Null where the program is not linked with it.
#pragma weak mallctl

namespace meshdns {

static_assert(MALLCTL_ARENAS_ALL == 4096);

void give_back_free_memory() {
  if (mallctl != nullptr) {
    // Of all arenas (MALLCTL_ARENAS_ALL), as far as their decay has come.
    mallctl("arena.4096.decay", nullptr, nullptr, nullptr, 0);
  }
}

}  // namespace meshdns
