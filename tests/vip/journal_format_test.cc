#include "vip/journal_format.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "base/crc32c.h"
#include "base/ip_address.h"
#include "vip/lease_record.h"

namespace meshdns::vip {
namespace {

const std::string kInstance = "default";

struct Row {
  LeaseState state = LeaseState::kActive;
  std::string ipv4;
  std::string ipv6;
  std::string key;

  friend bool operator==(const Row&, const Row&) = default;
};

const std::vector<Row>& history() {
  static const std::vector<Row> kRows = {
      {LeaseState::kActive, "244.0.0.1", "", "a"},
      {LeaseState::kActive, "", "fd00::7", "longer/key"},
      {LeaseState::kReleased, "244.0.0.1", "", "a"},
      {LeaseState::kActive, "244.0.0.9", "fd00::9", "b"},
  };
  return kRows;
}

std::string encode(const std::vector<Row>& rows) {
  std::string records;
  for (const Row& row : rows) {
    append_record({row.state, IpAddress::parse(row.ipv4), IpAddress::parse(row.ipv6), row.key},
                  records);
  }
  EXPECT_EQ(seal_records(records, 5), rows.size());
  std::string file;
  append_header(kInstance, 5, file);
  return file + records;
}

struct Parsed {
  JournalContents contents;
  std::vector<Row> rows;
};

Parsed parse(const std::string& file) {
  Parsed parsed;
  parsed.contents = parse_journal(file, kInstance, [&](const LeaseRecord& record) {
    parsed.rows.push_back({record.state, record.ipv4 ? record.ipv4->to_string() : "",
                           record.ipv6 ? record.ipv6->to_string() : "", std::string(record.key)});
  });
  return parsed;
}

// The journal `file` as another version of the program would have written it.
std::string with_version(std::string file, char version) {
  constexpr std::size_t kVersionEnd = 11;
  file[kVersionEnd] = version;
  std::string header;
  append_header(kInstance, 5, header);
  const std::size_t checked = header.size() - 4;
  const std::uint32_t checksum = crc32c(std::string_view(file).substr(0, checked));
  for (std::size_t i = 0; i < 4; ++i) {
    file[checked + i] = static_cast<char>(checksum >> (24 - 8 * i));
  }
  return file;
}

TEST(Crc32c, MatchesThePublishedVectors) {
  EXPECT_EQ(crc32c("123456789"), 0xE3069283U);  // RFC 3720 appendix B.4 gives the next two
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAU);
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62A8AB43U);
}

TEST(Crc32c, GoesOnWithWhatStoodBefore) {
  const std::string_view data = "123456789abcdefghijklmnop";
  for (std::size_t size = 0; size <= data.size(); ++size) {
    EXPECT_EQ(crc32c(data.substr(size), crc32c(data.substr(0, size))), crc32c(data)) << size;
  }
}

TEST(Journal, RoundTrips) {
  const auto parsed = parse(encode(history()));
  EXPECT_EQ(parsed.rows, history());
  EXPECT_EQ(parsed.contents.next_sequence, 9U);
  EXPECT_EQ(parsed.contents.end_offset, encode(history()).size());
  EXPECT_TRUE(parsed.contents.damages.empty());
}

TEST(Journal, ReadsAPrefixOfTheHistoryFromEveryPrefixOfTheFile) {
  const std::string file = encode(history());
  std::string header;
  append_header(kInstance, 5, header);
  for (std::size_t length = header.size(); length <= file.size(); ++length) {
    const auto parsed = parse(file.substr(0, length));
    ASSERT_LE(parsed.rows.size(), history().size());
    EXPECT_TRUE(std::equal(parsed.rows.begin(), parsed.rows.end(), history().begin())) << length;
    EXPECT_TRUE(parsed.contents.damages.empty()) << length;
    EXPECT_LE(parsed.contents.end_offset, length);
  }
}

TEST(Journal, NeverInventsALeaseWhicheverBitFlips) {
  const std::string file = encode(history());
  for (std::size_t bit = 0; bit < file.size() * 8; ++bit) {
    std::string damaged = file;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ static_cast<char>(1U << bit % 8));
    const auto parsed = parse(damaged);
    for (const Row& row : parsed.rows) {
      EXPECT_NE(std::ranges::find(history(), row), history().end()) << bit;
    }
    // Whatever was lost shows: as damage, as a cut tail, or as another kind of file.
    EXPECT_TRUE(parsed.rows.size() == history().size() - 1 || !parsed.contents.damages.empty() ||
                parsed.contents.kind != JournalKind::kJournal)
        << bit;
    EXPECT_TRUE(parsed.contents.kind != JournalKind::kJournal || !parsed.contents.damages.empty() ||
                parsed.contents.end_offset < file.size())
        << bit;
  }
}

TEST(Journal, ReportsTheDamageInTheMiddleAndReadsOn) {
  std::string file = encode(history());
  std::string header;
  append_header(kInstance, 5, header);
  file[header.size() + 20] ^= 1;
  const auto parsed = parse(file);
  ASSERT_EQ(parsed.contents.damages.size(), 1U);
  EXPECT_EQ(parsed.contents.damages[0].offset, header.size());
  EXPECT_EQ(parsed.rows, std::vector<Row>(history().begin() + 1, history().end()));
}

TEST(Journal, TellsForeignOlderNewerAndOtherFilesFromItsOwn) {
  EXPECT_EQ(parse("#!/bin/sh\necho this is no journal\n").contents.kind, JournalKind::kForeign);
  std::string other;
  append_header("another", 1, other);
  EXPECT_EQ(parse(other).contents.kind, JournalKind::kOtherInstance);
  for (const char version : {'\0', '\2'}) {
    const auto parsed = parse(with_version(encode(history()), version));
    EXPECT_EQ(parsed.contents.kind, JournalKind::kOtherVersion);
    EXPECT_EQ(parsed.contents.version, static_cast<std::uint32_t>(version));
    EXPECT_TRUE(parsed.rows.empty());
  }
}

}  // namespace
}  // namespace meshdns::vip
