// The table behind a snapshot: a hash table that shares with its copies all that did not change.
// Its read side is Hot path.
//
//     root (vector)  ->  DirectoryPage (64 pointers)  ->  EntryPage (4 KiB of entries)
//     top R bits         next 6 bits of the hash          any slot, its hash's own one first
//
// Extendible hashing: an entry page answers for all hashes that share its first `depth` bits. A
// full page splits in two by the next bit; when its directory page has no bit left for that, the
// directory page splits in two, and only the root (a few hundred pointers) ever doubles. So no
// insertion costs more than some pages, however large the table. At kMaxDepth, which only equal
// hashes reach, a full page gets an overflow page behind it.
//
// Copying a PageTable copies the root and counts references. A page reachable from more than one
// table is immutable: the table that changes it copies it first, with the directory page above it.
// The copies made are counted (PageStats), being the cost of a change.
//
// Counts of references are not atomic: tables are made, changed and destroyed on one thread (the
// control thread). Any thread may read a table that nobody changes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "resolver/snapshot/table_entry.h"

namespace meshdns::dns {

// What changes cost since the last take_stats().
struct PageStats {
  std::size_t entry_pages_copied = 0;  // pages shared with another table, written anew for this one
  std::size_t directory_pages_copied = 0;  // likewise
  std::size_t pages_added = 0;             // by splits and overflow, of either sort

  [[nodiscard]] std::size_t pages_touched() const {
    return entry_pages_copied + directory_pages_copied;
  }
  friend PageStats operator+(const PageStats& a, const PageStats& b) {
    return {.entry_pages_copied = a.entry_pages_copied + b.entry_pages_copied,
            .directory_pages_copied = a.directory_pages_copied + b.directory_pages_copied,
            .pages_added = a.pages_added + b.pages_added};
  }
};

// `Entry` is NameEntry or PointerEntry: a plain value with its hash's upper half as `hash`,
// is_free(), and retain() and release() for what it refers to.
template <typename Entry>
class PageTable {
 public:
  PageTable();
  PageTable(const PageTable& other);
  PageTable& operator=(const PageTable&) = delete;
  PageTable(PageTable&&) = delete;
  PageTable& operator=(PageTable&&) = delete;
  ~PageTable();

  // The entry of this hash for which `matches(const Entry&)` holds, or null. Only the hash's
  // upper half was compared before.
  template <typename Matches>
  [[nodiscard]] const Entry* find(std::uint64_t hash, const Matches& matches) const {
    for (const EntryPage* page = page_of(hash); page != nullptr; page = page->overflow) {
      const std::size_t index = find_in_page(*page, hash, matches);
      if (index != kEntriesPerPage) {
        return &page->entries[index];
      }
    }
    return nullptr;
  }
  // Fetches what find() will read first.
  void prefetch(std::uint64_t hash) const {
    const EntryPage* page = page_of(hash);
    __builtin_prefetch(&page->entries[home_slot(hash)]);
  }

  // A free entry for this hash, to be filled by the caller (`hash` is set, `kind` must become
  // another than kFree). The reference holds until the next change of the table.
  [[nodiscard]] Entry& insert(std::uint64_t hash);
  // The entry find() gave, in a page of this table's own and blank but for its hash: to be filled
  // as after insert().
  [[nodiscard]] Entry& replace(std::uint64_t hash, const Entry& found);
  void erase(std::uint64_t hash, const Entry& found);

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] const PageStats& stats() const { return stats_; }
  [[nodiscard]] PageStats take_stats();
  // Octets of all pages and side records, shared or not. Walks the table.
  [[nodiscard]] std::size_t memory_bytes() const;
  // Calls `visit(const Entry&)` for every entry, in no order.
  template <typename Visit>
  void for_each(const Visit& visit) const {
    for (std::size_t i = 0; i < root_.size(); ++i) {
      if (i == 0 || root_[i] != root_[i - 1]) {
        visit_directory(*root_[i], visit);
      }
    }
  }

 private:
  static constexpr std::size_t kPageOctets = 4096;
  // As many as leave room for their tags and 16 octets more in whole cache lines.
  static constexpr std::size_t kEntriesPerPage = sizeof(Entry) == 64 ? 62 : 122;
  static constexpr std::size_t kTagOctets = (kEntriesPerPage + 7) / 8 * 8;
  // What a change copies and counts anew is one directory page and the root: with these many bits
  // about the least of both together, from ten thousand names to a million.
  static constexpr unsigned kDirectoryBits = 6;
  static constexpr std::size_t kPagesPerDirectory = 1U << kDirectoryBits;
  static constexpr unsigned kMaxRootBits = 13;
  static constexpr unsigned kMaxDepth = kMaxRootBits + kDirectoryBits;
  // Two neighbours with at most so many entries together become one page.
  static constexpr std::size_t kMergeAtMost = kEntriesPerPage * 2 / 5;

