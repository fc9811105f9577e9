#include "tests/support/allocation_counter.h"

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <limits>
#include <malloc.h>
#include <new>

namespace {

std::atomic<std::size_t> allocations{0};
std::atomic<std::size_t> live{0};
std::atomic<std::size_t> most{std::numeric_limits<std::size_t>::max()};

void* allocate(std::size_t size, std::size_t alignment) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  if (size > most.load(std::memory_order_relaxed)) {
    throw std::bad_alloc();
  }
  const std::size_t rounded = (size + alignment - 1) / alignment * alignment;
  void* const memory = std::aligned_alloc(alignment, rounded);  // NOLINT: stands in for new
  if (memory == nullptr) {
    throw std::bad_alloc();
  }
  live.fetch_add(::malloc_usable_size(memory), std::memory_order_relaxed);
  return memory;
}

void deallocate(void* memory) {
  live.fetch_sub(::malloc_usable_size(memory), std::memory_order_relaxed);
  std::free(memory);  // NOLINT: stands in for delete
}

}  // namespace

void* operator new(std::size_t size) { return allocate(size, alignof(std::max_align_t)); }
void* operator new(std::size_t size, std::align_val_t alignment) {
  return allocate(size, static_cast<std::size_t>(alignment));
}
void* operator new(std::size_t size, const std::nothrow_t& /*nothrow*/) noexcept {
  try {
    return allocate(size, alignof(std::max_align_t));
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}
// The sanitizers' own do not come by the one above.
void* operator new[](std::size_t size) { return allocate(size, alignof(std::max_align_t)); }
void operator delete(void* memory) noexcept { deallocate(memory); }
void operator delete[](void* memory) noexcept { deallocate(memory); }
void operator delete[](void* memory, std::size_t /*size*/) noexcept { deallocate(memory); }
void operator delete(void* memory, std::size_t /*size*/) noexcept { deallocate(memory); }
void operator delete(void* memory, std::align_val_t /*alignment*/) noexcept { deallocate(memory); }
void operator delete(void* memory, std::size_t /*size*/, std::align_val_t /*alignment*/) noexcept {
  deallocate(memory);
}

namespace meshdns::support {

std::size_t allocation_count() { return allocations.load(std::memory_order_relaxed); }

std::size_t live_bytes() { return live.load(std::memory_order_relaxed); }

ShortMemory::ShortMemory(std::size_t most_octets) { most = most_octets; }

ShortMemory::~ShortMemory() { most = std::numeric_limits<std::size_t>::max(); }

}  // namespace meshdns::support
