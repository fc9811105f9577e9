#include "vip/journal_format.h"

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/crc32c.h"
#include "base/ip_address.h"
#include "vip/key.h"
#include "vip/lease_record.h"

namespace meshdns::vip {
namespace {

constexpr std::string_view kMagic = "\x8dMDVIP\r\n";
constexpr std::size_t kHeaderFixedOctets = 24;
constexpr std::size_t kChecksumOctets = 4;
constexpr std::size_t kMinHeaderOctets = kHeaderFixedOctets + kChecksumOctets;
// Bounds what a header of a later version may claim.
constexpr std::size_t kMaxHeaderOctets = 64UL * 1024;

constexpr std::size_t kLengthOffset = 4;
constexpr std::size_t kSequenceOffset = 8;
constexpr std::size_t kRecordFixedOctets = 18;
constexpr std::size_t kMinRecordOctets = kRecordFixedOctets + 4 + 1;
constexpr std::size_t kMaxRecordOctets = kMaxRecordOverheadOctets + kMaxKeyOctets;

constexpr std::uint8_t kHasIpv4 = 1;
constexpr std::uint8_t kHasIpv6 = 2;

template <std::unsigned_integral T>
void append_number(T value, std::string& out) {
  for (std::size_t i = sizeof(T); i > 0; --i) {
    out += static_cast<char>(static_cast<std::uint8_t>(value >> ((i - 1) * 8)));
  }
}

template <std::unsigned_integral T>
void store_number(T value, std::span<char> out) {
  for (std::size_t i = sizeof(T); i > 0; --i) {
    out[i - 1] = static_cast<char>(static_cast<std::uint8_t>(value));
    value = static_cast<T>(value >> 8U);
  }
}

// The caller has checked that `data` is long enough.
template <std::unsigned_integral T>
T load_number(std::string_view data, std::size_t offset) {
  T value = 0;
  for (const char c : data.substr(offset, sizeof(T))) {
    value = static_cast<T>((std::uint64_t{value} << 8U) | static_cast<std::uint8_t>(c));
  }
  return value;
}

void append_address(const std::optional<IpAddress>& address, std::string& out) {
  if (address) {
    out.append(address->octets().begin(), address->octets().end());
  }
}

IpAddress take_address(std::string_view& body, std::size_t octets) {
  std::array<std::uint8_t, 16> bytes{};
  std::ranges::transform(body.substr(0, octets), bytes.begin(),
                         [](char c) { return static_cast<std::uint8_t>(c); });
  body.remove_prefix(octets);
  return IpAddress(std::span(bytes).first(octets));
}

// State, addresses and key, from what follows a record's sequence number.
std::optional<LeaseRecord> parse_body(std::string_view body) {
  const auto state = static_cast<std::uint8_t>(body[0]);
  const auto families = static_cast<std::uint8_t>(body[1]);
  body.remove_prefix(2);
  const std::size_t address_octets =
      ((families & kHasIpv4) != 0 ? 4U : 0U) + ((families & kHasIpv6) != 0 ? 16U : 0U);
  if ((state != 1 && state != 2) || families == 0 || families > (kHasIpv4 | kHasIpv6) ||
      body.size() <= address_octets || body.size() - address_octets > kMaxKeyOctets) {
    return std::nullopt;
  }
  LeaseRecord record;
  record.state = static_cast<LeaseState>(state);
  if ((families & kHasIpv4) != 0) {
    record.ipv4 = take_address(body, 4);
  }
  if ((families & kHasIpv6) != 0) {
    record.ipv6 = take_address(body, 16);
  }
  record.key = body;
  return record;
}

struct SealedRecord {
  std::size_t octets = 0;
  std::uint64_t sequence = 0;
  LeaseRecord record;
};

struct SequenceRange {
  std::uint64_t first = 0;
  std::uint64_t last = UINT64_MAX;
};

// The record at the start of `data` if it is whole, believable and numbered within `range`.
std::optional<SealedRecord> parse_record(std::string_view data, const SequenceRange& range) {
  if (data.size() < kMinRecordOctets) {
    return std::nullopt;
  }
  const std::size_t octets = load_number<std::uint32_t>(data, kLengthOffset);
  const auto sequence = load_number<std::uint64_t>(data, kSequenceOffset);
  if (octets < kMinRecordOctets || octets > kMaxRecordOctets || octets > data.size() ||
      sequence < range.first || sequence > range.last) {
    return std::nullopt;
  }
  if (crc32c(data.substr(kLengthOffset, octets - kLengthOffset)) !=
      load_number<std::uint32_t>(data, 0)) {
    return std::nullopt;
  }
  const auto record = parse_body(data.substr(kSequenceOffset + 8, octets - kSequenceOffset - 8));
  if (!record) {
    return std::nullopt;
  }
  return SealedRecord{octets, sequence, *record};
}

struct Header {
  std::uint32_t version = 0;
  std::size_t octets = 0;
  std::uint64_t first_sequence = 0;
  std::string_view instance;
};

std::optional<Header> parse_header(std::string_view file) {
  if (file.size() < kMinHeaderOctets || !file.starts_with(kMagic)) {
    return std::nullopt;
  }
  Header header;
  header.version = load_number<std::uint32_t>(file, 8);
  header.octets = load_number<std::uint32_t>(file, 12);
  if (header.octets < kMinHeaderOctets || header.octets > kMaxHeaderOctets ||
      header.octets > file.size()) {
    return std::nullopt;
  }
  const std::size_t checked = header.octets - kChecksumOctets;
  if (crc32c(file.substr(0, checked)) != load_number<std::uint32_t>(file, checked)) {
    return std::nullopt;
  }
  header.first_sequence = load_number<std::uint64_t>(file, 16);
  header.instance = file.substr(kHeaderFixedOctets, checked - kHeaderFixedOctets);
  return header;
}

// Walks the records of a file from an offset on, past damage.
class RecordReader {
 public:
  RecordReader(std::string_view file, JournalContents& contents,
               const std::function<void(const LeaseRecord&)>& on_record)
      : file_(file), contents_(contents), on_record_(on_record) {}

