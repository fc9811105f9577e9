#include "resolver/snapshot/page_table.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "resolver/snapshot/table_entry.h"

namespace meshdns::dns {
template <typename Entry>
PageTable<Entry>::PageTable() : root_{new DirectoryPage} {
  static_assert(sizeof(EntryPage) == kPageOctets);
  root_.front()->pages.fill(new EntryPage);
}

template <typename Entry>
PageTable<Entry>::PageTable(const PageTable<Entry>& other)
    : root_(other.root_), root_bits_(other.root_bits_), size_(other.size_) {
  for (std::size_t i = 0; i < root_.size(); ++i) {
    if (i == 0 || root_[i] != root_[i - 1]) {
      ++root_[i]->references;
    }
  }
}

template <typename Entry>
PageTable<Entry>::~PageTable() {
  DirectoryPage* previous = nullptr;
  for (DirectoryPage* const directory : root_) {
    if (directory != previous) {
      previous = directory;
      release(directory);
    }
  }
}

template <typename Entry>
void PageTable<Entry>::release(DirectoryPage* directory) {
  if (--directory->references > 0) {
    return;
  }
  EntryPage* previous = nullptr;
  for (EntryPage* const page : directory->pages) {
    if (page != previous) {
      previous = page;
      release(page);
    }
  }
  delete directory;
}

template <typename Entry>
void PageTable<Entry>::release(EntryPage* page) {
  while (page != nullptr && --page->references == 0) {
    for (const Entry& entry : page->entries) {
      entry.release();
    }
    EntryPage* const next = page->overflow;
    delete page;
    page = next;
  }
}

// `page` itself if this table alone holds it, else a copy that it alone holds.
template <typename Entry>
typename PageTable<Entry>::EntryPage* PageTable<Entry>::detach(EntryPage* page) {
  if (page->references == 1) {
    return page;
  }
  auto* const own = new EntryPage(*page);
  own->references = 1;
  for (const Entry& entry : own->entries) {
    entry.retain();
  }
  if (own->overflow != nullptr) {
    ++own->overflow->references;
  }
  --page->references;
  ++stats_.entry_pages_copied;
  return own;
}

// Makes the root slots of all hashes that share `depth` bits with this one point to `directory`.
template <typename Entry>
void PageTable<Entry>::set_root_run(std::uint32_t upper_hash, unsigned depth,
                                    DirectoryPage* directory) {
  const std::size_t length = std::size_t{1} << (root_bits_ - depth);
  const std::size_t start = bits_of(upper_hash, 0, depth) * length;
  std::fill_n(root_.begin() + static_cast<std::ptrdiff_t>(start), length, directory);
}

// The same in a directory page: the slots of the page of `depth` bits that covers `place`.
template <typename Entry>
void PageTable<Entry>::set_page_run(const Place& place, unsigned depth, EntryPage* page) {
  const std::size_t length = kPagesPerDirectory >> (depth - place.directory->depth);
  const std::size_t start = place.index / length * length;
  std::fill_n(place.directory->pages.begin() + static_cast<std::ptrdiff_t>(start), length, page);
}

template <typename Entry>
typename PageTable<Entry>::DirectoryPage& PageTable<Entry>::own_directory(
    std::uint32_t upper_hash) {
  DirectoryPage* const shared = root_[bits_of(upper_hash, 0, root_bits_)];
  if (shared->references == 1) {
    return *shared;
  }
  auto* const own = new DirectoryPage(*shared);
  own->references = 1;
  EntryPage* previous = nullptr;
  for (EntryPage* const page : own->pages) {
    if (page != previous) {
      previous = page;
      ++page->references;
    }
  }
  --shared->references;
  ++stats_.directory_pages_copied;
  set_root_run(upper_hash, own->depth, own);
  return *own;
}

template <typename Entry>
typename PageTable<Entry>::Place PageTable<Entry>::own_place(std::uint32_t upper_hash) {
  DirectoryPage& directory = own_directory(upper_hash);
  return {.directory = &directory, .index = bits_of(upper_hash, directory.depth, kDirectoryBits)};
}

template <typename Entry>
typename PageTable<Entry>::EntryPage& PageTable<Entry>::own_page(const Place& place) {
  EntryPage* const page = detach(place.directory->pages.at(place.index));
  set_page_run(place, page->depth, page);
  return *page;
}

// The slot of `found`, which lies in the page at `place` or in its overflow, after making that
// page, and what leads to it, this table's own.
template <typename Entry>
typename PageTable<Entry>::Slot PageTable<Entry>::own_slot(const Place& place, const Entry& found) {
  const auto index_in = [&found](const EntryPage& page) {
    const std::less<> before;
    const Entry* const begin = page.entries.data();
    const bool inside = !before(&found, begin) && before(&found, begin + kEntriesPerPage);
    return inside ? static_cast<std::size_t>(&found - begin) : kEntriesPerPage;
  };
  std::size_t index = index_in(*place.directory->pages.at(place.index));
  EntryPage* page = &own_page(place);
  // NOLINTNEXTLINE(clang-analyzer-cplusplus.NewDeleteLeaks): the directory page holds it.
  while (index == kEntriesPerPage) {
    index = index_in(*page->overflow);
    page->overflow = detach(page->overflow);
    page = page->overflow;
  }
  return {.page = page, .index = index};
}

template <typename Entry>
Entry& PageTable<Entry>::insert(std::uint64_t hash) {
  Place place = own_place(upper(hash));
  while (true) {
    const EntryPage& page = *place.directory->pages.at(place.index);
    if (page.count < kEntriesPerPage || page.depth == kMaxDepth) {
      break;
    }
    if (page.depth == place.directory->depth + kDirectoryBits) {
      split_directory(upper(hash));
    } else {
      split(place);
    }
    place = own_place(upper(hash));
  }
  EntryPage* page = &own_page(place);
  while (page->count == kEntriesPerPage) {
    if (page->overflow == nullptr) {
      page->overflow = new EntryPage;
      page->overflow->depth = page->depth;
      ++stats_.pages_added;
    }
    page->overflow = detach(page->overflow);
    page = page->overflow;
  }
  std::size_t index = home_slot(hash);
  if (page->tags.at(index) != 0) {
    index = static_cast<std::size_t>(std::ranges::find(page->tags, std::uint8_t{0}) -
                                     page->tags.begin());
  }
  page->tags.at(index) = tag_of(hash);
  ++page->count;
  ++size_;
  page->entries.at(index).hash = upper(hash);
  return page->entries.at(index);
}

template <typename Entry>
Entry& PageTable<Entry>::replace(std::uint64_t hash, const Entry& found) {
  const Slot slot = own_slot(own_place(upper(hash)), found);
  Entry& entry = slot.page->entries.at(slot.index);
  entry.release();
  entry = Entry{};
  entry.hash = upper(hash);
  return entry;
}

template <typename Entry>
void PageTable<Entry>::erase(std::uint64_t hash, const Entry& found) {
  const Place place = own_place(upper(hash));
  const Slot slot = own_slot(place, found);
  slot.page->entries.at(slot.index).release();
  slot.page->entries.at(slot.index) = Entry{};
  slot.page->tags.at(slot.index) = 0;
  --slot.page->count;
  --size_;
  EntryPage& head = *place.directory->pages.at(place.index);
  // An overflow page that has become empty goes; what leads to it is ours already.
  for (EntryPage* page = &head; page->overflow != nullptr; page = page->overflow) {
    if (page->overflow == slot.page && slot.page->count == 0) {
      page->overflow = std::exchange(slot.page->overflow, nullptr);
      release(slot.page);
      return;
    }
  }
  if (head.overflow == nullptr && head.depth > place.directory->depth) {
    merge(place);
  }
}

// Parts a full page by the next bit of its hashes. Every entry keeps its slot.
template <typename Entry>
void PageTable<Entry>::split(const Place& place) {
  EntryPage* const page = place.directory->pages.at(place.index);
  const bool shared = page->references > 1;
  const unsigned depth = page->depth + 1U;
  std::array<EntryPage*, 2> halves{new EntryPage, new EntryPage};
  for (EntryPage* const half : halves) {
    half->depth = static_cast<std::uint8_t>(depth);
  }
  for (std::size_t i = 0; i < kEntriesPerPage; ++i) {
    const Entry& entry = page->entries.at(i);
    if (entry.is_free()) {
      continue;
    }
    EntryPage& half = *halves.at(bits_of(entry.hash, depth - 1, 1));
    half.entries.at(i) = entry;
    half.tags.at(i) = page->tags.at(i);
    ++half.count;
    if (shared) {
      entry.retain();
    }
  }
  const std::size_t length = kPagesPerDirectory >> (depth - 1 - place.directory->depth);
  const std::size_t start = place.index / length * length;
  set_page_run({.directory = place.directory, .index = start}, depth, halves[0]);
  set_page_run({.directory = place.directory, .index = start + length / 2}, depth, halves[1]);
  ++stats_.pages_added;
  if (shared) {
    --page->references;
    ++stats_.entry_pages_copied;
  } else {
    delete page;  // its side records went to the halves
  }
}

// Parts a directory page, which this table must own, by the next bit. No page spans both halves: a
// page at the limit of the directory is what brings us here.
template <typename Entry>
void PageTable<Entry>::split_directory(std::uint32_t upper_hash) {
  DirectoryPage* const low = &own_directory(upper_hash);
  if (low->depth == root_bits_) {
    std::vector<DirectoryPage*> doubled;
    doubled.reserve(root_.size() * 2);
    for (DirectoryPage* const directory : root_) {
      doubled.insert(doubled.end(), 2, directory);
    }
    root_ = std::move(doubled);
    ++root_bits_;
  }
  auto* const high = new DirectoryPage;
  const auto old = low->pages;
  const unsigned depth = low->depth + 1U;
  for (std::size_t i = 0; i < kPagesPerDirectory; ++i) {
    low->pages.at(i) = old.at(i / 2);
    high->pages.at(i) = old.at((kPagesPerDirectory + i) / 2);
  }
  low->depth = high->depth = static_cast<std::uint8_t>(depth);
  const std::uint32_t bit = std::uint32_t{1} << (32U - depth);
  set_root_run(upper_hash & ~bit, depth, low);
  set_root_run(upper_hash | bit, depth, high);
  ++stats_.pages_added;
}

// Takes in the neighbour of the page at `place`, which this table owns, when both are nearly empty.
template <typename Entry>
void PageTable<Entry>::merge(const Place& place) {
  EntryPage& page = *place.directory->pages.at(place.index);
  const std::size_t length = kPagesPerDirectory >> (page.depth - place.directory->depth);
  EntryPage* const other = place.directory->pages.at((place.index / length * length) ^ length);
  if (other->depth != page.depth || other->overflow != nullptr ||
      std::size_t{page.count} + other->count > kMergeAtMost) {
    return;
  }
  for (std::size_t i = 0; i < kEntriesPerPage; ++i) {
    const Entry& entry = other->entries.at(i);
    if (entry.is_free()) {
      continue;
    }
    std::size_t slot = i;
    if (page.tags.at(slot) != 0) {
      slot = static_cast<std::size_t>(std::ranges::find(page.tags, std::uint8_t{0}) -
                                      page.tags.begin());
    }
    page.entries.at(slot) = entry;
    page.tags.at(slot) = other->tags.at(i);
    entry.retain();
  }
  page.count = static_cast<std::uint8_t>(page.count + other->count);
  --page.depth;
  set_page_run(place, page.depth, &page);
  release(other);
}

template <typename Entry>
PageStats PageTable<Entry>::take_stats() {
  return std::exchange(stats_, PageStats{});
}

template <typename Entry>
std::size_t PageTable<Entry>::memory_bytes() const {
  std::size_t total = root_.capacity() * sizeof(DirectoryPage*);
  const DirectoryPage* previous = nullptr;
  for (const DirectoryPage* const directory : root_) {
    if (directory == previous) {
      continue;
    }
    previous = directory;
    total += sizeof(DirectoryPage);
    const EntryPage* previous_page = nullptr;
    for (const EntryPage* const first : directory->pages) {
      if (first == previous_page) {
        continue;
      }
      previous_page = first;
      for (const EntryPage* page = first; page != nullptr; page = page->overflow) {
        total += sizeof(EntryPage);
      }
    }
  }
  for_each([&total](const Entry& entry) { total += entry.memory_bytes(); });
  return total;
}

template class PageTable<NameEntry>;
template class PageTable<PointerEntry>;

}  // namespace meshdns::dns
