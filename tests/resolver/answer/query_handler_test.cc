#include "resolver/answer/query_handler.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/ip_address.h"
#include "discovery/service.h"
#include "resolver/answer/outcome.h"
#include "resolver/snapshot/snapshot.h"
#include "resolver/snapshot/snapshot_builder.h"
#include "resolver/snapshot/standing.h"
#include "resolver/wire/protocol.h"
#include "resolver/wire/query.h"
#include "resolver/wire/transport.h"
#include "tests/support/dns_message.h"
#include "tests/support/ldns_judge.h"

namespace meshdns::dns {
namespace {

using support::judge;
using support::JudgedExtendedError;
using support::JudgedMessage;
using support::make_query;
using support::MessageBytes;
using support::Octets;
using support::QueryOptions;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr std::uint16_t kTypeNobodyKnows = 65280;

const std::string kSoa = "SOA mesh. nobody.invalid. 1 3600 1200 604800 5";

NameAddresses at(const std::vector<std::string>& texts) {
  NameAddresses addresses;
  for (const std::string& text : texts) {
    addresses.addresses.push_back(*IpAddress::parse(text));
  }
  return addresses;
}

// A mesh of a few services, and a handler with default options.
class QueryHandlerTest : public testing::Test {
 protected:
  struct Answer {
    Outcome outcome;
    Query query;
    Octets bytes;
    JudgedMessage message;  // of an answer
  };

  QueryHandlerTest() {
    auto builder = SnapshotBuilder::create(
        {.owned_zones = {"mesh."},
         .vip_pools = {*IpPrefix::parse("244.0.0.0/6"), *IpPrefix::parse("fd00:1::/64")}});
    builder_ = std::move(*builder);
    add("web", {"web.mesh"}, at({"244.0.0.1", "fd00:1::1"}));
    add("v4", {"v4.mesh"}, at({"244.0.0.2"}));
    add("deep", {"leaf.x.y.mesh"}, at({"244.0.0.3"}));
    add("held", {"held.mesh"}, {.addresses = {}, .withheld = true});
    add("none", {"none.mesh"}, {});
    NameAddresses many;
    for (unsigned i = 0; i < 100; ++i) {
      many.addresses.push_back(*IpAddress::parse("244.1.0." + std::to_string(i)));
    }
    add("many", {"many.mesh"}, many);
    builder_->upsert_record({"api.example.org", at({"192.0.2.1"}).addresses, 300});
    builder_->set_ready(true);
    snapshot_ = builder_->build();
  }

  void add(const std::string& name, std::vector<std::string> hostnames,
           const NameAddresses& addresses) {
    discovery::Service service;
    service.id = {"default", name};
    service.hostnames = std::move(hostnames);
    builder_->upsert_service(service, addresses);
  }

  Answer send(const Octets& request, Transport transport = Transport::kUdp,
              ClientAccess access = ClientAccess::kAllowed) {
    Answer answer;
    answer.bytes.resize(65535);
    answer.outcome =
        handler_.handle(*snapshot_, request, transport, access, answer.bytes, answer.query);
    answer.bytes.resize(answer.outcome.size);
    if (answer.outcome.verdict == Verdict::kAnswer) {
      const auto message = judge(answer.bytes);
      EXPECT_TRUE(message.has_value()) << testing::PrintToString(answer.bytes);
      answer.message = message.value_or(JudgedMessage());
      EXPECT_TRUE(answer.message.qr);
      EXPECT_TRUE(answer.message.ra);
      EXPECT_EQ(answer.message.rcode, answer.outcome.rcode);
      EXPECT_EQ(answer.message.edns, answer.query.has_edns);
    }
    return answer;
  }
  Answer ask(std::string_view name, std::uint16_t type, const QueryOptions& options = {}) {
    return send(make_query(name, type, options));
  }