  // `first_sequence` is empty when the header that would say it is damaged.
  void read(std::size_t offset, std::optional<std::uint64_t> first_sequence) {
    std::optional<std::uint64_t> expected = first_sequence;
    contents_.next_sequence = expected.value_or(0);
    while (offset < file_.size()) {
      const auto next = find_record(offset, expected);
      if (!next) {
        if (is_damaged_record(offset)) {
          add_damage({.offset = offset, .octets = file_.size() - offset});
        }
        return;
      }
      if (next->offset != offset || (expected && next->sealed.sequence != *expected)) {
        add_damage({.offset = offset, .octets = next->offset - offset});
      }
      on_record_(next->sealed.record);
      ++contents_.records;
      offset = next->offset + next->sealed.octets;
      expected = next->sealed.sequence + 1;
      contents_.end_offset = offset;
      contents_.next_sequence = *expected;
    }
  }

 private:
  struct Found {
    std::size_t offset = 0;
    SealedRecord sealed;
  };

  // The next believable record at or after `offset`. Numbers may skip what the octets in between,
  // or ones that are gone, could have held, never go back.
  [[nodiscard]] std::optional<Found> find_record(std::size_t offset,
                                                 std::optional<std::uint64_t> expected) const {
    SequenceRange range;
    if (expected) {
      range.first = *expected;
      range.last = std::max(*expected, *expected + kMaxSkippedRecords);
    }
    for (; offset + kMinRecordOctets <= file_.size(); ++offset) {
      if (const auto sealed = parse_record(file_.substr(offset), range)) {
        return Found{offset, *sealed};
      }
    }
    return std::nullopt;
  }

  // Whether the file's end is where a record at `offset` says that it ends.
  [[nodiscard]] bool is_damaged_record(std::size_t offset) const {
    const std::string_view tail = file_.substr(offset);
    return tail.size() >= kMinRecordOctets &&
           load_number<std::uint32_t>(tail, kLengthOffset) == tail.size();
  }

  void add_damage(const Damage& damage) {
    if (contents_.damages.size() < kMaxDamages) {
      contents_.damages.push_back(damage);
    }
  }

  // Keeps the search for the next record cheap: a random number is hardly ever in range.
  static constexpr std::uint64_t kMaxSkippedRecords = std::uint64_t{1} << 32U;

  std::string_view file_;
  JournalContents& contents_;
  const std::function<void(const LeaseRecord&)>& on_record_;
};

}  // namespace

void append_header(std::string_view instance, std::uint64_t first_sequence, std::string& out) {
  std::string header(kMagic);
  append_number(kJournalVersion, header);
  append_number(static_cast<std::uint32_t>(kMinHeaderOctets + instance.size()), header);
  append_number(first_sequence, header);
  header += instance;
  append_number(crc32c(header), header);
  out += header;
}

void append_record(const LeaseRecord& record, std::string& out) {
  const std::size_t octets =
      kRecordFixedOctets + (record.ipv4 ? 4U : 0U) + (record.ipv6 ? 16U : 0U) + record.key.size();
  append_number(std::uint32_t{0}, out);
  append_number(static_cast<std::uint32_t>(octets), out);
  append_number(std::uint64_t{0}, out);
  out += static_cast<char>(record.state);
  out += static_cast<char>((record.ipv4 ? kHasIpv4 : 0U) | (record.ipv6 ? kHasIpv6 : 0U));
  append_address(record.ipv4, out);
  append_address(record.ipv6, out);
  out += record.key;
}

std::uint64_t seal_records(std::span<char> records, std::uint64_t first_sequence) {
  std::uint64_t count = 0;
  while (!records.empty()) {
    const std::string_view rest(records.data(), records.size());
    const std::size_t octets = load_number<std::uint32_t>(rest, kLengthOffset);
    const auto record = records.first(octets);
    store_number(first_sequence + count, record.subspan(kSequenceOffset));
    store_number(crc32c(rest.substr(kLengthOffset, octets - kLengthOffset)), record);
    records = records.subspan(octets);
    ++count;
  }
  return count;
}

JournalContents parse_journal(std::string_view file, std::string_view instance,
                              const std::function<void(const LeaseRecord&)>& on_record) {
  JournalContents contents;
  RecordReader reader(file, contents, on_record);
  const auto header = parse_header(file);
  if (header) {
    contents.version = header->version;
    contents.instance = header->instance;
    if (header->version != kJournalVersion) {
      contents.kind = JournalKind::kOtherVersion;
    } else if (header->instance != instance) {
      contents.kind = JournalKind::kOtherInstance;
    } else {
      contents.end_offset = header->octets;
      reader.read(header->octets, header->first_sequence);
    }
    return contents;
  }
  // Without a header it is ours if a record of ours is in it, or if what there is of a magic is
  // ours.
  reader.read(0, std::nullopt);
  if (contents.records == 0 && !file.starts_with(kMagic) && !kMagic.starts_with(file)) {
    contents.kind = JournalKind::kForeign;
    return contents;
  }
  if (contents.damages.empty()) {
    contents.damages.push_back({.offset = 0, .octets = file.size()});
  }
  return contents;
}

}  // namespace meshdns::vip
