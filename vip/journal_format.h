// The octets of a lease journal: how they are written and read. No file is touched here.
//
// All numbers are big-endian. A journal is a header and then records without gaps:
//
//   header    0  8  magic 8d 4d 44 56 49 50 0d 0a ("\x8dMDVIP\r\n")
//             8  4  format version: 1
//            12  4  header octets, the checksum included
//            16  8  sequence number of the first record
//            24  n  instance: whose state this is, at most 255 octets
//          24+n  4  CRC-32C of all before
//
//   record    0  4  CRC-32C of the rest of the record
//             4  4  record octets, these eight included
//             8  8  sequence number: one more than the record before
//            16  1  state: 1 active, 2 released
//            17  1  addresses: 1 IPv4, 2 IPv6, 3 both
//            18  4  IPv4 address, if any
//             .  16 IPv6 address, if any
//             .  k  lease key: the rest
//
// Magic, version, header length and where the checksum stands hold for every later version, so that
// an older program can tell a newer file from a damaged one.
//
// A record is believed only when its checksum, its shape and its sequence number are right. What
// follows the last believable record is a torn tail (a write that power or a signal cut short),
// which was never acknowledged, unless it has the length of one record that nothing cut short: that
// is damage, as is whatever is not believable before a record that is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "vip/lease_record.h"

namespace meshdns::vip {

inline constexpr std::uint32_t kJournalVersion = 1;
inline constexpr std::size_t kMaxInstanceOctets = 255;
// What a record takes beside its key, at most.
inline constexpr std::size_t kMaxRecordOverheadOctets = 18 + 4 + 16;

// Appends a header. `instance` has at most kMaxInstanceOctets.
void append_header(std::string_view instance, std::uint64_t first_sequence, std::string& out);

// Appends a record that is still unsealed: its sequence number and checksum are zero.
void append_record(const LeaseRecord& record, std::string& out);

// Numbers the unsealed records that `records` consists of, from `first_sequence`, and fills in
// their checksums. Returns how many there are.
std::uint64_t seal_records(std::span<char> records, std::uint64_t first_sequence);

// A stretch of a journal that was written and is not believable.
struct Damage {
  std::uint64_t offset = 0;  // octets from the start of the file
  std::uint64_t octets = 0;  // 0 where records are missing between two that are there

  friend bool operator==(const Damage&, const Damage&) = default;
};

enum class JournalKind : std::uint8_t {
  kJournal,        // ours, maybe damaged
  kForeign,        // something else
  kOtherVersion,   // ours, of an older or newer format that this program does not know
  kOtherInstance,  // ours, of another instance
};

struct JournalContents {
  JournalKind kind = JournalKind::kJournal;
  std::uint32_t version = kJournalVersion;
  std::string instance;             // as the header says; empty when the header is damaged
  std::uint64_t records = 0;        // believed
  std::uint64_t next_sequence = 0;  // for the next record
  std::uint64_t end_offset =
      0;  // of the last believed record, or the header: the torn tail starts here
  std::vector<Damage> damages;  // by offset; at most kMaxDamages are listed
};

inline constexpr std::size_t kMaxDamages = 64;

// Reads a journal's octets and calls `on_record` for each believed record, in order. Only a journal
// of `instance` has its records read: for every other kind `on_record` is never called.
JournalContents parse_journal(std::string_view file, std::string_view instance,
                              const std::function<void(const LeaseRecord&)>& on_record);

}  // namespace meshdns::vip
