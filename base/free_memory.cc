#include "base/free_memory.h"

#include <jemalloc/jemalloc.h>

// Null where the program is not linked with it.
#pragma weak mallctl

namespace meshdns {

static_assert(MALLCTL_ARENAS_ALL == 4096);

void give_back_free_memory() {
  if (mallctl != nullptr) {
    // Of all arenas (MALLCTL_ARENAS_ALL). Not "decay": that counts what was freed since it was last
    // called as fresh, however long ago, and so leaves a start's memory for half a minute.
    mallctl("arena.4096.purge", nullptr, nullptr, nullptr, 0);
  }
}

}  // namespace meshdns
