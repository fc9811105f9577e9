
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/ip_address.h"
#include "discovery/service.h"
#include "resolver/answer/outcome.h"
#include "resolver/answer/query_handler.h"
#include "resolver/snapshot/snapshot.h"
#include "resolver/snapshot/snapshot_builder.h"
#include "resolver/snapshot/static_records.h"
#include "resolver/snapshot/zone_set.h"
#include "resolver/wire/name.h"
#include "resolver/wire/protocol.h"
#include "resolver/wire/query.h"
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
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr std::uint16_t kMx = 15;
constexpr std::uint16_t kTxt = 16;

Name name(std::string_view text) { return Name::from_text(text).value(); }

StaticRecord record(std::string_view owner, std::uint16_t type, const MessageBytes& rdata,
                    std::uint32_t ttl = 60) {
  return {.owner = name(owner), .type = type, .ttl = ttl, .rdata = rdata.bytes(), .origin = "z:1"};
}

StaticRecord text(std::string_view owner, const std::string& word) {
  MessageBytes rdata;
  rdata.u8(static_cast<unsigned>(word.size())).octets(Octets(word.begin(), word.end()));
  return record(owner, kTxt, rdata);
}

StaticRecord address(std::string_view owner, std::uint8_t last) {
  return record(owner, rrtype::kA, MessageBytes().octets({192, 0, 2, last}));
}

StaticRecord alias(std::string_view owner, std::string_view target) {
  return record(owner, rrtype::kCname, MessageBytes().name(target));
}

const std::string kMeshSoa = "mesh. 5 IN SOA mesh. nobody.invalid. 1 3600 1200 604800 5";

class StaticAnswerTest : public testing::Test {
 protected:
  StaticAnswerTest() {
    auto builder = SnapshotBuilder::create(
        {.owned_zones = {"mesh."}, .vip_pools = {*IpPrefix::parse("244.0.0.0/6")}});
    builder_ = std::move(*builder);
    add_service("web.mesh", "244.0.0.1");
    add_service("served.wild.mesh", "244.0.0.2");
    builder_->set_ready(true);
  }

  void add_service(const std::string& hostname, const char* vip) {
    discovery::Service service;
    service.id = {"default", hostname};
    service.hostnames = {hostname};
    builder_->upsert_service(service, {.addresses = {*IpAddress::parse(vip)}});
  }

  void serve(const std::vector<StaticRecord>& records) {
    const ZoneSet owned({{name("mesh"), false, std::nullopt}});
    auto made = StaticRecords::create(records, owned);
    ASSERT_TRUE(made.has_value()) << made.error().message;
    builder_->set_static_records(*made);
    snapshot_ = builder_->build();
  }

  Outcome handle(const Octets& request, Transport transport = Transport::kUdp) {
    response_.assign(65535, 0);
    const Outcome outcome = QueryHandler({}).handle(*snapshot_, request, transport,
                                                    ClientAccess::kAllowed, response_, query_);
    response_.resize(outcome.size);
    return outcome;
  }

  JudgedMessage ask(std::string_view question, std::uint16_t type,
                    const support::QueryOptions& options = {},
                    Transport transport = Transport::kUdp) {
    const Outcome outcome = handle(make_query(question, type, options), transport);
    EXPECT_EQ(outcome.verdict, Verdict::kAnswer) << question;
    const auto message = judge(response_);
    EXPECT_TRUE(message.has_value()) << "ldns cannot read the answer for " << question;
    return message.value_or(JudgedMessage{});
  }

  std::unique_ptr<SnapshotBuilder> builder_;
  std::unique_ptr<const Snapshot> snapshot_;
  Octets response_;
  Query query_;
};

TEST_F(StaticAnswerTest, GivesRecordsOfAnyTypeBesideWhatAFeedGives) {
  serve({text("web.mesh", "hello"), text("only.mesh", "here")});
  EXPECT_THAT(ask("WEB.mesh", kTxt).answer, ElementsAre("WEB.mesh. 60 IN TXT \"hello\""));
  EXPECT_THAT(ask("web.mesh", rrtype::kA).answer, ElementsAre("web.mesh. 30 IN A 244.0.0.1"));
  const JudgedMessage none = ask("only.mesh", rrtype::kA);
  EXPECT_EQ(none.rcode, rcode::kNoError);
  EXPECT_THAT(none.answer, IsEmpty());
  EXPECT_THAT(none.authority, ElementsAre(kMeshSoa));
  EXPECT_TRUE(none.aa);
  EXPECT_EQ(ask("nothing.mesh", kTxt).rcode, rcode::kNxDomain);
}

