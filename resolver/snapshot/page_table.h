// The table behind a snapshot: a hash table that shares with its copies all that did not change.
// Its read side is Hot path.
//
//     root (vector)  ->  DirectoryPage (512 pointers)  ->  EntryPage (62 entries of 64 octets)
//     top R bits         next 9 bits of the hash           any slot, its hash's own one first
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

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "base/ip_address.h"
#include "resolver/wire/name.h"

namespace meshdns::dns {

// What an entry is about.
enum class EntryKind : std::uint8_t {
  kFree,
  kHost,              // a name with addresses, perhaps of one family only
  kWithheld,          // a name whose address may not be told yet
  kEmptyNonTerminal,  // a name that only exists because longer ones do (RFC 8020)
  kPointer4,          // an IPv4 address and the name it leads back to
  kPointer6,          // the same for IPv6
};

// What does not fit an entry: a name above 32 octets, or addresses beyond one of each family.
// Immutable; counted by the entries that refer to it.
class SideRecord {
 public:
  SideRecord(NameView name, std::span<const IpAddress> addresses);
  SideRecord(const SideRecord&) = delete;
  SideRecord& operator=(const SideRecord&) = delete;
  SideRecord(SideRecord&&) = delete;
  SideRecord& operator=(SideRecord&&) = delete;
  ~SideRecord() = default;

  [[nodiscard]] NameView name() const { return NameView(part(0, name_octets_)); }
  // The addresses' octets one after the other, 4 or 16 each.
  [[nodiscard]] std::span<const std::uint8_t> ipv4() const {
    return part(name_octets_, ipv4_octets_);
  }
  [[nodiscard]] std::span<const std::uint8_t> ipv6() const {
    return part(std::size_t{name_octets_} + ipv4_octets_,
                octets_.size() - name_octets_ - ipv4_octets_);
  }
  [[nodiscard]] std::size_t memory_bytes() const { return sizeof(*this) + octets_.capacity(); }

  void retain() const { ++references_; }
  void release() const;

 private:
  [[nodiscard]] std::span<const std::uint8_t> part(std::size_t at, std::size_t size) const {
    return std::span(octets_).subspan(at, size);
  }

  mutable std::uint32_t references_ = 1;
  std::uint32_t name_octets_ = 0;
  std::uint32_t ipv4_octets_ = 0;
  std::vector<std::uint8_t> octets_;
};

// One cache line. A pointer's address (its key) stands in ipv4 or ipv6, and `name` is its target.
struct alignas(64) TableEntry {
  static constexpr std::size_t kInlineNameOctets = 32;
  using PointerOctets = std::array<std::uint8_t, sizeof(void*)>;

  std::uint32_t hash = 0;  // the upper half
  std::uint32_t ttl = 0;
  std::array<std::uint8_t, 4> ipv4{};
  EntryKind kind = EntryKind::kFree;
  std::uint8_t name_size = 0;
  bool has_ipv4 : 1 = false;
  bool has_ipv6 : 1 = false;
  bool has_side : 1 = false;  // name_octets then holds the pointer to the SideRecord
  std::array<std::uint8_t, 16> ipv6{};
  std::array<std::uint8_t, kInlineNameOctets> name_octets{};

