#include "resolver/wire/query.h"

#include <cstddef>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "resolver/wire/protocol.h"
#include "tests/support/dns_message.h"

namespace meshdns::dns {
namespace {

using support::make_query;
using support::MessageBytes;
using support::Octets;

MessageBytes start(unsigned qd, unsigned an, unsigned ns, unsigned ar, unsigned flags = 0x0100) {
  return MessageBytes().header(7, flags, qd, an, ns, ar);
}

TEST(QueryParser, KeepsTheQuestionAsSentAndTheNameFolded) {
  Query query;
  ASSERT_EQ(parse_query(make_query("wEb.MeSh", rrtype::kAaaa), query), ParseStatus::kOk);
  EXPECT_EQ(query.id, 0x1234);
  EXPECT_EQ(query.question_name().to_text(), "wEb.MeSh.");
  EXPECT_EQ(query.name.to_text(), "web.mesh.");
  EXPECT_EQ(query.qtype, rrtype::kAaaa);
  EXPECT_EQ(query.qclass, rrclass::kIn);
  EXPECT_TRUE(query.recursion_desired());
  EXPECT_FALSE(query.has_edns);
  EXPECT_EQ(query.udp_payload_size, 512);
}

TEST(QueryParser, ReadsEdns) {
  Query query;
  ASSERT_EQ(parse_query(make_query("web.mesh", 1, {.edns = 4096, .dnssec_ok = true}), query),
            ParseStatus::kOk);
  EXPECT_TRUE(query.has_edns);
  EXPECT_TRUE(query.dnssec_ok);
  EXPECT_EQ(query.udp_payload_size, 4096);
}

TEST(QueryParser, CountsAPayloadSizeBelow512As512) {
  Query query;
  ASSERT_EQ(parse_query(make_query("web.mesh", 1, {.edns = 100}), query), ParseStatus::kOk);
  EXPECT_EQ(query.udp_payload_size, 512);
}

TEST(QueryParser, ForgetsTheQueryBefore) {
  Query query;
  ASSERT_EQ(parse_query(make_query("web.mesh", 1, {.edns = 4096, .dnssec_ok = true}), query),
            ParseStatus::kOk);
  ASSERT_EQ(parse_query(Octets(12, 0), query), ParseStatus::kFormErr);
  EXPECT_FALSE(query.has_edns);
  EXPECT_FALSE(query.dnssec_ok);
  EXPECT_FALSE(query.has_question);
  EXPECT_EQ(query.question_size, 0);
}

struct ParseCase {
  std::string what;
  Octets message;
  ParseStatus status;
  bool has_question;
  bool has_edns;
};

Octets option(unsigned code, const Octets& value) {
  return MessageBytes().u16(code).u16(static_cast<unsigned>(value.size())).octets(value).bytes();
}

Octets with_options(const Octets& options) {
  return start(1, 0, 0, 1).question("web.mesh", 1).opt(1232, 0, options).bytes();
}

Octets joined(const Octets& a, const Octets& b) {
  return MessageBytes().octets(a).octets(b).bytes();
}

const Octets kGoodSubnet{0, 1, 24, 0, 192, 0, 2};
const Octets kBadSubnet{0, 1, 24, 0, 192, 0};

std::vector<ParseCase> parse_cases() {
  constexpr auto kOk = ParseStatus::kOk;
  constexpr auto kDrop = ParseStatus::kDrop;
  constexpr auto kFormErr = ParseStatus::kFormErr;
  return {
      {"nothing", {}, kDrop, false, false},
      {"eleven octets", Octets(11, 0), kDrop, false, false},
      {"a response", make_query("web.mesh", 1, {.flags = 0x8100}), kDrop, false, false},
      {"no question", start(0, 0, 0, 0).bytes(), kFormErr, false, false},
      {"no question but OPT", start(0, 0, 0, 1).opt(1232).bytes(), kFormErr, false, true},
      {"two questions", start(2, 0, 0, 0).question("a.mesh", 1).question("b.mesh", 1).bytes(),
       kFormErr, false, false},
      {"two questions counted, one there", start(2, 0, 0, 0).question("a.mesh", 1).bytes(),
       kFormErr, false, false},
      {"cut question", start(1, 0, 0, 0).name("web.mesh").u16(1).bytes(), kFormErr, false, false},
      {"question that points to itself", start(1, 0, 0, 0).octets({0xc0, 12, 0, 1, 0, 1}).bytes(),
       kFormErr, false, false},
      {"question that points into the header",
       start(1, 0, 0, 0).octets({0xc0, 4, 0, 1, 0, 1}).bytes(), kFormErr, false, false},
      {"label type 01", start(1, 0, 0, 0).octets({0x41, 'a', 0, 0, 1, 0, 1}).bytes(), kFormErr,
       false, false},
      {"octets behind the last record",
       MessageBytes().octets(make_query("web.mesh", 1)).u8(0).bytes(), kFormErr, true, false},
      {"a record counted but not there", start(1, 0, 0, 1).question("web.mesh", 1).bytes(),
       kFormErr, true, false},
      {"65535 records counted but not there",
       start(1, 0xffff, 0xffff, 0xffff).question("web.mesh", 1).bytes(), kFormErr, true, false},
      {"two OPTs", start(1, 0, 0, 2).question("web.mesh", 1).opt(1232).opt(1232).bytes(), kFormErr,
       true, true},
      {"OPT with another record before",
       start(1, 0, 0, 2)
           .question("web.mesh", 1)
           .record("x.mesh", 1, 0, Octets{1, 2, 3, 4})
           .opt(1232)
           .bytes(),
       kOk, true, true},
      {"OPT with another record behind",
       start(1, 0, 0, 2)
           .question("web.mesh", 1)
           .opt(1232)
           .record("x.mesh", 1, 0, Octets{1, 2, 3, 4})
           .bytes(),
       kOk, true, true},
      {"OPT in the answer section", start(1, 1, 0, 0).question("web.mesh", 1).opt(1232).bytes(),
       kFormErr, true, false},
      {"OPT in the authority section", start(1, 0, 1, 0).question("web.mesh", 1).opt(1232).bytes(),
       kFormErr, true, false},
      {"OPT of another owner",
       start(1, 0, 0, 1).question("web.mesh", 1).name("x").u16(41).u16(512).u32(0).u16(0).bytes(),
       kFormErr, true, false},
      {"OPT of a pointer to a root",
       start(1, 0, 0, 1).question("web.mesh", 1).pointer(21).u16(41).u16(512).u32(0).u16(0).bytes(),
       kFormErr, true, false},
      {"SOA in the authority section, as IXFR has",
       start(1, 0, 1, 0).question("web.mesh", 1).pointer(12).u16(6).u16(1).u32(0).u16(0).bytes(),
       kOk, true, false},
      {"record whose owner points forwards",
       start(1, 0, 1, 0).question("web.mesh", 1).pointer(40).u16(6).u16(1).u32(0).u16(0).bytes(),
       kFormErr, true, false},
      {"opcode 15", make_query("web.mesh", 1, {.flags = 0x7800}), ParseStatus::kNotImp, true,
       false},
      {"opcode 6 without a question", start(0, 0, 0, 0, 0x3000).bytes(), ParseStatus::kNotImp,
       false, false},
      {"opcode 5 with nonsense behind", start(1, 9, 9, 9, 0x2800).question("mesh", 6).u8(7).bytes(),
       ParseStatus::kNotImp, true, false},
      {"EDNS version 1", start(1, 0, 0, 1).question("web.mesh", 1).opt(1232, 0x00010000).bytes(),
       ParseStatus::kBadVers, true, true},
      {"EDNS version 1 with options of another form",
       start(1, 0, 0, 1).question("web.mesh", 1).opt(1232, 0x00010000, Octets{1, 2, 3}).bytes(),
       ParseStatus::kBadVers, true, true},
      {"unknown EDNS flags",
       start(1, 0, 0, 1).question("web.mesh", 1).opt(1232, 0x00000040).bytes(), kOk, true, true},
      {"unknown option", with_options(option(100, {1, 2, 3})), kOk, true, true},
      {"option cut", with_options({0, 100, 0, 4, 1, 2, 3}), kFormErr, true, true},
      {"option header cut", with_options({0, 100, 0}), kFormErr, true, true},
      {"client subnet", with_options(option(8, kGoodSubnet)), kOk, true, true},
      {"client subnet with too few octets", with_options(option(8, kBadSubnet)), kFormErr, true,
       true},
      {"client subnet with bits behind its prefix",
       with_options(option(8, {0, 1, 23, 0, 192, 0, 3})), kFormErr, true, true},
      {"client subnet with a scope", with_options(option(8, {0, 1, 24, 24, 192, 0, 2})), kFormErr,
       true, true},
      {"client subnet of no family", with_options(option(8, {0, 0, 0, 0})), kOk, true, true},
      {"client subnet of an unknown family", with_options(option(8, {0, 3, 0, 0})), kFormErr, true,
       true},
      {"the first of two client subnets counts",
       with_options(joined(option(8, kGoodSubnet), option(8, kBadSubnet))), kOk, true, true},
  };
}

TEST(QueryParser, DecidesWhatToDoWithEachMessage) {
  for (const ParseCase& row : parse_cases()) {
    Query query;
    EXPECT_EQ(parse_query(row.message, query), row.status) << row.what;
    EXPECT_EQ(query.has_question, row.has_question) << row.what;
    EXPECT_EQ(query.has_edns, row.has_edns) << row.what;
  }
}

TEST(QueryParser, NoticesAKeepaliveWithAValue) {
  Query query;
  (void)parse_query(with_options(option(11, {})), query);
  EXPECT_FALSE(query.malformed_keepalive);
  (void)parse_query(with_options(option(11, {0, 1})), query);
  EXPECT_TRUE(query.malformed_keepalive);
  (void)parse_query(with_options(joined(option(11, {}), option(11, {0, 1}))), query);
  EXPECT_FALSE(query.malformed_keepalive);
}

TEST(QueryParser, TakesSixteenThousandOptionsInOnePass) {
  Octets options;
  for (unsigned i = 0; i < 16000; ++i) {
    options.insert(options.end(), {0, 10, 0, 0});
  }
  Query query;
  EXPECT_EQ(parse_query(with_options(options), query), ParseStatus::kOk);
}

TEST(QueryParser, NeverReadsPastAnyPrefixOfAQuery) {
  const Octets whole = with_options(joined(option(8, kGoodSubnet), option(100, {1})));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    // A copy of the exact size, so that ASan sees every octet read past the end.
    const Octets prefix(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    Query query;
    EXPECT_EQ(parse_query(prefix, query), size < 12 ? ParseStatus::kDrop : ParseStatus::kFormErr)
        << size;
  }
}

TEST(QueryParser, TakesAnyOctetInLabelsAndTheLongestName) {
  std::vector<std::string> names{support::longest_name()};
  names.emplace_back("a\\000b\\255.mesh.");
  for (const std::string& name : names) {
    Query query;
    EXPECT_EQ(parse_query(make_query(name, 1, {.edns = 512}), query), ParseStatus::kOk);
    EXPECT_EQ(query.question_name().to_text(), name);
  }
}

}  // namespace
}  // namespace meshdns::dns
