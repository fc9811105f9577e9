#include "resolver/wire/upstream_reply.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "resolver/wire/name.h"
#include "resolver/wire/protocol.h"
#include "resolver/wire/query.h"
#include "resolver/wire/response_writer.h"
#include "resolver/wire/transport.h"
#include "tests/support/dns_message.h"
#include "tests/support/ldns_judge.h"

namespace meshdns::dns {
namespace {

using support::judge;
using support::JudgedMessage;
using support::make_query;
using support::MessageBytes;
using support::Octets;
using support::QueryOptions;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

const Octets kAddressOctets{192, 0, 2, 1};
constexpr unsigned kReplyFlags = 0x8180;

Query client_of(std::string_view name, unsigned type, const QueryOptions& options = {}) {
  Query query;
  EXPECT_EQ(parse_query(make_query(name, type, options), query), ParseStatus::kOk);
  return query;
}

// A reply to the question www.example.org A (or another type), with its counts.
MessageBytes reply_to(unsigned type, unsigned an, unsigned ns, unsigned ar,
                      unsigned flags = kReplyFlags) {
  return MessageBytes().header(9, flags, 1, an, ns, ar).question("www.example.org", type);
}

struct Rebuilt {
  RebuildResult result;
  JudgedMessage message;
};

Rebuilt rebuild(const Octets& reply, const Query& client, const RebuildOptions& options = {}) {
  std::vector<std::uint8_t> buffer(response_limit(client, options.transport, 1232));
  Rebuilt rebuilt{rebuild_reply(reply, client, options, buffer), {}};
  if (rebuilt.result.status == RebuildStatus::kOk) {
    const auto message = judge(std::span(buffer).first(rebuilt.result.size));
    EXPECT_TRUE(message.has_value());
    rebuilt.message = message.value_or(JudgedMessage());
  }
  return rebuilt;
}

TEST(UpstreamQuery, AsksTheFoldedNameWithOurOpt) {
  const Query client = client_of("wWw.Example.ORG", 28,
                                 {.flags = 0x0030, .edns = 4096, .dnssec_ok = true});  // AD, CD
  std::array<std::uint8_t, kMaxUpstreamQueryOctets> buffer{};
  const auto message =
      judge(std::span(buffer).first(write_upstream_query(client, 77, 1232, buffer)));
  ASSERT_TRUE(message.has_value());
  EXPECT_EQ(message->id, 77);
  EXPECT_FALSE(message->qr);
  EXPECT_TRUE(message->rd);
  EXPECT_TRUE(message->cd);
  EXPECT_FALSE(message->ra);
  EXPECT_THAT(message->question, ElementsAre("www.example.org. IN AAAA"));
  EXPECT_EQ(message->udp_size, 1232);
  EXPECT_TRUE(message->dnssec_ok);
}

// RFC 6840 section 5.8: without AD or DO in the query a server does not say what it validated, and
// the reply is for whoever asks. What the client sets makes no two questions of one.
TEST(UpstreamQuery, WantsToKnowWhatIsAuthenticWhoeverAsks) {
  std::vector<Octets> asked;
  for (const unsigned flags : {0x0100U, 0x0120U, 0x0000U}) {
    const Query client =
        client_of("www.example.org", 1, {.flags = static_cast<std::uint16_t>(flags)});
    Octets buffer(kMaxUpstreamQueryOctets);
    buffer.resize(write_upstream_query(client, 77, 1232, buffer));
    EXPECT_TRUE(judge(buffer)->ad);
    asked.push_back(buffer);
  }
  EXPECT_EQ(asked[0], asked[1]);
  EXPECT_EQ(asked[0], asked[2]);
}

TEST(UpstreamQuery, HasAnOptEvenForAPlainClientUnlessToldNot) {
  const Query client = client_of("www.example.org", 1);
  std::array<std::uint8_t, kMaxUpstreamQueryOctets> buffer{};
  EXPECT_TRUE(judge(std::span(buffer).first(write_upstream_query(client, 1, 1232, buffer)))->edns);
  EXPECT_FALSE(judge(std::span(buffer).first(write_upstream_query(client, 1, 0, buffer)))->edns);
}

TEST(UpstreamQuery, FitsItsBufferWithTheLongestName) {
  const Query client = client_of(support::longest_name(), 1);
  std::vector<std::uint8_t> buffer(kMaxUpstreamQueryOctets);
  EXPECT_EQ(write_upstream_query(client, 1, 1232, buffer), kMaxUpstreamQueryOctets);
}

struct MatchCase {
  std::string what;
  Octets reply;
  bool matches;
};

TEST(UpstreamReply, MatchesOnlyTheQuestionThatWasAsked) {
  const Query client = client_of("www.example.org", 1);
  const std::vector<MatchCase> cases{
      {"it", reply_to(1, 0, 0, 0).bytes(), true},
      {"another case",
       MessageBytes().header(9, 0x8180, 1, 0, 0, 0).question("WWW.example.ORG", 1).bytes(), true},
      {"another type", reply_to(28, 0, 0, 0).bytes(), false},
      {"another name",
       MessageBytes().header(9, 0x8180, 1, 0, 0, 0).question("w.example.org", 1).bytes(), false},
      {"another class",
       MessageBytes().header(9, 0x8180, 1, 0, 0, 0).question("www.example.org", 1, 3).bytes(),
       false},
      {"another id",
       MessageBytes().header(8, 0x8180, 1, 0, 0, 0).question("www.example.org", 1).bytes(), false},
      {"a query", reply_to(1, 0, 0, 0, 0x0180).bytes(), false},
      {"another opcode", reply_to(1, 0, 0, 0, 0xa980).bytes(), false},
      {"no question", MessageBytes().header(9, 0x8180, 0, 0, 0, 0).bytes(), false},
      {"two questions",
       MessageBytes()
           .header(9, 0x8180, 2, 0, 0, 0)
           .question("www.example.org", 1)
           .question("www.example.org", 1)
           .bytes(),
       false},
      {"nothing", {}, false},
  };
  for (const MatchCase& row : cases) {
    EXPECT_EQ(reply_matches(row.reply, client, 9), row.matches) << row.what;
  }
  EXPECT_TRUE(reply_matches(cases[5].reply, client, std::nullopt));
}

TEST(UpstreamReply, IsWrittenAnewForTheClient) {
  const Query client = client_of("WwW.Example.org", 1, {.id = 0x4242, .flags = 0x0110});
  // AA, RD, RA, AD and Z from upstream; its OPT with an option.
  const Octets reply = reply_to(1, 1, 0, 1, 0x85e0)
                           .pointer(12)
                           .u16(1)
                           .u16(1)
                           .u32(60)
                           .u16(4)
                           .octets(kAddressOctets)
                           .opt(4096, 0, Octets{0, 3, 0, 1, 'x'})
                           .bytes();
  const auto [result, message] = rebuild(reply, client);
  ASSERT_EQ(result.status, RebuildStatus::kOk);
  EXPECT_EQ(message.id, 0x4242);
  EXPECT_FALSE(message.aa);
  EXPECT_TRUE(message.rd);
  EXPECT_TRUE(message.ra);
  EXPECT_FALSE(message.ad);
  EXPECT_TRUE(message.cd);
  EXPECT_FALSE(message.edns);
  EXPECT_THAT(message.question, ElementsAre("WwW.Example.org. IN A"));
  EXPECT_THAT(message.answer, ElementsAre("WwW.Example.org. 60 IN A 192.0.2.1"));
  EXPECT_THAT(message.additional, IsEmpty());
}

TEST(UpstreamReply, StandsBehindTheAliasesThatLedToIt) {
  Query client = client_of("Docs.mesh", 1, {.id = 0x4242, .flags = 0x0120});
  client.aliases = {{.ttl = 30, .target = *Name::from_text("hop.mesh")},
                    {.ttl = 60, .target = *Name::from_text("WWW.Example.org")}};
  Octets asked(kMaxUpstreamQueryOctets);
  asked.resize(write_upstream_query(client, 9, 1232, asked));
  const auto query = judge(asked);
  ASSERT_TRUE(query.has_value());
  EXPECT_THAT(query->question, ElementsAre("www.example.org. IN A"));

  const auto reply = [](unsigned rcode, unsigned answers) {
    MessageBytes bytes = reply_to(1, answers, 0, 0, 0x81a0U | rcode);
    if (answers != 0) {
      bytes.record("www.example.org", 1, 60, kAddressOctets);
    }
    return bytes.bytes();
  };
  const auto [result, message] = rebuild(reply(0, 1), client, {.trusted_upstream = true});
  ASSERT_EQ(result.status, RebuildStatus::kOk);
  EXPECT_THAT(message.question, ElementsAre("Docs.mesh. IN A"));
  EXPECT_THAT(message.answer, ElementsAre("Docs.mesh. 30 IN CNAME hop.mesh.",
                                          "hop.mesh. 60 IN CNAME WWW.Example.org.",
                                          "www.example.org. 60 IN A 192.0.2.1"));
  EXPECT_FALSE(message.ad) << "nobody signed our aliases";
  // RFC 2308 section 2.1: the rcode is that of the last name.
  const auto [denied, denial] = rebuild(reply(3, 0), client);
  ASSERT_EQ(denied.status, RebuildStatus::kOk);
  EXPECT_EQ(denial.rcode, rcode::kNxDomain);
  EXPECT_THAT(denial.answer, testing::SizeIs(2));
  // A reply to the client's own question is not the one that was asked for.
  const Query other = client_of("Docs.mesh", 1);
  EXPECT_EQ(rebuild(reply(0, 1), other).result.status, RebuildStatus::kNotOurs);
}

TEST(UpstreamReply, PutsOurOptIntoAnswersForEdnsClients) {
  const Query client = client_of("www.example.org", 1, {.edns = 4096, .dnssec_ok = true});
  const auto [result, message] = rebuild(reply_to(1, 0, 0, 0).bytes(), client);
  ASSERT_EQ(result.status, RebuildStatus::kOk);
  EXPECT_TRUE(message.edns);
  EXPECT_EQ(message.udp_size, 1232);
  EXPECT_TRUE(message.dnssec_ok);
  EXPECT_THAT(message.edns_options, IsEmpty());
}

struct AuthenticCase {
  unsigned client_flags;
  bool dnssec_ok;
  bool trusted;
  bool upstream_says;
  bool told;
};

TEST(UpstreamReply, PassesAdOnlyFromATrustedServerToAClientThatAsks) {
  const std::vector<AuthenticCase> cases{
      {0x0120, false, true, true, true},   {0x0120, false, false, true, false},
      {0x0100, false, true, true, false},  {0x0100, true, true, true, true},
      {0x0120, false, true, false, false},
  };
  for (const AuthenticCase& row : cases) {
    const Query client = client_of("www.example.org", 1,
                                   {.flags = static_cast<std::uint16_t>(row.client_flags),
                                    .edns = 1232,
                                    .dnssec_ok = row.dnssec_ok});
    const auto rebuilt = rebuild(reply_to(1, 0, 0, 0, row.upstream_says ? 0x81a0 : 0x8180).bytes(),
                                 client, {.trusted_upstream = row.trusted});
    EXPECT_EQ(rebuilt.message.ad, row.told);
  }
}

// RDATA as upstream sent it, with pointers into the question (12: www.example.org, 16:
// example.org), and how ldns must read ours.
struct RdataCase {
  unsigned type;
  Octets rdata;
  std::string text;
};

TEST(UpstreamReply, ExpandsNamesInTheRdataOfKnownTypes) {
  const auto bytes = [] { return MessageBytes(); };
  const std::vector<RdataCase> cases{
      {2, bytes().u8(2).octets({'n', 's'}).pointer(16).bytes(), "NS ns.example.org."},
      {5, bytes().u8(1).octets({'c'}).pointer(16).bytes(), "CNAME c.example.org."},
      {12, bytes().pointer(16).bytes(), "PTR example.org."},
      {15, bytes().u16(10).u8(2).octets({'m', 'x'}).pointer(16).bytes(), "MX 10 mx.example.org."},
      {6,
       bytes()
           .pointer(16)
           .u8(1)
           .octets({'h'})
           .pointer(16)
           .u32(1)
           .u32(2)
           .u32(3)
           .u32(4)
           .u32(5)
           .bytes(),
       "SOA example.org. h.example.org. 1 2 3 4 5"},
      {14, bytes().pointer(12).pointer(16).bytes(), "MINFO www.example.org. example.org."},
      // RFC 3597 section 4: may come compressed from old servers, never leaves so.
      {33, bytes().u16(1).u16(2).u16(80).pointer(12).bytes(), "SRV 1 2 80 www.example.org."},
      {17, bytes().pointer(12).pointer(16).bytes(), "RP www.example.org. example.org."},
      {18, bytes().u16(1).pointer(12).bytes(), "AFSDB 1 www.example.org."},
      {21, bytes().u16(1).pointer(12).bytes(), "RT 1 www.example.org."},
      {26, bytes().u16(1).pointer(12).pointer(16).bytes(), "PX 1 www.example.org. example.org."},
      {35, bytes().u16(1).u16(2).octets({1, 'u', 1, 's', 0}).pointer(12).bytes(),
       R"(NAPTR 1 2 "u" "s" "" www.example.org.)"},
      {24, bytes().octets(Octets(18, 0)).pointer(16).u8(7).bytes(),
       "SIG TYPE0 0 0 0 19700101000000 19700101000000 0 example.org. Bw=="},
      {30, bytes().pointer(16).u8(0x40).bytes(), R"(NXT example.org. \# 1 40)"},
      // Opaque: octets that look like a pointer stay what they are.
      {65280, {0xc0, 0x0c}, R"(TYPE65280 \# 2 c00c)"},
      {16, {2, 0xc0, 0x0c}, R"(TXT "\192\012")"},
  };
  for (const RdataCase& row : cases) {
    const Query client = client_of("www.example.org", row.type);
    const Octets reply =
        reply_to(row.type, 1, 0, 0).record("www.example.org", row.type, 60, row.rdata).bytes();
    const auto [result, message] = rebuild(reply, client);
    EXPECT_EQ(result.status, RebuildStatus::kOk) << row.text;
    EXPECT_THAT(message.answer, ElementsAre("www.example.org. 60 IN " + row.text));
  }
}

TEST(UpstreamReply, NeverCompressesRdataOfTypesOutsideRfc1035) {
  const Query client = client_of("www.example.org", 33);
  const Octets rdata = MessageBytes().u16(1).u16(2).u16(80).name("www.example.org").bytes();
  const Octets reply = reply_to(33, 1, 0, 0).record("www.example.org", 33, 60, rdata).bytes();
  std::array<std::uint8_t, 512> buffer{};
  const RebuildResult result = rebuild_reply(reply, client, {}, buffer);
  ASSERT_EQ(result.status, RebuildStatus::kOk);
  const Octets written(buffer.begin() + static_cast<std::ptrdiff_t>(result.size - rdata.size()),
                       buffer.begin() + static_cast<std::ptrdiff_t>(result.size));
  EXPECT_EQ(written, rdata);
}

struct MalformedCase {
  std::string what;
  unsigned type;
  Octets rdata;
};

TEST(UpstreamReply, RejectsRdataThatIsNotOfItsTypesForm) {
  const std::vector<MalformedCase> cases{
      {"empty NS", 2, {}},
      {"octet behind the name", 2, {1, 'a', 0, 9}},
      {"name that runs over the RDATA", 5, {9, 'a'}},
      {"pointer forwards", 5, {0xc0, 0xff}},
      {"pointer to itself", 5, {0xc0, 43}},
      {"MX without a name", 15, {0, 1}},
      {"cut SOA", 6, {0, 0, 0, 0, 0, 1}},
      {"NAPTR string that runs over", 35, {0, 1, 0, 2, 200, 'x'}},
      {"NXT without types", 30, {1, 'a', 0}},
      {"A of three octets", 1, {192, 0, 2}},
      {"A of five octets", 1, {192, 0, 2, 1, 0}},
      {"A of none", 1, {}},
      {"AAAA of an A's octets", 28, {192, 0, 2, 1}},
  };
  for (const MalformedCase& row : cases) {
    const Octets reply =
        reply_to(row.type, 1, 0, 0).record("www.example.org", row.type, 60, row.rdata).bytes();
    const Query client = client_of("www.example.org", row.type);
    EXPECT_EQ(rebuild(reply, client).result.status, RebuildStatus::kMalformed) << row.what;
  }
}

TEST(UpstreamReply, HandsOnAnAddressOfAnotherClassAsItIs) {
  // RFC 1035 section 3.4.1: A is so only in the Internet; CHAOS has a name and an octal number.
  const Octets reply = MessageBytes()
                           .header(0, 0x8180, 1, 1, 0, 0)
                           .question("www.example.org", 1, 3)
                           .pointer(12)
                           .u16(1)
                           .u16(3)
                           .u32(60)
                           .u16(3)
                           .octets({0, 1, 2})
                           .bytes();
  Query client;
  client.assign_question(*Name::from_text("www.example.org"), 1, 3);
  std::array<std::uint8_t, 512> buffer{};
  const RebuildResult result = rebuild_reply(reply, client, {}, buffer);
  ASSERT_EQ(result.status, RebuildStatus::kOk);
  EXPECT_THAT(std::vector(buffer.begin() + static_cast<std::ptrdiff_t>(result.size - 5),
                          buffer.begin() + static_cast<std::ptrdiff_t>(result.size)),
              ElementsAre(0, 3, 0, 1, 2));
}

TEST(UpstreamReply, RejectsMalformedRdataInEverySection) {
  const Octets short_address{192, 0, 2};
  for (std::size_t bad = 0; bad < 3; ++bad) {
    MessageBytes reply = reply_to(1, 1, 1, 1);
    for (std::size_t section = 0; section < 3; ++section) {
      reply.record("www.example.org", 1, 60,
                   section == bad ? short_address : Octets(kAddressOctets));
    }
    EXPECT_EQ(rebuild(reply.bytes(), client_of("www.example.org", 1)).result.status,
              RebuildStatus::kMalformed)
        << bad;
  }
}

TEST(UpstreamReply, RejectsWhatDoesNotParse) {
  const Query client = client_of("www.example.org", 1);
  const Octets whole =
      reply_to(1, 1, 0, 1).record("www.example.org", 1, 60, kAddressOctets).opt(1232).bytes();
  ASSERT_EQ(rebuild(whole, client).result.status, RebuildStatus::kOk);
  const std::size_t question_end = 12 + 17 + 4;
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const Octets prefix(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    EXPECT_EQ(rebuild(prefix, client).result.status,
              size < question_end ? RebuildStatus::kNotOurs : RebuildStatus::kMalformed)
        << size;
  }
}

TEST(UpstreamReply, RejectsTwoOptsAndOptOutOfPlace) {
  const Query client = client_of("www.example.org", 1);
  EXPECT_EQ(rebuild(reply_to(1, 0, 0, 2).opt(512).opt(512).bytes(), client).result.status,
            RebuildStatus::kMalformed);
  EXPECT_EQ(rebuild(reply_to(1, 1, 0, 0).opt(512).bytes(), client).result.status,
            RebuildStatus::kMalformed);
}

struct TtlCase {
  std::uint32_t sent;
  std::string shown;
};

TEST(UpstreamReply, TakesATtlWithTheTopBitForZero) {
  const std::vector<TtlCase> cases{
      {0x7fffffff, "2147483647"}, {0x80000000, "0"}, {0xffffffff, "0"}};
  for (const TtlCase& row : cases) {
    const Octets reply =
        reply_to(1, 1, 0, 0).record("www.example.org", 1, row.sent, kAddressOctets).bytes();
    EXPECT_THAT(rebuild(reply, client_of("www.example.org", 1)).message.answer,
                ElementsAre("www.example.org. " + row.shown + " IN A 192.0.2.1"));
  }
}

TEST(UpstreamReply, TurnsAnExtendedRcodeIntoServfail) {
  const Query client = client_of("www.example.org", 1, {.edns = 1232});
  const auto [result, message] = rebuild(reply_to(1, 0, 0, 1).opt(512, 0x01000000).bytes(), client);
  ASSERT_EQ(result.status, RebuildStatus::kOk);
  EXPECT_EQ(result.rcode, rcode::kServFail);
  EXPECT_EQ(message.rcode, rcode::kServFail);
  EXPECT_EQ(message.extended_rcode, 0);
}

TEST(UpstreamReply, PassesOtherRcodes) {
  for (unsigned rcode = 0; rcode < 16; ++rcode) {
    const auto rebuilt =
        rebuild(reply_to(1, 0, 0, 0, kReplyFlags | rcode).bytes(), client_of("www.example.org", 1));
    EXPECT_EQ(rebuilt.message.rcode, rcode);
    EXPECT_EQ(rebuilt.result.rcode, rcode);
  }
}

TEST(UpstreamReply, LeavesOutTsig) {
  const Octets reply =
      reply_to(1, 0, 0, 1).record("key.example.org", 250, 0, Octets(20, 1)).bytes();
  EXPECT_THAT(rebuild(reply, client_of("www.example.org", 1)).message.additional, IsEmpty());
}

Octets with_addresses(unsigned count, unsigned authorities, unsigned additionals) {
  MessageBytes reply = reply_to(1, count, authorities, additionals);
  for (unsigned i = 0; i < count; ++i) {
    reply.record("www.example.org", 1, 60, kAddressOctets);
  }
  for (unsigned i = 0; i < authorities; ++i) {
    reply.record("example.org", 65280, 60, Octets(20, 1));
  }
  for (unsigned i = 0; i < additionals; ++i) {
    reply.record("example.org", 65281, 60, Octets(20, 1));
  }
  return reply.bytes();
}

struct FitCase {
  std::string what;
  unsigned answers;
  unsigned authorities;
  unsigned additionals;
  Transport transport;
  std::size_t want_answers;
  std::size_t want_authorities;
  std::size_t want_additionals;
  bool truncated;
};

TEST(UpstreamReply, IsCutBySectionsToTheClientsSize) {
  // 512 octets: 33 of header and question, 16 an address, 32 another record.
  const std::vector<FitCase> cases{
      {"all fit", 10, 2, 2, Transport::kUdp, 10, 2, 2, false},
      {"the last address that fits", 29, 0, 0, Transport::kUdp, 29, 0, 0, false},
      {"one address too many", 30, 0, 0, Transport::kUdp, 0, 0, 0, true},
      {"additional goes in silence", 20, 1, 9, Transport::kUdp, 20, 1, 0, false},
      {"authority goes in silence, additional with it", 20, 9, 1, Transport::kUdp, 20, 0, 0, false},
      {"authority of an answer without records matters", 0, 20, 0, Transport::kUdp, 0, 0, 0, true},
      {"TCP has room", 1000, 20, 20, Transport::kTcp, 1000, 20, 20, false},
  };
  for (const FitCase& row : cases) {
    const Octets reply = with_addresses(row.answers, row.authorities, row.additionals);
    const auto [result, message] =
        rebuild(reply, client_of("www.example.org", 1), {.transport = row.transport});
    ASSERT_EQ(result.status, RebuildStatus::kOk) << row.what;
    EXPECT_THAT(message.answer, SizeIs(row.want_answers)) << row.what;
    EXPECT_THAT(message.authority, SizeIs(row.want_authorities)) << row.what;
    EXPECT_THAT(message.additional, SizeIs(row.want_additionals)) << row.what;
    EXPECT_EQ(message.tc, row.truncated) << row.what;
    EXPECT_EQ(result.truncated, row.truncated) << row.what;
  }
}

TEST(UpstreamReply, NeverPassesATruncatedReplyAsWhole) {
  // Cut in the middle of a record, as some servers do.
  Octets reply =
      reply_to(1, 2, 0, 0, 0x8380).record("www.example.org", 1, 60, kAddressOctets).bytes();
  reply.push_back(3);
  const Query client = client_of("www.example.org", 1);
  const auto [result, message] = rebuild(reply, client);
  ASSERT_EQ(result.status, RebuildStatus::kOk);
  EXPECT_TRUE(message.tc);
  EXPECT_THAT(message.answer, IsEmpty());
  EXPECT_EQ(rebuild(reply, client, {.transport = Transport::kTcp}).result.status,
            RebuildStatus::kTruncated);
}

TEST(UpstreamReply, SaysWhenItGrowsTooLargeForAnyMessage) {
  // 65,000 octets of SRV records whose targets are pointers: expanded they fit no message.
  MessageBytes reply = reply_to(33, 3000, 0, 0);
  for (unsigned i = 0; i < 3000; ++i) {
    reply.pointer(12).u16(33).u16(1).u32(60).u16(8).u16(0).u16(0).u16(i).pointer(12);
  }
  const Query client = client_of("www.example.org", 33);
  EXPECT_EQ(rebuild(reply.bytes(), client, {.transport = Transport::kTcp}).result.status,
            RebuildStatus::kTruncated);
}

TEST(ReplyStatus, TellsWhatThePolicyNeeds) {
  const ReplyStatus bad_version = inspect_reply(reply_to(1, 0, 0, 1).opt(512, 0x01000000).bytes());
  EXPECT_TRUE(bad_version.parses);
  EXPECT_TRUE(bad_version.has_edns);
  EXPECT_EQ(bad_version.rcode, rcode::kBadVers);
  const ReplyStatus formerr = inspect_reply(MessageBytes().header(9, 0x8181, 0, 0, 0, 0).bytes());
  EXPECT_TRUE(formerr.parses);
  EXPECT_FALSE(formerr.has_edns);
  EXPECT_EQ(formerr.rcode, rcode::kFormErr);
  EXPECT_TRUE(inspect_reply(reply_to(1, 0, 0, 0, 0x8380).bytes()).truncated);
  EXPECT_FALSE(inspect_reply(Octets(11, 0)).parses);
}

// Else one client would be told what another is not.
TEST(UpstreamReply, WhatIsMalformedIsSoWhetherItFitsOrNot) {
  constexpr std::array<std::uint8_t, 4> kAddress{192, 0, 2, 1};
  const Query client = client_of("www.example.org", rrtype::kA);
  for (const unsigned good : {1U, 100U}) {
    for (const Section section : {Section::kAnswer, Section::kAdditional}) {
      const bool is_answer = section == Section::kAnswer;
      MessageBytes reply =
          reply_to(rrtype::kA, is_answer ? good + 1 : 0, 0, is_answer ? 0 : good + 1);
      for (unsigned i = 0; i < good; ++i) {
        reply.record("www.example.org", rrtype::kA, 60, kAddress);
      }
      reply.record("www.example.org", rrtype::kA, 60, std::span(kAddress).first(3));
      for (const Transport transport : {Transport::kUdp, Transport::kTcp}) {
        EXPECT_EQ(rebuild(reply.bytes(), client, {.transport = transport}).result.status,
                  RebuildStatus::kMalformed)
            << good;
      }
    }
  }
}

}  // namespace
}  // namespace meshdns::dns
