// The programs' heap is jemalloc: a table or a message that was large once leaves it as small as it
// was, where glibc's malloc kept 400 MiB of which 30 were in use. Builds with sanitizers, and test
// programs, have the heap that they have.
#pragma once

namespace meshdns {

// Gives what is free in pages of its own back to the kernel; no heap does so by itself while nobody
// allocates. Any thread, every few seconds: what is needed again costs a page fault each 4 KiB.
// Does nothing without jemalloc.
void give_back_free_memory();

}  // namespace meshdns
