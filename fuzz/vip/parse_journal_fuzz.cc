// Any octets as a lease journal: what is believed is a lease that can be written again, each
// address has one holder, and a journal that is cut anywhere reads as a prefix of itself.
//
// The input: an octet that is odd when checksums and numbers are to be put right first, so that
// what is behind them is reached; two octets that say where to cut; the file.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/crc32c.h"
#include "base/ip_address.h"
#include "fuzz/require.h"
#include "vip/allocator.h"
#include "vip/journal_format.h"
#include "vip/key.h"
#include "vip/lease_record.h"
#include "vip/pool.h"

namespace {

using namespace meshdns;
using namespace meshdns::vip;

constexpr std::string_view kInstance = "default";
constexpr std::size_t kHeaderLengthOffset = 12;
constexpr std::size_t kFirstSequenceOffset = 16;
constexpr std::size_t kMinHeaderOctets = 28;
constexpr std::size_t kRecordLengthOffset = 4;
constexpr std::size_t kRecordSequenceOffset = 8;
constexpr std::size_t kMinRecordOctets = 16;

using meshdns::fuzz::require;

class StoppedClock final : public Clock {
 public:
  [[nodiscard]] TimePoint now() const override { return {}; }
};

std::uint64_t load(std::string_view file, std::size_t offset, std::size_t octets) {
  std::uint64_t value = 0;
  for (const char c : file.substr(offset, octets)) {
    value = (value << 8U) | static_cast<std::uint8_t>(c);
  }
  return value;
}

void store(std::uint64_t value, std::size_t octets, std::size_t offset, std::string& file) {
  for (std::size_t i = 0; i < octets; ++i) {
    file[offset + octets - 1 - i] = static_cast<char>(static_cast<std::uint8_t>(value));
    value >>= 8U;
  }
}

// Checksums of header and records, and the records' numbers, as far as the lengths make sense.
void put_right(std::string& file) {
  if (file.size() < kMinHeaderOctets) {
    return;
  }
  std::size_t offset = load(file, kHeaderLengthOffset, 4);
  if (offset < kMinHeaderOctets || offset > file.size()) {
    return;
  }
  store(crc32c(std::string_view(file).substr(0, offset - 4)), 4, offset - 4, file);
  std::uint64_t sequence = load(file, kFirstSequenceOffset, 8);
  while (offset + kMinRecordOctets <= file.size()) {
    const std::size_t octets = load(file, offset + kRecordLengthOffset, 4);
    if (octets < kMinRecordOctets || octets > file.size() - offset) {
      return;
    }
    store(sequence++, 8, offset + kRecordSequenceOffset, file);
    store(crc32c(std::string_view(file).substr(offset + 4, octets - 4)), 4, offset, file);
    offset += octets;
  }
}

// A record that owns its key.
struct Lease {
  std::string key;
  LeaseRecord record;

  friend bool operator==(const Lease& one, const Lease& other) {
    return one.key == other.key && one.record.state == other.record.state &&
           one.record.ipv4 == other.record.ipv4 && one.record.ipv6 == other.record.ipv6;
  }
};

struct Reading {
  JournalContents contents;
  std::vector<Lease> leases;
};

Reading read(std::string_view file) {
  Reading reading;
  reading.contents = parse_journal(file, kInstance, [&](const LeaseRecord& record) {
    reading.leases.push_back({std::string(record.key), record});
  });
  return reading;
}

void check_reading(const Reading& reading, std::string_view file) {
  const JournalContents& contents = reading.contents;
  require(contents.records == reading.leases.size(), "the number of records is wrong");
  require(contents.kind == JournalKind::kJournal || reading.leases.empty(),
          "records of a file that is not ours");
  require(contents.end_offset <= file.size(), "the end is behind the file");
  require(contents.damages.size() <= kMaxDamages, "too many damages");
  std::uint64_t last_end = 0;
  for (const Damage& damage : contents.damages) {
    require(damage.offset >= last_end && damage.octets <= file.size() &&
                damage.offset <= file.size() - damage.octets,
            "a damage is out of place");
    last_end = damage.offset + damage.octets;
  }
  for (const Lease& lease : reading.leases) {
    require(!lease.key.empty() && lease.key.size() <= kMaxKeyOctets, "a key has a bad length");
    require(lease.record.ipv4 || lease.record.ipv6, "a lease has no address");
    require(
        lease.record.state == LeaseState::kActive || lease.record.state == LeaseState::kReleased,
        "a lease has a bad state");
  }
}

std::string write(const std::vector<Lease>& leases) {
  std::string records;
  for (const Lease& lease : leases) {
    append_record({lease.record.state, lease.record.ipv4, lease.record.ipv6, lease.key}, records);
  }
  require(seal_records(records, 1) == leases.size(), "not all records were sealed");
  std::string file;
  append_header(kInstance, 1, file);
  return file + records;
}

void check_cut(const std::vector<Lease>& leases, std::size_t place) {
  const std::string file = write(leases);
  require(read(file).leases == leases, "what was written is not what is read");
  std::string header;
  append_header(kInstance, 1, header);
  const std::size_t length = header.size() + place % (file.size() - header.size() + 1);
  const Reading cut = read(std::string_view(file).substr(0, length));
  require(cut.contents.kind == JournalKind::kJournal && cut.contents.damages.empty(),
          "a cut journal is taken for a damaged one");
  require(cut.leases.size() <= leases.size() &&
              std::equal(cut.leases.begin(), cut.leases.end(), leases.begin()),
          "a cut journal is no prefix");
  require(length < file.size() || cut.leases.size() == leases.size(), "a whole journal is cut");
}

// Two keys never share an address, whatever order of changes a journal claims.
void check_replay(const std::vector<Lease>& leases) {
  StoppedClock clock;
  Allocator allocator(
      {.ipv4 = AddressPool::create(*IpPrefix::parse("244.0.0.0/30")).value(), .ipv6 = std::nullopt},
      clock);
  for (const Lease& lease : leases) {
    allocator.restore({lease.record.state, lease.record.ipv4, lease.record.ipv6, lease.key});
    const auto entry = allocator.find(lease.key);
    require(entry && entry->ipv4 == lease.record.ipv4 && entry->ipv6 == lease.record.ipv6 &&
                entry->state == lease.record.state,
            "the newest word does not count");
  }
  const auto granted = allocator.acquire("one more");
  std::map<IpAddress, std::string> holders;
  std::size_t active = 0;
  allocator.for_each([&](std::string_view key, const Allocator::Entry& entry) {
    active += entry.state == LeaseState::kActive ? 1U : 0U;
    for (const auto& address : std::array{entry.ipv4, entry.ipv6}) {
      if (address) {
        require(holders.emplace(*address, key).second, "two keys share an address");
        require(allocator.holder(*address) == key, "the holder of an address is wrong");
      }
    }
  });
  require(active == allocator.active(), "the count of active leases is wrong");
  require(granted != Allocator::Grant::kExhausted || active + allocator.released() >= 2,
          "a pool with a free address is exhausted");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 3) {
    return 0;
  }
  std::string file(data + 3, data + size);
  if ((data[0] & 1U) != 0) {
    put_right(file);
  }
  const Reading reading = read(file);
  check_reading(reading, file);
  check_cut(reading.leases, (std::size_t{data[1]} << 8U) | data[2]);
  check_replay(reading.leases);
  return 0;
}
