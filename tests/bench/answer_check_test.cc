#include "bench/answer_check.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <gtest/gtest.h>

#include "base/ip_address.h"
#include "bench/names_file.h"
#include "bench/query_stream.h"

namespace meshdns::bench {
namespace {

using Octets = std::vector<std::uint8_t>;

constexpr std::uint8_t kNoerror = 0;
constexpr std::uint8_t kServfail = 2;
constexpr std::uint8_t kNxdomain = 3;

// "a." with the given type.
Octets question(std::uint8_t type) {
  return {0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 'a', 0, 0, type, 0, 1};
}

Octets answer(std::uint8_t type, std::uint8_t rcode, const Octets& record = {}) {
  Octets octets = question(type);
  octets[2] |= 0x80;
  octets[3] |= rcode;
  octets[7] = record.empty() ? 0 : 1;
  octets.insert(octets.end(), record.begin(), record.end());
  return octets;
}

Octets record_a(std::uint8_t last) {
  return {0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 30, 0, 4, 10, 0, 0, last};
}

NamesFile one_name() {
  NamesFile names;
  names.present.push_back({name_to_wire("a").value_or(Octets()),
                           {.rule = ExpectedAddress::Rule::kExactly,
                            .address = IpAddress(std::array<std::uint8_t, 4>{10, 0, 0, 1})},
                           {}});
  return names;
}

struct Row {
  const char* what;
  CheckDepth depth;
  QueryKind kind;
  std::uint8_t type;
  Octets answer;
  Mistake want;
};

TEST(AnswerCheck, FindsEachMistake) {
  const NamesFile names = one_name();
  Octets other_question = answer(1, kNoerror, record_a(1));
  other_question[13] = 'b';
  Octets query_itself = question(1);
  Octets whole_owner = answer(1, kNoerror, {1, 'a', 0, 0, 1, 0, 1, 0, 0, 0, 30, 0, 4, 10, 0, 0, 1});
  Octets other_owner = answer(1, kNoerror, {1, 'b', 0, 0, 1, 0, 1, 0, 0, 0, 30, 0, 4, 10, 0, 0, 1});
  Octets short_record = record_a(1);
  short_record.pop_back();
  const std::vector<Row> rows = {
      {"right", CheckDepth::kFull, QueryKind::kA, 1, answer(1, kNoerror, record_a(1)),
       Mistake::kNone},
      {"right, owner repeated", CheckDepth::kFull, QueryKind::kA, 1, whole_owner, Mistake::kNone},
      {"other owner", CheckDepth::kFull, QueryKind::kA, 1, other_owner, Mistake::kWrongRecord},
      {"cut record", CheckDepth::kFull, QueryKind::kA, 1, answer(1, kNoerror, short_record),
       Mistake::kWrongRecord},
      {"other address", CheckDepth::kFull, QueryKind::kA, 1, answer(1, kNoerror, record_a(2)),
       Mistake::kWrongAddress},
      {"other address, not looked at", CheckDepth::kShape, QueryKind::kA, 1,
       answer(1, kNoerror, record_a(2)), Mistake::kNone},
      {"nothing where an address is", CheckDepth::kShape, QueryKind::kA, 1, answer(1, kNoerror),
       Mistake::kMissingRecord},
      {"nothing where nothing is", CheckDepth::kShape, QueryKind::kAaaa, 28, answer(28, kNoerror),
       Mistake::kNone},
      {"NODATA with a record", CheckDepth::kShape, QueryKind::kNodata, 15,
       answer(15, kNoerror, record_a(1)), Mistake::kUnexpectedRecord},
      {"failure", CheckDepth::kShape, QueryKind::kA, 1, answer(1, kServfail), Mistake::kWrongRcode},
      {"NXDOMAIN where the name exists", CheckDepth::kShape, QueryKind::kA, 1, answer(1, kNxdomain),
       Mistake::kWrongRcode},
      {"NXDOMAIN", CheckDepth::kShape, QueryKind::kNxdomain, 1, answer(1, kNxdomain),
       Mistake::kNone},
      {"another question", CheckDepth::kShape, QueryKind::kA, 1, other_question,
       Mistake::kNotAnswer},
      {"the query itself", CheckDepth::kEcho, QueryKind::kA, 1, query_itself, Mistake::kNotAnswer},
      {"the query with QR", CheckDepth::kEcho, QueryKind::kA, 1, answer(1, kNoerror),
       Mistake::kNone},
      {"a header alone", CheckDepth::kShape, QueryKind::kA, 1, Octets(12, 0x80),
       Mistake::kNotAnswer},
      {"two octets", CheckDepth::kShape, QueryKind::kA, 1, Octets(2), Mistake::kNotAnswer},
  };
  for (const Row& row : rows) {
    AnswerCheck check(row.depth, &names);
    const Octets query = question(row.type);
    check.judge({.kind = row.kind, .name = 0, .octets = query}, row.answer);
    EXPECT_EQ(check.mistakes()[static_cast<std::size_t>(row.want)], 1U) << row.what;
    EXPECT_EQ(check.answers(), 1U) << row.what;
  }
}

TEST(AnswerCheck, CountsRcodesAndRecordsAndKeepsTenExamples) {
  AnswerCheck check(CheckDepth::kShape, nullptr);
  const Octets query = question(1);
  for (int i = 0; i < 12; ++i) {
    check.judge({.kind = QueryKind::kA, .name = kNoName, .octets = query}, answer(1, kServfail));
  }
  check.judge({.kind = QueryKind::kA, .name = kNoName, .octets = query},
              answer(1, kNoerror, record_a(9)));

  EXPECT_EQ(check.answers(), 13U);
  EXPECT_EQ(check.with_record(), 1U);
  EXPECT_EQ(check.rcodes()[kServfail], 12U);
  EXPECT_EQ(check.rcodes()[kNoerror], 1U);
  ASSERT_EQ(check.examples().size(), 10U);
  EXPECT_EQ(check.examples()[0], "a. type 1: wrong rcode (rcode 2, 19 octets)");
}

}  // namespace
}  // namespace meshdns::bench