TEST_F(StaticAnswerTest, AddressesOfItsOwnHideTheFeeds) {
  serve({address("web.mesh", 7)});
  EXPECT_THAT(ask("web.mesh", rrtype::kA).answer, ElementsAre("web.mesh. 60 IN A 192.0.2.7"));
  const JudgedMessage ipv6 = ask("web.mesh", rrtype::kAaaa);
  EXPECT_THAT(ipv6.answer, IsEmpty());
  EXPECT_EQ(ipv6.rcode, rcode::kNoError);
}

TEST_F(StaticAnswerTest, FollowsAliases) {
  serve({alias("a.mesh", "b.mesh"), alias("b.mesh", "web.mesh"),
         alias("lost.mesh", "no.where.mesh"), alias("empty.mesh", "wild.mesh"),
         alias("round.mesh", "round.mesh")});
  EXPECT_THAT(ask("a.mesh", rrtype::kA).answer,
              ElementsAre("a.mesh. 60 IN CNAME b.mesh.", "b.mesh. 60 IN CNAME web.mesh.",
                          "web.mesh. 30 IN A 244.0.0.1"));
  EXPECT_THAT(ask("a.mesh", rrtype::kCname).answer, ElementsAre("a.mesh. 60 IN CNAME b.mesh."));
  EXPECT_THAT(ask("a.mesh", rrtype::kAny).answer, ElementsAre("a.mesh. 60 IN CNAME b.mesh."));

  // RFC 6604 section 3: the rcode is that of the last name.
  const JudgedMessage lost = ask("lost.mesh", rrtype::kA);
  EXPECT_EQ(lost.rcode, rcode::kNxDomain);
  EXPECT_THAT(lost.answer, ElementsAre("lost.mesh. 60 IN CNAME no.where.mesh."));
  EXPECT_THAT(lost.authority, ElementsAre(kMeshSoa));
  const JudgedMessage empty = ask("empty.mesh", rrtype::kA);
  EXPECT_EQ(empty.rcode, rcode::kNoError);
  EXPECT_THAT(empty.authority, ElementsAre(kMeshSoa));
  EXPECT_EQ(ask("round.mesh", rrtype::kA).rcode, rcode::kServFail);
}

TEST_F(StaticAnswerTest, WildcardsStandForNamesBelowTheirClosestEncloserOnly) {
  serve({text("*.wild.mesh", "any"), text("known.wild.mesh", "known"),
         address("known.wild.mesh", 1), alias("*.alias.mesh", "web.mesh"),
         text("a.b.wild.mesh", "deep")});
  EXPECT_THAT(ask("x.wild.mesh", kTxt).answer, ElementsAre("x.wild.mesh. 60 IN TXT \"any\""));
  EXPECT_THAT(ask("x.y.z.wild.mesh", kTxt).answer,
              ElementsAre("x.y.z.wild.mesh. 60 IN TXT \"any\""));
  EXPECT_THAT(ask("*.wild.mesh", kTxt).answer, SizeIs(1));
  const JudgedMessage other_type = ask("x.wild.mesh", kMx);
  EXPECT_EQ(other_type.rcode, rcode::kNoError);
  EXPECT_THAT(other_type.authority, ElementsAre(kMeshSoa));

  // RFC 4592 section 2.2.1: a name that exists, and what is below it, is no match.
  EXPECT_THAT(ask("known.wild.mesh", kTxt).answer,
              ElementsAre("known.wild.mesh. 60 IN TXT \"known\""));
  EXPECT_EQ(ask("below.known.wild.mesh", kTxt).rcode, rcode::kNxDomain);
  EXPECT_THAT(ask("served.wild.mesh", kTxt).answer, IsEmpty());
  EXPECT_EQ(ask("below.served.wild.mesh", kTxt).rcode, rcode::kNxDomain);
  const JudgedMessage non_terminal = ask("b.wild.mesh", kTxt);
  EXPECT_EQ(non_terminal.rcode, rcode::kNoError);
  EXPECT_THAT(non_terminal.answer, IsEmpty());

  EXPECT_THAT(ask("q.alias.mesh", rrtype::kA).answer,
              ElementsAre("q.alias.mesh. 60 IN CNAME web.mesh.", "web.mesh. 30 IN A 244.0.0.1"));
}