  std::unique_ptr<SnapshotBuilder> builder_;
  std::unique_ptr<const Snapshot> snapshot_;
  QueryHandler handler_{{}};
};

struct LocalCase {
  std::string what;
  std::string name;
  std::uint16_t type;
  unsigned rcode;
  std::vector<std::string> answer;
  std::vector<std::string> authority;
};

const std::string kMeshNegative = "mesh. 5 IN " + kSoa;

std::string negative(const std::string& zone) {
  return zone + " 5 IN SOA " + zone + " nobody.invalid. 1 3600 1200 604800 5";
}

const std::string kV6Zone = "0.0.0.0.0.0.0.0.1.0.0.0.0.0.d.f.ip6.arpa.";
const std::string kV6Reverse = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0." + kV6Zone;

std::vector<LocalCase> local_cases() {
  return {
      {"A", "web.mesh", 1, 0, {"web.mesh. 30 IN A 244.0.0.1"}, {}},
      {"AAAA", "web.mesh", 28, 0, {"web.mesh. 30 IN AAAA fd00:1::1"}, {}},
      {"case is kept", "wEb.MeSh", 1, 0, {"wEb.MeSh. 30 IN A 244.0.0.1"}, {}},
      {"no address of that family", "v4.mesh", 28, 0, {}, {kMeshNegative}},
      {"no address at all", "none.mesh", 1, 0, {}, {kMeshNegative}},
      {"other type", "web.mesh", 16, 0, {}, {kMeshNegative}},
      {"HTTPS", "web.mesh", 65, 0, {}, {kMeshNegative}},
      {"unknown type", "web.mesh", kTypeNobodyKnows, 0, {}, {kMeshNegative}},
      {"no such name", "nope.mesh", 1, 3, {}, {kMeshNegative}},
      {"no such name in another case",
       "NOPE.Mesh",
       1,
       3,
       {},
       {"Mesh. 5 IN SOA Mesh. nobody.invalid. 1 3600 1200 604800 5"}},
      {"nothing below a name", "x.web.mesh", 1, 3, {}, {kMeshNegative}},
      {"empty non-terminal", "x.y.mesh", 1, 0, {}, {kMeshNegative}},
      {"empty non-terminal above it", "y.mesh", 1, 0, {}, {kMeshNegative}},
      {"beside an empty non-terminal", "z.y.mesh", 1, 3, {}, {kMeshNegative}},
      {"an asterisk is a label", "*.mesh", 1, 3, {}, {kMeshNegative}},
      {"any octets", "a\\000b.mesh", 1, 3, {}, {kMeshNegative}},
      {"SOA", "mesh", 6, 0, {"mesh. 30 IN " + kSoa}, {}},
      {"NS", "mesh", 2, 0, {"mesh. 30 IN NS mesh."}, {}},
      {"apex has no address", "mesh", 1, 0, {}, {kMeshNegative}},
      {"DS is asked of the zone above, which nobody else has", "mesh", 43, 0, {}, {kMeshNegative}},
      {"SOA below the apex", "web.mesh", 6, 0, {}, {kMeshNegative}},
      {"ANY gives one RRset", "web.mesh", 255, 0, {"web.mesh. 30 IN A 244.0.0.1"}, {}},
      {"ANY of many addresses",
       "many.mesh",
       255,
       0,
       {R"(many.mesh. 30 IN HINFO "RFC8482" "")"},
       {}},
      {"ANY at the apex", "mesh", 255, 0, {"mesh. 30 IN " + kSoa}, {}},
      {"ANY of an empty non-terminal", "y.mesh", 255, 0, {}, {kMeshNegative}},
      {"withheld, but another type", "held.mesh", 16, 0, {}, {kMeshNegative}},
      {"PTR", "1.0.0.244.in-addr.arpa", 12, 0, {"1.0.0.244.in-addr.arpa. 30 IN PTR web.mesh."}, {}},
      {"PTR IPv6", kV6Reverse, 12, 0, {kV6Reverse + " 30 IN PTR web.mesh."}, {}},
      {"PTR ANY",
       "1.0.0.244.in-addr.arpa",
       255,
       0,
       {"1.0.0.244.in-addr.arpa. 30 IN PTR web.mesh."},
       {}},
      {"PTR, other type", "1.0.0.244.in-addr.arpa", 1, 0, {}, {negative("244.in-addr.arpa.")}},
      {"PTR of an address without lease",
       "9.9.9.244.in-addr.arpa",
       12,
       3,
       {},
       {negative("244.in-addr.arpa.")}},
      {"PTR of another zone of the pool",
       "9.9.9.247.in-addr.arpa",
       12,
       3,
       {},
       {negative("247.in-addr.arpa.")}},
      {"PTR of a block", "0.0.244.in-addr.arpa", 12, 0, {}, {negative("244.in-addr.arpa.")}},
      {"PTR below an address",
       "x.1.0.0.244.in-addr.arpa",
       12,
       3,
       {},
       {negative("244.in-addr.arpa.")}},
      {"PTR of no octet", "x.0.0.244.in-addr.arpa", 12, 3, {}, {negative("244.in-addr.arpa.")}},
      {"reverse apex",
       "244.in-addr.arpa",
       6,
       0,
       {"244.in-addr.arpa. 30 IN SOA 244.in-addr.arpa. nobody.invalid. 1 3600 1200 604800 5"},
       {}},
      {"reverse apex NS", kV6Zone, 2, 0, {kV6Zone + " 30 IN NS " + kV6Zone}, {}},
      {"reverse apex PTR", kV6Zone, 12, 0, {}, {negative(kV6Zone)}},
      {"localhost", "localhost", 1, 0, {"localhost. 30 IN A 127.0.0.1"}, {}},
      {"below localhost", "x.localhost", 28, 0, {"x.localhost. 30 IN AAAA ::1"}, {}},
      {"localhost, other type", "localhost", 15, 0, {}, {negative("localhost.")}},
      {"invalid", "x.invalid", 1, 3, {}, {negative("invalid.")}},
      {"onion", "x.onion", 28, 3, {}, {negative("onion.")}},
      {"test", "test", 1, 3, {}, {negative("test.")}},
      {"DDR", "_dns.resolver.arpa", 64, 0, {}, {negative("resolver.arpa.")}},
      {"loopback PTR",
       "1.0.0.127.in-addr.arpa",
       12,
       0,
       {"1.0.0.127.in-addr.arpa. 30 IN PTR localhost."},
       {}},
      {"another loopback PTR",
       "2.0.0.127.in-addr.arpa",
       12,
       3,
       {},
       {negative("127.in-addr.arpa.")}},
      {"loopback apex",
       "127.in-addr.arpa",
       2,
       0,
       {"127.in-addr.arpa. 30 IN NS 127.in-addr.arpa."},
       {}},
      {"broadcast PTR",
       "255.255.255.255.in-addr.arpa",
       12,
       0,
       {},
       {negative("255.255.255.255.in-addr.arpa.")}},
      {"a feed's name outside our zones",
       "api.example.org",
       1,
       0,
       {"api.example.org. 300 IN A 192.0.2.1"},
       {}},
      {"its other family", "api.example.org", 28, 0, {}, {}},
      {"its HTTPS", "api.example.org", 65, 0, {}, {}},
  };
}

TEST_F(QueryHandlerTest, AnswersEveryNameOfItsOwn) {
  for (const LocalCase& row : local_cases()) {
    for (const std::optional<std::uint16_t> edns :
         {std::optional<std::uint16_t>(), std::optional<std::uint16_t>(1232)}) {
      const Answer answer = ask(row.name, row.type, {.edns = edns});
      EXPECT_EQ(answer.outcome.verdict, Verdict::kAnswer) << row.what;
      EXPECT_EQ(answer.message.rcode, row.rcode) << row.what;
      EXPECT_EQ(answer.message.answer, row.answer) << row.what;
      EXPECT_EQ(answer.message.authority, row.authority) << row.what;
      EXPECT_THAT(answer.message.additional, IsEmpty()) << row.what;
      EXPECT_TRUE(answer.message.aa) << row.what;
      EXPECT_FALSE(answer.message.tc) << row.what;
    }
  }
}

TEST_F(QueryHandlerTest, ForwardsNamesOfOthers) {
  const std::vector<std::pair<std::string, std::uint16_t>> cases{
      {"example.org", 1},
      {".", 2},
      {"notmesh", 1},
      {"mesh.example", 1},
      {"web\\.mesh", 1},  // one label with a dot inside
      {"web.mesh.local", 1},
      {"svc.cluster.local", 1},
      {"1.0.0.10.in-addr.arpa", 12},
      {"1.0.0.248.in-addr.arpa", 12},
      {"ipv4only.arpa", 28},
      {"api.example.org", 15},  // types that a feed does not know
      {"api.example.org", 255},
      {"www.example.org", 1},  // its sibling
      {"x.api.example.org", 1},
      {"example.org", kTypeNobodyKnows},
      {"example.org", 43},
  };
  for (const auto& [name, type] : cases) {
    EXPECT_EQ(ask(name, type).outcome.verdict, Verdict::kForward) << name << " " << type;
  }
}

struct ClassCase {
  std::string name;
  std::uint16_t qclass;
  Verdict verdict;
};

TEST_F(QueryHandlerTest, GivesNoInternetDataInOtherClasses) {
  const std::vector<ClassCase> cases{
      {"web.mesh", 255, Verdict::kAnswer},       {"web.mesh", 3, Verdict::kAnswer},
      {"web.mesh", 4, Verdict::kAnswer},         {"localhost", 255, Verdict::kAnswer},
      {"version.bind", 3, Verdict::kAnswer},     {"example.org", 255, Verdict::kAnswer},
      {"example.org", 254, Verdict::kAnswer},    {"example.org", 0, Verdict::kAnswer},
      {"example.org", 4, Verdict::kForward},     {"example.org", 65280, Verdict::kForward},
      {"api.example.org", 4, Verdict::kForward},
  };
  for (const ClassCase& row : cases) {
    const Answer answer = ask(row.name, 1, {.qclass = row.qclass});
    EXPECT_EQ(answer.outcome.verdict, row.verdict) << row.name << " " << row.qclass;
    if (row.verdict == Verdict::kAnswer) {
      EXPECT_EQ(answer.message.rcode, rcode::kRefused);
      EXPECT_THAT(answer.message.answer, IsEmpty());
      EXPECT_FALSE(answer.message.aa);
    }
  }
}

struct TypeCase {
  std::uint16_t type;
  unsigned rcode;
};

TEST_F(QueryHandlerTest, RefusesTypesThatAreNoTypesOfData) {
  const std::vector<TypeCase> cases{
      {0, rcode::kFormErr},   {41, rcode::kFormErr},  {249, rcode::kNotImp}, {250, rcode::kNotImp},
      {251, rcode::kRefused}, {252, rcode::kRefused}, {253, rcode::kNotImp}, {254, rcode::kNotImp},
  };
  for (const TypeCase& row : cases) {
    for (const std::string name : {"web.mesh", "mesh", "example.org"}) {
      EXPECT_EQ(ask(name, row.type).message.rcode, row.rcode) << name << " " << row.type;
    }
  }
}

TEST_F(QueryHandlerTest, DeniesNoNameBelowAServiceBeforeItsEndpointsHaveCome) {
  add("below", {"a.b.web.mesh"}, at({"244.0.0.9"}));
  builder_->set_awaits_instances(true);
  snapshot_ = builder_->build();
  for (const std::string name : {"x.web.mesh", "y.x.web.mesh", "b.web.mesh", "x.a.b.web.mesh",
                                 "x.held.mesh", "x.none.mesh", "x.leaf.x.y.mesh"}) {
    for (const std::uint16_t type : {std::uint16_t{1}, std::uint16_t{16}}) {
      const Answer answer = ask(name, type, {.edns = 1232});
      EXPECT_EQ(answer.message.rcode, rcode::kServFail) << name;
      EXPECT_EQ(answer.message.extended_error.value_or(JudgedExtendedError{}).code, 14) << name;
    }
  }
  // What is there is answered, and what is below no service is denied.
  EXPECT_EQ(ask("web.mesh", 1).message.answer.size(), 1);
  EXPECT_EQ(ask("a.b.web.mesh", 1).message.answer.size(), 1);
  EXPECT_EQ(ask("web.mesh", 16).message.rcode, rcode::kNoError);
  EXPECT_EQ(ask("y.mesh", 1).message.rcode, rcode::kNoError);
  EXPECT_EQ(ask("mesh", 6).message.rcode, rcode::kNoError);
  for (const std::string name : {"nope.mesh", "x.nope.mesh", "z.y.mesh", "webx.mesh"}) {
    EXPECT_EQ(ask(name, 1).message.rcode, rcode::kNxDomain) << name;
  }
  EXPECT_EQ(ask("9.9.9.244.in-addr.arpa", 12).message.rcode, rcode::kNxDomain);

  builder_->set_awaits_instances(false);
  snapshot_ = builder_->build();
  EXPECT_EQ(ask("x.web.mesh", 1).message.rcode, rcode::kNxDomain);
  EXPECT_EQ(ask("b.web.mesh", 1).message.rcode, rcode::kNoError);
}

TEST_F(QueryHandlerTest, MarksAnswersOfAStaleTableForWhoUnderstandsIt) {
  builder_->set_age(Standing::Age::kStale);
  snapshot_ = builder_->build();
  const auto error_of = [this](const std::string& name, std::uint16_t type) {
    return ask(name, type, {.edns = 1232}).message.extended_error.value_or(JudgedExtendedError{});
  };
  EXPECT_EQ(error_of("web.mesh", 1).code, extended_error::kStaleAnswer);
  EXPECT_EQ(error_of("web.mesh", 16).code, extended_error::kStaleAnswer) << "NODATA";
  EXPECT_EQ(error_of("1.0.0.244.in-addr.arpa", 12).code, extended_error::kStaleAnswer);
  EXPECT_EQ(error_of("api.example.org", 1).code, extended_error::kStaleAnswer);
  EXPECT_EQ(error_of("nope.mesh", 1).code, extended_error::kStaleNxDomainAnswer);
  EXPECT_EQ(error_of("held.mesh", 1).code, extended_error::kOther) << "that weighs more";
  EXPECT_EQ(ask("localhost", 1, {.edns = 1232}).message.extended_error, std::nullopt);
  EXPECT_EQ(ask("web.mesh", 1).message.answer,
            std::vector<std::string>{"web.mesh. 30 IN A 244.0.0.1"});
  EXPECT_EQ(ask("web.mesh", 1).message.extended_error, std::nullopt);
  EXPECT_EQ(ask("nope.mesh", 1).message.rcode, rcode::kNxDomain);
}

TEST_F(QueryHandlerTest, AnswersNothingOfAnExpiredTable) {
  builder_->set_age(Standing::Age::kExpired);
  snapshot_ = builder_->build();
  for (const std::string name :
       {"web.mesh", "nope.mesh", "mesh", "1.0.0.244.in-addr.arpa", "api.example.org"}) {
    const Answer answer = ask(name, 1, {.edns = 1232});
    EXPECT_EQ(answer.message.rcode, rcode::kServFail) << name;
    EXPECT_EQ(answer.message.extended_error.value_or(JudgedExtendedError{}).code,
              extended_error::kNoReachableAuthority)
        << name;
    EXPECT_THAT(answer.message.answer, IsEmpty());
  }
  EXPECT_EQ(ask("localhost", 1).message.answer.size(), 1);
  EXPECT_EQ(ask("example.org", 1).outcome.verdict, Verdict::kForward);
}

TEST_F(QueryHandlerTest, DeniesNothingOfATableThatIsNotAllThatWasKnown) {
  builder_->set_denies(false);
  snapshot_ = builder_->build();
  EXPECT_EQ(ask("web.mesh", 1).message.answer,
            std::vector<std::string>{"web.mesh. 30 IN A 244.0.0.1"});
  EXPECT_EQ(ask("web.mesh", 16).message.rcode, rcode::kNoError) << "the service is known";
  for (const std::string name : {"nope.mesh", "9.9.9.244.in-addr.arpa", "below.web.mesh"}) {
    const Answer answer = ask(name, 1, {.edns = 1232});
    EXPECT_EQ(answer.message.rcode, rcode::kServFail) << name;
    EXPECT_EQ(answer.message.extended_error.value_or(JudgedExtendedError{}).code,
              extended_error::kNotReady)
        << name;
    EXPECT_THAT(answer.message.authority, IsEmpty()) << name;
  }
  EXPECT_EQ(ask("name.invalid", 1).message.rcode, rcode::kNxDomain);
}

TEST_F(QueryHandlerTest, SaysServfailNotReadyBeforeTheTableHasCome) {
  builder_->set_ready(false);
  snapshot_ = builder_->build();
  for (const std::string name : {"web.mesh", "nope.mesh", "mesh", "1.0.0.244.in-addr.arpa"}) {
    const Answer answer = ask(name, 1, {.edns = 1232});
    EXPECT_EQ(answer.message.rcode, rcode::kServFail) << name;
    EXPECT_EQ(answer.message.extended_error.value_or(JudgedExtendedError{}).code, 14) << name;
    EXPECT_THAT(answer.message.authority, IsEmpty());
    EXPECT_FALSE(answer.message.aa);
    EXPECT_EQ(ask(name, 1).message.rcode, rcode::kServFail) << name;
  }
  EXPECT_EQ(ask("example.org", 1).outcome.verdict, Verdict::kForward);
  EXPECT_EQ(ask("localhost", 1).message.answer.size(), 1);
}

TEST_F(QueryHandlerTest, SaysServfailForAServiceWhoseAddressIsWithheld) {
  for (const std::uint16_t type : {rrtype::kA, rrtype::kAaaa, rrtype::kAny}) {
    const Answer answer = ask("held.mesh", type, {.edns = 1232});
    EXPECT_EQ(answer.message.rcode, rcode::kServFail);
    EXPECT_EQ(answer.message.extended_error,
              (JudgedExtendedError{0, "service has no address yet"}));
  }
}

struct StatusCase {
  std::string what;
  Octets request;
  unsigned rcode;
};

TEST_F(QueryHandlerTest, AnswersWhatItCannotTake) {
  const std::vector<StatusCase> cases{
      {"cut question", MessageBytes().header(1, 0x0100, 1, 0, 0, 0).name("web.mesh").bytes(),
       rcode::kFormErr},
      {"no question", Octets(12, 0), rcode::kFormErr},
      {"two OPTs",
       MessageBytes()
           .header(1, 0x0100, 1, 0, 0, 2)
           .question("web.mesh", 1)
           .opt(1232)
           .opt(1232)
           .bytes(),
       rcode::kFormErr},
      {"opcode 15", make_query("web.mesh", 1, {.flags = 0x7900}), rcode::kNotImp},
      {"NOTIFY", make_query("mesh", 6, {.flags = 0x2000}), rcode::kNotImp},
      {"UPDATE", make_query("mesh", 6, {.flags = 0x2800}), rcode::kNotImp},
      {"DSO", MessageBytes().header(1, 0x3000, 0, 0, 0, 0).bytes(), rcode::kNotImp},
  };
  for (const StatusCase& row : cases) {
    const Answer answer = send(row.request);
    EXPECT_EQ(answer.message.rcode, row.rcode) << row.what;
    EXPECT_EQ(answer.message.opcode, (row.request[2] >> 3U) & 15U) << row.what;
    EXPECT_LE(answer.bytes.size(), row.request.size()) << row.what;
  }
}

// RFC 6895 section 3.1, RFC 9824 section 3.5: types of which no name has data.
TEST_F(QueryHandlerTest, TakesNoQuestionForWhatIsNoTypeOfData) {
  for (const char* const name : {"web.mesh", "api.example.org", "www.example.org"}) {
    for (const std::uint16_t type : {std::uint16_t{0}, rrtype::kOpt, rrtype::kNxName}) {
      const Answer answer = ask(name, type, {.edns = 1232});
      EXPECT_EQ(answer.message.rcode, rcode::kFormErr) << name << " " << type;
      EXPECT_EQ(answer.message.extended_error, (JudgedExtendedError{30, ""}))
          << name << " " << type;
    }
  }
}

TEST_F(QueryHandlerTest, NeverAnswersResponsesAndScraps) {
  EXPECT_EQ(send({}).outcome.verdict, Verdict::kDrop);
  EXPECT_EQ(send(Octets(11, 0)).outcome.verdict, Verdict::kDrop);
  EXPECT_EQ(ask("web.mesh", 1, {.flags = 0x8100}).outcome.verdict, Verdict::kDrop);
  EXPECT_EQ(send(Octets(11, 0), Transport::kUdp, ClientAccess::kRefused).outcome.verdict,
            Verdict::kDrop);
}

// RFC 8906 section 8: each gets an answer of this rcode.
struct EdnsCase {
  std::string what;
  Octets request;
  unsigned rcode;
  unsigned extended_rcode;
  bool data;
};

Octets edns_query(std::uint32_t ttl, const Octets& options = {}, unsigned flags = 0x0100) {
  return MessageBytes()
      .header(7, flags, 1, 0, 0, 1)
      .question("web.mesh", 1)
      .opt(4096, ttl, options)
      .bytes();
}

TEST_F(QueryHandlerTest, AnswersEveryShapeOfEdnsThatRfc8906Lists) {
  const Octets unknown_option{0, 100, 0, 1, 7};
  const Octets cookie{0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8};
  const std::vector<EdnsCase> cases{
      {"version 0", edns_query(0), 0, 0, true},
      {"version 1", edns_query(0x10000), 0, 1, false},
      {"unknown option", edns_query(0, unknown_option), 0, 0, true},
      {"unknown flag", edns_query(0x40), 0, 0, true},
      {"version 1 and flag", edns_query(0x10040), 0, 1, false},
      {"version 1 and option", edns_query(0x10000, unknown_option), 0, 1, false},
      {"DO", edns_query(0x8000), 0, 0, true},
      {"cookie", edns_query(0, cookie), 0, 0, true},
      {"Z, AD, CD and no RD", edns_query(0, {}, 0x0070), 0, 0, true},
      {"opcode 15", edns_query(0, {}, 0x7900), 4, 0, false},
  };
  for (const EdnsCase& row : cases) {
    const Answer answer = send(row.request);
    EXPECT_EQ(answer.message.rcode, row.rcode) << row.what;
    EXPECT_EQ(answer.message.extended_rcode, row.extended_rcode) << row.what;
    EXPECT_THAT(answer.message.answer, SizeIs(row.data ? 1 : 0)) << row.what;
    EXPECT_EQ(answer.message.edns_version, 0) << row.what;
    EXPECT_EQ(answer.message.edns_unassigned_flags, 0) << row.what;
    // RFC 8914 section 4.22 for what is not supported; nothing else.
    EXPECT_EQ(answer.message.edns_options.size(), row.rcode == rcode::kNotImp ? 1U : 0U)
        << row.what;
    EXPECT_EQ(answer.message.extended_error.has_value(), row.rcode == rcode::kNotImp) << row.what;
    EXPECT_EQ(answer.message.udp_size, 1232) << row.what;
    EXPECT_FALSE(answer.message.ad) << row.what;
  }
  EXPECT_TRUE(send(edns_query(0x8000)).message.dnssec_ok);
}

TEST_F(QueryHandlerTest, EchoesRdAndCdOnly) {
  const Answer all = ask("web.mesh", 1, {.flags = 0x0770});
  EXPECT_TRUE(all.message.rd);
  EXPECT_TRUE(all.message.cd);
  EXPECT_FALSE(all.message.ad);
  EXPECT_FALSE(all.message.tc);
  const Answer none = ask("web.mesh", 1, {.flags = 0});
  EXPECT_FALSE(none.message.rd);
  EXPECT_FALSE(none.message.cd);
}

TEST_F(QueryHandlerTest, MindsAKeepaliveWithAValueOnlyOverTcp) {
  const Octets request = edns_query(0, {0, 11, 0, 2, 0, 9});
  EXPECT_EQ(send(request, Transport::kUdp).message.rcode, rcode::kNoError);
  EXPECT_EQ(send(request, Transport::kTcp).message.rcode, rcode::kFormErr);
}

TEST_F(QueryHandlerTest, RefusesOtherClientsWithNoMoreThanTheySent) {
  const std::vector<Octets> requests{
      make_query("web.mesh", 1), make_query("many.mesh", 255, {.edns = 4096}),
      make_query("example.org", 1), edns_query(0, Octets{0, 10, 0, 0}), Octets(12, 0)};
  for (const Octets& request : requests) {
    for (const Transport transport : {Transport::kUdp, Transport::kTcp}) {
      const Answer answer = send(request, transport, ClientAccess::kRefused);
      EXPECT_EQ(answer.message.rcode, rcode::kRefused);
      EXPECT_LE(answer.bytes.size(), request.size());
      EXPECT_THAT(answer.message.answer, IsEmpty());
    }
  }
}

struct SizeCase {
  std::optional<std::uint16_t> edns;
  Transport transport;
  std::size_t limit;
  std::size_t answers;
};

TEST_F(QueryHandlerTest, SetsTcWhenAnRrsetDoesNotFitAndIsWholeOverTcp) {
  // many.mesh has 100 addresses: 12 + 15 + 1600 octets.
  const std::vector<SizeCase> cases{
      {std::nullopt, Transport::kUdp, 512, 0}, {1232, Transport::kUdp, 1232, 0},
      {65535, Transport::kUdp, 1232, 0},       {std::nullopt, Transport::kTcp, 65535, 100},
      {512, Transport::kTcp, 65535, 100},
  };
  for (const SizeCase& row : cases) {
    const Answer answer = send(make_query("many.mesh", 1, {.edns = row.edns}), row.transport);
    EXPECT_EQ(answer.message.tc, row.answers == 0);
    EXPECT_THAT(answer.message.answer, SizeIs(row.answers));
    EXPECT_LE(answer.bytes.size(), row.limit);
    EXPECT_EQ(answer.message.rcode, rcode::kNoError);
  }
}

TEST_F(QueryHandlerTest, SaysServfailOverTcpWhenNoMessageHoldsTheRrset) {
  NameAddresses huge;
  for (unsigned i = 0; i < 5000; ++i) {
    huge.addresses.push_back(
        *IpAddress::parse("244.2." + std::to_string(i / 250) + "." + std::to_string(i % 250)));
  }
  add("huge", {"huge.mesh"}, huge);
  snapshot_ = builder_->build();
  EXPECT_EQ(send(make_query("huge.mesh", 1), Transport::kTcp).message.rcode, rcode::kServFail);
}

TEST_F(QueryHandlerTest, AnswersIntoTheBufferThatHeldTheRequest) {
  const Octets request = make_query("wEb.mesh", 1, {.edns = 1232});
  Octets buffer(4096);
  std::ranges::copy(request, buffer.begin());
  Query query;
  const Outcome outcome = handler_.handle(*snapshot_, std::span(buffer).first(request.size()),
                                          Transport::kUdp, ClientAccess::kAllowed, buffer, query);
  EXPECT_THAT(judge(std::span(buffer).first(outcome.size))->answer,
              ElementsAre("wEb.mesh. 30 IN A 244.0.0.1"));
}

TEST_F(QueryHandlerTest, NeverWritesBeyondASmallBuffer) {
  const Octets request = make_query("many.mesh", 1, {.edns = 4096});
  std::vector<std::uint8_t> buffer(512);  // on the heap, for ASan
  Query query;
  const Outcome outcome =
      handler_.handle(*snapshot_, request, Transport::kTcp, ClientAccess::kAllowed, buffer, query);
  EXPECT_EQ(judge(std::span(buffer).first(outcome.size))->rcode, rcode::kServFail);
}

TEST_F(QueryHandlerTest, AnswersInBatchesAsOneByOne) {
  const std::vector<Octets> requests{make_query("web.mesh", 1), make_query("v4.mesh", 28),
                                     make_query("example.org", 1), Octets(3, 0)};
  std::vector<Query> queries(requests.size());
  for (std::size_t i = 0; i < requests.size(); ++i) {
    QueryHandler::prepare(*snapshot_, requests[i], queries[i]);
  }
  for (std::size_t i = 0; i < requests.size(); ++i) {
    Octets response(1232);
    const Outcome outcome =
        handler_.respond(*snapshot_, queries[i], Transport::kUdp, ClientAccess::kAllowed, response);
    response.resize(outcome.size);
    const Answer alone = send(requests[i]);
    EXPECT_EQ(outcome.verdict, alone.outcome.verdict);
    EXPECT_EQ(response, alone.bytes);
  }
}

TEST_F(QueryHandlerTest, TakesTheLongestNamesInZonesAndOut) {
  const std::string labels =
      std::string(63, 'a') + "." + std::string(63, 'b') + "." + std::string(63, 'c') + ".";
  const Answer inside = ask(labels + std::string(56, 'd') + ".mesh", 1, {.edns = 512});
  EXPECT_EQ(inside.message.rcode, rcode::kNxDomain);
  EXPECT_THAT(inside.message.authority, ElementsAre(kMeshNegative));
  EXPECT_EQ(ask(labels + std::string(61, 'd'), 1).outcome.verdict, Verdict::kForward);
}

TEST_F(QueryHandlerTest, LeavesSpecialNamesToUpstreamWhenToldSo) {
  handler_ = QueryHandler({.max_udp_payload = 1232, .special_names = {.test = false}});
  EXPECT_EQ(ask("x.test", 1).outcome.verdict, Verdict::kForward);
  EXPECT_EQ(ask("x.onion", 1).outcome.verdict, Verdict::kAnswer);
}

TEST_F(QueryHandlerTest, OwnsAZoneThatIsASpecialName) {
  builder_ = std::move(*SnapshotBuilder::create({.owned_zones = {"dev.test."}}));
  add("web", {"web.dev.test"}, at({"244.0.0.1"}));
  builder_->set_ready(true);
  snapshot_ = builder_->build();
  EXPECT_THAT(ask("web.dev.test", 1).message.answer,
              ElementsAre("web.dev.test. 30 IN A 244.0.0.1"));
  EXPECT_EQ(ask("x.test", 1).message.rcode, rcode::kNxDomain);
}

TEST_F(QueryHandlerTest, ShowsTheSnapshotsNumberAsSerial) {
  snapshot_ = builder_->build();
  EXPECT_THAT(ask("mesh", 6).message.answer,
              ElementsAre("mesh. 30 IN SOA mesh. nobody.invalid. 2 3600 1200 604800 5"));
}

}  // namespace
}  // namespace meshdns::dns