  [[nodiscard]] bool is_name() const {
    return kind == EntryKind::kHost || kind == EntryKind::kWithheld ||
           kind == EntryKind::kEmptyNonTerminal;
  }
  [[nodiscard]] bool is_pointer_of(const IpAddress& address) const {
    const auto key = address.octets();
    return address.is_v4()
               ? kind == EntryKind::kPointer4 && std::memcmp(ipv4.data(), key.data(), 4) == 0
               : kind == EntryKind::kPointer6 && std::memcmp(ipv6.data(), key.data(), 16) == 0;
  }
  [[nodiscard]] const SideRecord* side() const {
    if (!has_side) {
      return nullptr;
    }
    PointerOctets octets{};
    std::copy_n(name_octets.begin(), octets.size(), octets.begin());
    return std::bit_cast<const SideRecord*>(octets);
  }
  // Takes over one reference of `record`. No side record may be held before.
  void adopt_side(const SideRecord* record) {
    has_side = true;
    const auto octets = std::bit_cast<PointerOctets>(record);
    std::ranges::copy(octets, name_octets.begin());
  }
  [[nodiscard]] NameView name() const {
    return has_side ? side()->name() : NameView(std::span(name_octets).first(name_size));
  }
  [[nodiscard]] std::span<const std::uint8_t> ipv4_octets() const {
    return has_side && kind != EntryKind::kPointer4 ? side()->ipv4()
                                                    : std::span(ipv4).first(has_ipv4 ? 4 : 0);
  }
  [[nodiscard]] std::span<const std::uint8_t> ipv6_octets() const {
    return has_side && kind != EntryKind::kPointer6 ? side()->ipv6()
                                                    : std::span(ipv6).first(has_ipv6 ? 16 : 0);
  }
};
static_assert(sizeof(TableEntry) == 64);

// What changes cost since the last take_stats().
struct PageStats {
  std::size_t entry_pages_copied = 0;  // pages shared with another table, written anew for this one
  std::size_t directory_pages_copied = 0;  // likewise
  std::size_t pages_added = 0;             // by splits and overflow, of either sort

  [[nodiscard]] std::size_t pages_touched() const {
    return entry_pages_copied + directory_pages_copied;
  }
};

class PageTable {
 public:
  PageTable();
  PageTable(const PageTable& other);
  PageTable& operator=(const PageTable&) = delete;
  PageTable(PageTable&&) = delete;
  PageTable& operator=(PageTable&&) = delete;
  ~PageTable();

  // The entry of this hash for which `matches(const TableEntry&)` holds, or null. Only the hash's
  // upper half was compared before.
  template <typename Matches>
  [[nodiscard]] const TableEntry* find(std::uint64_t hash, const Matches& matches) const {
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
  [[nodiscard]] TableEntry& insert(std::uint64_t hash);
  // The entry find() gave, in a page of this table's own and blank but for its hash: to be filled
  // as after insert().
  [[nodiscard]] TableEntry& replace(std::uint64_t hash, const TableEntry& found);
  void erase(std::uint64_t hash, const TableEntry& found);

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] const PageStats& stats() const { return stats_; }
  [[nodiscard]] PageStats take_stats();
  // Octets of all pages and side records, shared or not. Walks the table.
  [[nodiscard]] std::size_t memory_bytes() const;
  // Calls `visit(const TableEntry&)` for every entry, in no order.
  template <typename Visit>
  void for_each(const Visit& visit) const {
    for (std::size_t i = 0; i < root_.size(); ++i) {
      if (i == 0 || root_[i] != root_[i - 1]) {
        visit_directory(*root_[i], visit);
      }
    }
  }

 private:
  static constexpr std::size_t kEntriesPerPage = 62;
  static constexpr std::size_t kTagOctets = 64;
  static constexpr unsigned kDirectoryBits = 9;
  static constexpr std::size_t kPagesPerDirectory = 1U << kDirectoryBits;
  static constexpr unsigned kMaxRootBits = 12;
  static constexpr unsigned kMaxDepth = kMaxRootBits + kDirectoryBits;
  // Two neighbours with at most so many entries together become one page.
  static constexpr std::size_t kMergeAtMost = 24;

  // 4 KiB. A tag is 0 for a free slot, else 0x80 with seven bits of the hash's lower half.
  struct alignas(64) EntryPage {
    std::array<std::uint8_t, kTagOctets> tags{};
    EntryPage* overflow = nullptr;
    std::uint32_t references = 1;
    std::uint8_t depth = 0;
    std::uint8_t count = 0;
    std::array<TableEntry, kEntriesPerPage> entries;
  };
  static_assert(sizeof(EntryPage) == 4096);

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
      const TableEntry& entry = page.entries[index];
      return entry.hash == upper(hash) && entry.kind != EntryKind::kFree && matches(entry);
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
        for (const TableEntry& entry : page->entries) {
          if (entry.kind != EntryKind::kFree) {
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
  Slot own_slot(const Place& place, const TableEntry& found);
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
