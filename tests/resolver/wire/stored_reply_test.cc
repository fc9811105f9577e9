#include "resolver/wire/stored_reply.h"

#include <cstdint>
#include <optional>
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
#include "resolver/wire/upstream_reply.h"
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

constexpr unsigned kReplyFlags = 0x8180;
constexpr unsigned kAdFlags = 0x81a0;
const Octets kAddress{192, 0, 2, 1};

Query client_of(std::string_view name, unsigned type, const QueryOptions& options = {}) {
  Query query;
  EXPECT_EQ(parse_query(make_query(name, type, options), query), ParseStatus::kOk);
  return query;
}

StoredReply stored(const Octets& reply, const Query& client) {
  StoredReply stored;
  std::vector<std::uint8_t> scratch(kMaxMessageOctets);
  EXPECT_EQ(store_reply(reply, client, scratch, stored).status, RebuildStatus::kOk);
  return stored;
}

struct Written {
  RebuildResult result;
  JudgedMessage message;
};

Written write(StoredReply reply, const Query& client, const TtlView& ttl = {},
              const RebuildOptions& options = {}) {
  std::vector<std::uint8_t> buffer(response_limit(client, options.transport, 1232));
  Written written{write_stored_reply(reply, ttl, client, options, buffer), {}};
  if (written.result.status == RebuildStatus::kOk) {
    const auto message = judge(std::span(buffer).first(written.result.size));
    EXPECT_TRUE(message.has_value());
    written.message = message.value_or(JudgedMessage());
  }
  return written;
}

// An alias and its target's address, a name server and its address, all of which end alike.
Octets chain_reply(unsigned flags = kReplyFlags) {
  const Octets target = MessageBytes().name("web.example.org").bytes();
  const Octets server = MessageBytes().name("ns.example.org").bytes();
  return MessageBytes()
      .header(9, flags, 1, 2, 1, 2)
      .question("www.example.org", rrtype::kA)
      .record("www.example.org", rrtype::kCname, 300, target)
      .record("web.example.org", rrtype::kA, 60, kAddress)
      .record("example.org", rrtype::kNs, 40, server)
      .record("ns.example.org", rrtype::kA, 30, kAddress)
      .opt(4096)
      .bytes();
}

Octets denial_reply() {
  const Octets soa =
      MessageBytes().name("ns.org").name("root.org").u32(1).u32(2).u32(3).u32(4).u32(20).bytes();
  return MessageBytes()
      .header(9, 0x8183, 1, 0, 1, 0)
      .question("gone.org", rrtype::kA)
      .record("org", rrtype::kSoa, 300, soa)
      .bytes();
}

TEST(StoredReply, BecomesEachClientsOwnResponse) {
  const StoredReply reply = stored(chain_reply(), client_of("www.example.org", rrtype::kA));
  const Written plain = write(reply, client_of("WWW.eXample.org", rrtype::kA, {.id = 77}));
  EXPECT_EQ(plain.message.id, 77);
  EXPECT_TRUE(plain.message.ra);
  EXPECT_FALSE(plain.message.aa);
  EXPECT_FALSE(plain.message.edns);
  EXPECT_THAT(plain.message.question, ElementsAre("WWW.eXample.org. IN A"));
  EXPECT_THAT(plain.message.answer, ElementsAre("WWW.eXample.org. 300 IN CNAME web.eXample.org.",
                                                "web.eXample.org. 60 IN A 192.0.2.1"));
  EXPECT_THAT(plain.message.authority, ElementsAre("eXample.org. 40 IN NS ns.eXample.org."));
  EXPECT_THAT(plain.message.additional, ElementsAre("ns.eXample.org. 30 IN A 192.0.2.1"));
  const Written edns =
      write(reply, client_of("www.example.org", rrtype::kA, {.edns = 4096, .dnssec_ok = true}));
  EXPECT_TRUE(edns.message.edns);
  EXPECT_TRUE(edns.message.dnssec_ok);
}

TEST(StoredReply, IsTheReplyThatRebuildingGives) {
  for (const Octets& reply : {chain_reply(), chain_reply(kAdFlags)}) {
    for (const QueryOptions& options :
         {QueryOptions{}, QueryOptions{.flags = 0x0120}, QueryOptions{.edns = 512}}) {
      for (const bool trusted : {false, true}) {
        const Query client = client_of("www.example.org", rrtype::kA, options);
        const RebuildOptions rebuild{.transport = Transport::kUdp, .trusted_upstream = trusted};
        std::vector<std::uint8_t> direct(512);
        std::vector<std::uint8_t> kept(512);
        const RebuildResult expected = rebuild_reply(reply, client, rebuild, direct);
        StoredReply form = stored(reply, client);
        const RebuildResult result = write_stored_reply(form, {}, client, rebuild, kept);
        EXPECT_EQ(result.size, expected.size);
        EXPECT_EQ(kept, direct);
      }
    }
  }
}

