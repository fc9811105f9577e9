// Any octets as a feed's log: what is believed can be written again and is read the same, and what
// is cut reads as it was before, by whatever blocks.
//
// The input: an octet that is odd when checksums are to be put right first, so that what is behind
// them is reached, and otherwise says how large a block is; the file.
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>

#include "base/crc32c.h"
#include "discovery/feeds/feed_log_format.h"
#include "discovery/feeds/feed_log_reader.h"
#include "fuzz/octets_in_place.h"
#include "fuzz/require.h"
#include "tests/support/held_feed_log.h"

namespace {

using namespace meshdns;
using namespace meshdns::discovery;
using support::HeldFeedLog;

constexpr std::string_view kFingerprint = "mesh";
constexpr std::size_t kFingerprintSizeOffset = 20;
constexpr std::size_t kRecordHeadOctets = 8;

using meshdns::fuzz::load;
using meshdns::fuzz::require;
using meshdns::fuzz::store;

void put_right(std::string& file) {
  if (file.size() < kFingerprintSizeOffset + 2) {
    return;
  }
  std::size_t at = kFingerprintSizeOffset + 2 + load<std::uint16_t>(file, kFingerprintSizeOffset);
  if (at + 4 > file.size()) {
    return;
  }
  store(crc32c(std::string_view(file).substr(0, at)), at, file);
  at += 4;
  while (at + kRecordHeadOctets <= file.size()) {
    const std::size_t octets = load<std::uint32_t>(file, at);
    if (octets > file.size() - at - kRecordHeadOctets) {
      return;
    }
    store(crc32c(file.substr(at, 4) + file.substr(at + kRecordHeadOctets, octets)), at + 4, file);
    at += kRecordHeadOctets + octets;
  }
}

bool equal(const HeldFeedLog& one, const HeldFeedLog& other) {
  return one.held == other.held && one.summary.whole == other.summary.whole;
}

void check(std::string_view file, std::size_t block_octets) {
  const HeldFeedLog log = HeldFeedLog::read(file, kFingerprint);
  const FeedLogSummary& said = log.summary;
  require(parse_feed_header(file, kFingerprint).generation == said.generation, "two generations");
  const HeldFeedLog by_blocks =
      HeldFeedLog::read(support::feed_log_source(file, block_octets), kFingerprint);
  require(equal(by_blocks, log) && by_blocks.summary.end_offset == said.end_offset &&
              by_blocks.summary.cut == said.cut && by_blocks.summary.kind == said.kind,
          "it depends on the blocks");
  if (said.kind != FeedLogKind::kLog) {
    require(log.held.empty() && !said.whole, "something of a file that is not ours");
    return;
  }
  require(said.end_offset <= file.size(), "the end is behind the file");
  require(said.cut == (said.end_offset < file.size()), "cut and end disagree");
  std::set<std::string_view> names;
  for (const auto& held : log.held) {
    require(!held.name.empty() && names.insert(held.name).second, "a bad name");
  }
  const HeldFeedLog again = HeldFeedLog::read(file.substr(0, said.end_offset), kFingerprint);
  require(!again.summary.cut && equal(again, log), "what is before the cut is not what was");

  std::string written;
  append_feed_header(kFingerprint, said.generation, written);
  FeedRecords records;
  for (const auto& held : log.held) {
    records.set(held.name, held.version, held.value);
  }
  records.say_whole(said.whole);
  written += records.take();
  const HeldFeedLog back = HeldFeedLog::read(written, kFingerprint);
  require(back.summary.kind == FeedLogKind::kLog && !back.summary.cut && equal(back, log),
          "what was written is not what is read");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  std::string file(data + 1, data + size);
  if ((data[0] & 1U) != 0) {
    put_right(file);
  }
  check(file, 1 + data[0] / 2U);
  return 0;
}