TEST_F(StaticAnswerTest, HoldsZonesOfItsOwn) {
  const auto soa = MessageBytes()
                       .name("ns.corp.example")
                       .name("admin.example")
                       .u32(7)
                       .u32(1)
                       .u32(2)
                       .u32(3)
                       .u32(20);
  serve({record("corp.example", rrtype::kSoa, soa, 3600),
         record("corp.example", rrtype::kNs, MessageBytes().name("ns.corp.example")),
         address("ns.corp.example", 53), alias("www.corp.example", "web.mesh")});
  const std::string shown = "SOA ns.corp.example. admin.example. 7 1 2 3 20";
  const JudgedMessage missing = ask("nope.corp.example", rrtype::kA);
  EXPECT_EQ(missing.rcode, rcode::kNxDomain);
  EXPECT_TRUE(missing.aa);
  EXPECT_THAT(missing.authority, ElementsAre("corp.example. 20 IN " + shown));
  EXPECT_THAT(ask("corp.example", rrtype::kSoa).answer,
              ElementsAre("corp.example. 3600 IN " + shown));
  EXPECT_THAT(ask("corp.example", rrtype::kNs).answer,
              ElementsAre("corp.example. 60 IN NS ns.corp.example."));
  EXPECT_THAT(ask("corp.example", kMx).authority, ElementsAre("corp.example. 20 IN " + shown));
  EXPECT_THAT(ask("www.corp.example", rrtype::kA).answer, SizeIs(2));
  EXPECT_EQ(ask("www.corp.example", rrtype::kA, {.qclass = 3}).rcode, rcode::kRefused);
  EXPECT_EQ(handle(make_query("www.example", rrtype::kA)).verdict, Verdict::kForward);
  EXPECT_EQ(handle(make_query("notcorp.example", rrtype::kA)).verdict, Verdict::kForward);
}

TEST_F(StaticAnswerTest, SpeaksBelowAServiceBeforeItsEndpointsHaveComeOnlyForWhatIsWritten) {
  builder_->set_awaits_instances(true);
  serve({address("fixed.web.mesh", 1), text("fixed.web.mesh", "t"), text("*.web.mesh", "any"),
         text("*.mesh", "any")});
  EXPECT_THAT(ask("fixed.web.mesh", rrtype::kA).answer, SizeIs(1));
  EXPECT_THAT(ask("fixed.web.mesh", kTxt).answer, SizeIs(1));
  EXPECT_EQ(ask("x.web.mesh", kTxt).rcode, rcode::kServFail);
  EXPECT_EQ(ask("x.web.mesh", rrtype::kA).rcode, rcode::kServFail);
  EXPECT_THAT(ask("nobody.mesh", kTxt).answer, SizeIs(1));
  builder_->set_awaits_instances(false);
  serve({text("*.web.mesh", "any")});
  EXPECT_THAT(ask("x.web.mesh", kTxt).answer, SizeIs(1));
}

TEST_F(StaticAnswerTest, SpeaksBeforeFeedsHaveOnlyForWhatIsWritten) {
  builder_->set_ready(false);
  serve({address("fixed.mesh", 1), text("fixed.mesh", "t"), text("*.mesh", "any"),
         text("web.mesh", "t")});
  EXPECT_THAT(ask("fixed.mesh", rrtype::kA).answer, SizeIs(1));
  EXPECT_EQ(ask("fixed.mesh", rrtype::kAaaa).rcode, rcode::kNoError);
  EXPECT_THAT(ask("fixed.mesh", kTxt).answer, SizeIs(1));
  for (const char* const open : {"other.mesh", "new.mesh"}) {
    const JudgedMessage message = ask(open, kTxt, {.edns = 1232});
    EXPECT_EQ(message.rcode, rcode::kServFail) << open;
    ASSERT_TRUE(message.extended_error.has_value());
    EXPECT_EQ(message.extended_error->code, extended_error::kNotReady);
  }
}

TEST_F(StaticAnswerTest, AHostsNameOfNoZoneIsOursForItsAddressesOnly) {
  serve({address("printer.example", 9)});
  EXPECT_THAT(ask("printer.example", rrtype::kA).answer, SizeIs(1));
  const JudgedMessage ipv6 = ask("printer.example", rrtype::kAaaa);
  EXPECT_EQ(ipv6.rcode, rcode::kNoError);
  EXPECT_THAT(ipv6.authority, IsEmpty());
  EXPECT_EQ(handle(make_query("printer.example", kMx)).verdict, Verdict::kForward);
  EXPECT_EQ(handle(make_query("example", rrtype::kA)).verdict, Verdict::kForward);
}

TEST_F(StaticAnswerTest, TruncatesWhatDoesNotFitAndGivesItWholeOverTcp) {
  std::vector<StaticRecord> records{alias("to.mesh", "big.mesh")};
  for (int i = 0; i < 100; ++i) {
    records.push_back(text("big.mesh", std::to_string(i) + std::string(200, 'x')));
  }
  serve(records);
  for (const char* const question : {"big.mesh", "to.mesh"}) {
    const JudgedMessage cut = ask(question, kTxt, {.edns = 1232});
    EXPECT_TRUE(cut.tc);
    EXPECT_LE(response_.size(), 1232U);
    const JudgedMessage whole = ask(question, kTxt, {}, Transport::kTcp);
    EXPECT_FALSE(whole.tc);
    EXPECT_EQ(whole.answer.size(), question == std::string("big.mesh") ? 100U : 101U);
  }
}