// As comes back where the case of a question is drawn by lot.
TEST(StoredReply, NamesThatEndInTheQuestionDoSoInTheClientsCase) {
  const Octets target = MessageBytes().name("a.wWw.eXample.oRg").bytes();
  const Octets reply = MessageBytes()
                           .header(9, kReplyFlags, 1, 1, 0, 0)
                           .question("wWw.eXample.oRg", rrtype::kMx)
                           .record("wWw.eXample.oRg", rrtype::kCname, 300, target)
                           .bytes();
  const Query client = client_of("www.example.org", rrtype::kMx);
  const Written written = write(stored(reply, client), client);
  EXPECT_THAT(written.message.answer,
              ElementsAre("www.example.org. 300 IN CNAME a.www.example.org."));
  EXPECT_EQ(written.result.size, reply.size() - target.size() + 4 - 15);
}

TEST(StoredReply, CountsTtlsDownToZero) {
  const Query client = client_of("www.example.org", rrtype::kA);
  const StoredReply reply = stored(chain_reply(), client);
  EXPECT_THAT(write(reply, client, {.age = 50}).message.answer,
              ElementsAre("www.example.org. 250 IN CNAME web.example.org.",
                          "web.example.org. 10 IN A 192.0.2.1"));
  EXPECT_THAT(write(reply, client, {.age = 50}).message.authority,
              ElementsAre("example.org. 0 IN NS ns.example.org."));
  EXPECT_THAT(write(reply, client, {.age = 0xffffffff}).message.answer,
              ElementsAre("www.example.org. 0 IN CNAME web.example.org.",
                          "web.example.org. 0 IN A 192.0.2.1"));
  // Stale: at most so long, whatever the age (RFC 8767 section 4).
  const ExtendedError stale{extended_error::kStaleAnswer, "upstream does not answer"};
  const Query edns = client_of("www.example.org", rrtype::kA, {.edns = 1232});
  const Written told = write(reply, edns, {.age = 9000, .at_most = 30}, {.error = &stale});
  EXPECT_THAT(told.message.answer, ElementsAre("www.example.org. 30 IN CNAME web.example.org.",
                                               "web.example.org. 30 IN A 192.0.2.1"));
  ASSERT_TRUE(told.message.extended_error);
  EXPECT_EQ(told.message.extended_error->code, extended_error::kStaleAnswer);
}

TEST(StoredReply, IsShortenedAsRebuildingWould) {
  MessageBytes bytes;
  bytes.header(9, kReplyFlags, 1, 40, 0, 0).question("www.example.org", rrtype::kA);
  for (std::uint8_t i = 0; i < 40; ++i) {
    bytes.record("www.example.org", rrtype::kA, 60, Octets{192, 0, 2, i});
  }
  const Query client = client_of("www.example.org", rrtype::kA);
  const StoredReply reply = stored(bytes.bytes(), client);
  const Written udp = write(reply, client, {.age = 1});
  EXPECT_TRUE(udp.message.tc);
  EXPECT_THAT(udp.message.answer, IsEmpty());
  const Written tcp = write(reply, client, {.age = 1}, {.transport = Transport::kTcp});
  EXPECT_FALSE(tcp.message.tc);
  ASSERT_EQ(tcp.message.answer.size(), 40);
  EXPECT_EQ(tcp.message.answer[39], "www.example.org. 59 IN A 192.0.2.39");
}

TEST(StoredReply, StandsBehindAliasesOfOurs) {
  Query client = client_of("ours.mesh", rrtype::kA);
  client.aliases.push_back({.ttl = 5, .target = Name::from_text("www.example.org").value()});
  const StoredReply reply = stored(chain_reply(), client);
  EXPECT_THAT(write(reply, client, {.age = 10}).message.answer,
              ElementsAre("ours.mesh. 5 IN CNAME www.example.org.",
                          "www.example.org. 290 IN CNAME web.example.org.",
                          "web.example.org. 50 IN A 192.0.2.1"));
}

TEST(StoredReply, ADenialHoldsForOtherTypes) {
  const StoredReply reply = stored(denial_reply(), client_of("gone.org", rrtype::kA));
  const Written written =
      write(reply, client_of("Gone.org", rrtype::kMx, {.edns = 1232}), {.age = 5});
  EXPECT_EQ(written.message.rcode, rcode::kNxDomain);
  EXPECT_THAT(written.message.question, ElementsAre("Gone.org. IN MX"));
  EXPECT_THAT(written.message.answer, IsEmpty());
  EXPECT_THAT(written.message.authority,
              ElementsAre("org. 15 IN SOA ns.org. root.org. 1 2 3 4 20"));
  EXPECT_TRUE(written.message.edns);
}