  // 4 KiB. A tag is 0 for a free slot, else 0x80 with seven bits of the hash's lower half.
  struct alignas(64) EntryPage {
    std::array<std::uint8_t, kTagOctets> tags{};
    EntryPage* overflow = nullptr;
    std::uint32_t references = 1;
    std::uint8_t depth = 0;
    std::uint8_t count = 0;
    std::array<Entry, kEntriesPerPage> entries;
  };

  // `pages` of one entry page are a run of equal pointers, which counts as one reference; so do
  // runs in the root.
  struct DirectoryPage {
    std::uint32_t references = 1;
    std::uint8_t depth = 0;  // leading hash bits that its pages share
    std::array<EntryPage*, kPagesPerDirectory> pages{};
  };

  static std::size_t home_slot(std::uint64_t hash) {
    return ((hash & 0xffffU) * kEntriesPerPage) >> 16U;
  }
  static std::uint8_t tag_of(std::uint64_t hash) {
    return static_cast<std::uint8_t>(0x80U | ((hash >> 16U) & 0x7fU));
  }
  static std::uint32_t upper(std::uint64_t hash) { return static_cast<std::uint32_t>(hash >> 32U); }
  // The first `bits` bits of the hash, less those before `skipped`.
  static std::size_t bits_of(std::uint32_t upper_hash, unsigned skipped, unsigned bits) {
    const std::uint64_t aligned = static_cast<std::uint64_t>(upper_hash) << 32U << skipped;
    return bits == 0 ? 0 : static_cast<std::size_t>(aligned >> (64U - bits));
  }

  [[nodiscard]] const EntryPage* page_of(std::uint64_t hash) const {
    const DirectoryPage& directory = *root_[bits_of(upper(hash), 0, root_bits_)];
    return directory.pages[bits_of(upper(hash), directory.depth, kDirectoryBits)];
  }

  // kEntriesPerPage when it is not there. The home slot is tried without reading the tags.
  template <typename Matches>
  static std::size_t find_in_page(const EntryPage& page, std::uint64_t hash,
                                  const Matches& matches) {
    const auto is_it = [&](std::size_t index) {
      const Entry& entry = page.entries[index];
      return entry.hash == upper(hash) && !entry.is_free() && matches(entry);
    };
    const std::size_t home = home_slot(hash);
    if (is_it(home)) {
      return home;
    }
    const std::uint64_t pattern = tag_of(hash) * 0x0101010101010101U;
    for (std::size_t at = 0; at < kTagOctets; at += sizeof(std::uint64_t)) {
      std::uint64_t word = 0;
      std::memcpy(&word, page.tags.data() + at, sizeof(word));
      // The top bit of each octet that equals the tag. May also hit a tag behind such a one, never
      // a free slot's.
      const std::uint64_t difference = word ^ pattern;
      std::uint64_t hits = (difference - 0x0101010101010101U) & ~difference & 0x8080808080808080U;
      for (; hits != 0; hits &= hits - 1) {
        const std::size_t index = at + static_cast<std::size_t>(__builtin_ctzll(hits)) / 8;
        if (is_it(index)) {
          return index;
        }
      }
    }
    return kEntriesPerPage;
  }

  template <typename Visit>
  static void visit_directory(const DirectoryPage& directory, const Visit& visit) {
    for (std::size_t i = 0; i < directory.pages.size(); ++i) {
      if (i > 0 && directory.pages[i] == directory.pages[i - 1]) {
        continue;
      }
      for (const EntryPage* page = directory.pages[i]; page != nullptr; page = page->overflow) {
        for (const Entry& entry : page->entries) {
          if (!entry.is_free()) {
            visit(entry);
          }
        }
      }
    }
  }

  // Where a hash leads, on the way to changing it.
  struct Place {
    DirectoryPage* directory = nullptr;
    std::size_t index = 0;  // in directory->pages
  };

  // An entry page of this table's own and a slot in it.
  struct Slot {
    EntryPage* page = nullptr;
    std::size_t index = 0;
  };

  static void release(EntryPage* page);
  static void release(DirectoryPage* directory);
  EntryPage* detach(EntryPage* page);
  DirectoryPage& own_directory(std::uint32_t upper_hash);
  Place own_place(std::uint32_t upper_hash);
  EntryPage& own_page(const Place& place);
  Slot own_slot(const Place& place, const Entry& found);
  void set_root_run(std::uint32_t upper_hash, unsigned depth, DirectoryPage* directory);
  static void set_page_run(const Place& place, unsigned depth, EntryPage* page);
  void split(const Place& place);
  void split_directory(std::uint32_t upper_hash);
  static void merge(const Place& place);

  std::vector<DirectoryPage*> root_;
  unsigned root_bits_ = 0;
  std::size_t size_ = 0;
  PageStats stats_;
};

}  // namespace meshdns::dns