TEST_F(StaticAnswerTest, AliasesLeadToWhatIsSaidOfTheirTargets) {
  discovery::Service service;
  service.id = {"default", "held"};
  service.hostnames = {"held.mesh"};
  builder_->upsert_service(service, {.addresses = {}, .withheld = true});
  serve({alias("to-held.mesh", "held.mesh"), alias("to-apex.mesh", "mesh")});
  const JudgedMessage held = ask("to-held.mesh", rrtype::kA, {.edns = 1232});
  EXPECT_EQ(held.rcode, rcode::kServFail);
  ASSERT_TRUE(held.extended_error.has_value());
  EXPECT_EQ(held.extended_error->code, extended_error::kOther);
  EXPECT_THAT(ask("to-apex.mesh", rrtype::kSoa).answer,
              ElementsAre("to-apex.mesh. 60 IN CNAME mesh.",
                          "mesh. 30 IN SOA mesh. nobody.invalid. 1 3600 1200 604800 5"));

  builder_->set_ready(false);
  snapshot_ = builder_->build();
  const JudgedMessage open = ask("to-apex.mesh", rrtype::kA, {.edns = 1232});
  EXPECT_EQ(open.rcode, rcode::kServFail);
  ASSERT_TRUE(open.extended_error.has_value());
  EXPECT_EQ(open.extended_error->code, extended_error::kNotReady);
}

TEST_F(StaticAnswerTest, AliasesOfNamesOfOthersAreForwarded) {
  serve({alias("docs.mesh", "hop.mesh"), alias("hop.mesh", "WWW.example.org"),
         alias("*.wild.mesh", "www.example.org"), alias("self.mesh", "x.localhost"),
         address("printer.example", 9), alias("printer.mesh", "printer.example")});
  for (const std::uint16_t type : {rrtype::kA, kTxt, rrtype::kHttps}) {
    EXPECT_EQ(handle(make_query("Docs.mesh", type)).verdict, Verdict::kForward) << type;
    EXPECT_EQ(query_.asked_name().to_text(), "WWW.example.org.");
    ASSERT_THAT(query_.aliases, SizeIs(2));
    EXPECT_EQ(query_.aliases[0].target.to_text(), "hop.mesh.");
    EXPECT_EQ(query_.aliases[0].ttl, 60U);
  }
  EXPECT_EQ(handle(make_query("a.wild.mesh", rrtype::kA)).verdict, Verdict::kForward);
  // The alias itself is ours, and a name that a hosts file tells of is followed for its addresses.
  EXPECT_THAT(ask("docs.mesh", rrtype::kCname).answer,
              ElementsAre("docs.mesh. 60 IN CNAME hop.mesh."));
  EXPECT_THAT(ask("printer.mesh", rrtype::kA).answer,
              ElementsAre("printer.mesh. 60 IN CNAME printer.example.",
                          "printer.example. 60 IN A 192.0.2.9"));
  EXPECT_EQ(handle(make_query("printer.mesh", kTxt)).verdict, Verdict::kForward);
  // What never leaves does not leave by an alias either.
  EXPECT_EQ(ask("self.mesh", rrtype::kA).rcode, rcode::kServFail);
  // Nothing stays for the next query.
  (void)ask("web.mesh", rrtype::kA);
  EXPECT_THAT(query_.aliases, IsEmpty());
}

TEST_F(StaticAnswerTest, TruncatesAChainOfAliasesThatDoesNotFit) {
  const auto long_name = [](char letter) {
    const std::string label(60, letter);
    return label + "." + label + "." + label + "." + label + ".mesh";
  };
  serve({alias("start.mesh", long_name('a')), alias(long_name('a'), long_name('b')),
         address(long_name('b'), 1)});
  EXPECT_TRUE(ask("start.mesh", rrtype::kA).tc);
  EXPECT_THAT(ask("start.mesh", rrtype::kA, {.edns = 1232}).answer, SizeIs(3));
}

TEST_F(StaticAnswerTest, TheLongestNamesAreNoTrouble) {
  serve({text("*.mesh", "any")});
  const std::string longest = support::longest_name();
  EXPECT_EQ(handle(make_query(longest, kTxt)).verdict, Verdict::kForward);
  std::string name_in_zone;
  for (int i = 0; i < 124; ++i) {
    name_in_zone += "a.";
  }
  EXPECT_THAT(ask(name_in_zone + "mesh", kTxt).answer, SizeIs(1));
}

}  // namespace
}  // namespace meshdns::dns