// RFC 2308 section 6: with the TTL decremented. Of a larger one who keeps our response would see
// MINIMUM alone, and begin anew with it each time.
TEST(StoredReply, ADenialsSoaLastsAsLongAsTheDenial) {
  const Octets soa =
      MessageBytes().name("ns.org").name("root.org").u32(1).u32(2).u32(3).u32(4).u32(20).bytes();
  const Octets target = MessageBytes().name("web.org").bytes();
  const Query client = client_of("www.example.org", rrtype::kA);
  const auto shown = [&](unsigned flags, std::uint32_t soa_ttl, bool alias, bool address) {
    MessageBytes bytes;
    bytes.header(1, flags, 1, (alias ? 1U : 0U) + (address ? 1U : 0U), 1, 0);
    bytes.question("www.example.org", rrtype::kA);
    if (alias) {
      bytes.record("www.example.org", rrtype::kCname, 100, target);
    }
    if (address) {
      bytes.record("web.org", rrtype::kA, 60, kAddress);
    }
    bytes.record("org", rrtype::kSoa, soa_ttl, soa);
    return write(stored(bytes.bytes(), client), client, {.age = 8}).message.authority;
  };
  constexpr std::string_view kSoa = " IN SOA ns.org. root.org. 1 2 3 4 20";
  for (const unsigned flags : {kReplyFlags, 0x8183U}) {
    for (const bool alias : {false, true}) {
      EXPECT_THAT(shown(flags, 300, alias, false), ElementsAre("org. 12" + std::string(kSoa)));
      EXPECT_THAT(shown(flags, 10, alias, false), ElementsAre("org. 2" + std::string(kSoa)));
    }
  }
  EXPECT_THAT(shown(kReplyFlags, 300, true, true), ElementsAre("org. 292" + std::string(kSoa)))
      << "an answer's is no denial";
}

TEST(StoredReply, SaysWhatItIsAndHowLong) {
  const Query client = client_of("www.example.org", rrtype::kA);
  const Octets soa =
      MessageBytes().name("ns.org").name("root.org").u32(1).u32(2).u32(3).u32(4).u32(20).bytes();
  const Octets target = MessageBytes().name("web.org").bytes();
  struct Row {
    std::string_view what;
    unsigned flags;
    bool alias;
    bool address;
    bool has_soa;
    ReplyKind kind;
    std::optional<std::uint32_t> ttl;
  };
  for (const Row& row : {
           Row{"an address", kReplyFlags, false, true, false, ReplyKind::kAnswer, 60},
           Row{"an alias and an address", kReplyFlags, true, true, false, ReplyKind::kAnswer, 50},
           Row{"nothing of the type", kReplyFlags, false, false, true, ReplyKind::kNoData, 20},
           Row{"an alias to nothing", kReplyFlags, true, false, true, ReplyKind::kNoData, 20},
           Row{"no SOA", kReplyFlags, false, false, false, ReplyKind::kNoData, std::nullopt},
           Row{"no name", 0x8183, false, false, true, ReplyKind::kNoSuchName, 20},
           Row{"an alias to no name", 0x8183, true, false, true, ReplyKind::kNoTarget, 20},
           Row{"a failure", 0x8182, false, false, true, ReplyKind::kFailure, std::nullopt},
       }) {
    SCOPED_TRACE(row.what);
    MessageBytes bytes;
    bytes.header(1, row.flags, 1, (row.alias ? 1U : 0U) + (row.address ? 1U : 0U),
                 row.has_soa ? 1 : 0, 0);
    bytes.question("www.example.org", rrtype::kA);
    if (row.alias) {
      bytes.record("www.example.org", rrtype::kCname, 50, target);
    }
    if (row.address) {
      bytes.record(row.alias ? "web.org" : "www.example.org", rrtype::kA, 60, kAddress);
    }
    if (row.has_soa) {
      bytes.record("org", rrtype::kSoa, 300, soa);
    }
    StoredReply stored;
    std::vector<std::uint8_t> scratch(kMaxMessageOctets);
    const ReplyFacts facts = store_reply(bytes.bytes(), client, scratch, stored).facts;
    EXPECT_EQ(facts.kind, row.kind);
    EXPECT_EQ(facts.ttl, row.ttl);
  }
}

TEST(StoredReply, IsNotMadeOfWhatIsNoReply) {
  const Query client = client_of("www.example.org", rrtype::kA);
  StoredReply reply;
  std::vector<std::uint8_t> scratch(kMaxMessageOctets);
  EXPECT_EQ(store_reply(denial_reply(), client, scratch, reply).status, RebuildStatus::kNotOurs);
  EXPECT_EQ(store_reply(chain_reply(kReplyFlags | 0x0200), client, scratch, reply).status,
            RebuildStatus::kTruncated);
  Octets cut = chain_reply();
  cut.pop_back();
  EXPECT_EQ(store_reply(cut, client, scratch, reply).status, RebuildStatus::kMalformed);
}

}  // namespace
}  // namespace meshdns::dns
