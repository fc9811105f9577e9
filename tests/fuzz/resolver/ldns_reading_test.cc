#include "fuzz/resolver/ldns_reading.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "resolver/wire/name.h"
#include "resolver/wire/protocol.h"
#include "resolver/wire/query.h"
#include "resolver/wire/response_writer.h"
#include "resolver/wire/upstream_reply.h"
#include "tests/support/dns_message.h"

namespace meshdns::fuzz {
namespace {

using support::MessageBytes;
using support::Octets;

const Octets kAddress{192, 0, 2, 1};

// An answer with a name in RDATA, an address, and an OPT.
Octets a_reply() {
  const Octets target = MessageBytes().u8(1).octets({'b'}).pointer(16).bytes();
  return MessageBytes()
      .header(0x1234, 0x8180, 1, 2, 0, 1)
      .question("www.example.org", 1)
      .record("www.example.org", 5, 60, target)
      .record("b.example.org", 1, 30, kAddress)
      .opt(1232)
      .bytes();
}

struct WrongReading {
  std::string what;
  std::function<void(MessageReading&)> change;
};

TEST(LdnsReading, AgreesOnAReplyAndDisagreesWithEveryWrongReadingOfIt) {
  const Octets reply = a_reply();
  EXPECT_EQ(compare_message(reply, read_message(reply)), "");
  const auto other_name = *dns::Name::from_text("wWw.example.org");
  const std::vector<WrongReading> wrong{
      {"id", [](auto& r) { ++r.header.id; }},
      {"flags", [](auto& r) { r.header.flags ^= dns::flag::kTruncated; }},
      {"QDCOUNT", [](auto& r) { ++r.header.question_count; }},
      {"a count", [](auto& r) { ++r.header.record_counts[2]; }},
      {"question's name", [&](auto& r) { r.questions[0].name = other_name; }},
      {"question's type", [](auto& r) { ++r.questions[0].qtype; }},
      {"question's class", [](auto& r) { ++r.questions[0].qclass; }},
      {"section", [](auto& r) { r.records[1].section = dns::Section::kAuthority; }},
      {"owner", [&](auto& r) { r.records[0].owner = other_name; }},
      {"type", [](auto& r) { ++r.records[1].header.type; }},
      {"class", [](auto& r) { ++r.records[1].header.rrclass; }},
      {"TTL", [](auto& r) { ++r.records[1].header.ttl; }},
      {"RDATA", [](auto& r) { r.records[1].rdata_offset -= 4; }},
      {"RDATA", [](auto& r) { r.records[0].rdata = r.records[0].rdata.first(2); }},
      {"we reject what ldns reads", [](auto& r) { r.records.pop_back(); }},
      {"we reject what ldns reads", [](auto& r) { r.questions.clear(); }},
      {"the verdict", [](auto& r) { r.ok = false; }},
  };
  for (const WrongReading& row : wrong) {
    MessageReading reading = read_message(reply);
    row.change(reading);
    EXPECT_EQ(compare_message(reply, reading).substr(0, row.what.size()), row.what);
  }
}

TEST(LdnsReading, DisagreesWithAReaderThatGoesOnBehindACut) {
  Octets reply = a_reply();
  const MessageReading whole = read_message(reply);
  reply.resize(reply.size() - 12);  // the OPT and an octet of the address
  EXPECT_EQ(compare_message(reply, read_message(reply)), "");
  EXPECT_NE(compare_message(reply, whole), "");
}

// What each exemption is for is not a difference; the same where ldns agrees is none either.
TEST(LdnsReading, ExemptsOnlyWhatIsNamed) {
  const auto one_record = [](const Octets& owner, unsigned type, const Octets& rdata) {
    return MessageBytes()
        .header(1, 0x8180, 1, 1, 0, 0)
        .question("a", type)
        .octets(owner)
        .u16(type)
        .u16(1)
        .u32(60)
        .u16(static_cast<unsigned>(rdata.size()))
        .octets(rdata)
        .bytes();
  };
  const std::vector<std::pair<std::string, Octets>> messages{
      {"points_to_no_prior_name", one_record({0xc0, 30}, 1, kAddress)},
      {"points to itself", one_record({0xc0, 19}, 1, kAddress)},
      {"points to the first octet", one_record({0xc0, 0}, 1, kAddress)},
      {"points into the header", one_record({0xc0, 2}, 1, kAddress)},
      {"departs_from_its_length", one_record({0}, 1, {192, 0, 2, 1, 0})},
      {"lacks_fields", one_record({0}, 6, {0})},
      {"fault_is_inside_rdata", one_record({0}, 1, {192, 0, 2})},
      {"tsig_is_not_last", MessageBytes()
                               .header(1, 0x8180, 0, 0, 0, 2)
                               .record("k", 250, 0, {})
                               .record("k", 250, 0, {})
                               .bytes()},
      {"label type 01", one_record({0x41, 'a', 0}, 1, kAddress)},
      {"cut", {0, 1, 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0, 3, 'a'}},
      {"less than a header", {0, 1}},
  };
  for (const auto& [what, message] : messages) {
    const MessageReading reading = read_message(message);
    EXPECT_EQ(compare_message(message, reading), "") << what;
    if (!reading.records.empty()) {
      MessageReading wrong = reading;
      ++wrong.records[0].header.ttl;
      EXPECT_NE(compare_message(message, wrong), "") << what;
    }
  }
}

struct RequestCase {
  std::string what;
  Octets request;
  dns::ParseStatus status;
};

std::vector<RequestCase> requests() {
  const Octets query = support::make_query("Web.mesh", 1, {.edns = 4096, .dnssec_ok = true});
  const auto options = [](const Octets& octets) {
    return MessageBytes().header(1, 0, 1, 0, 0, 1).question("a", 1).opt(512, 0, octets).bytes();
  };
  const auto behind = [](unsigned questions, unsigned records, const Octets& octets) {
    return MessageBytes()
        .header(1, 0, questions, 0, 0, records)
        .question("a", 1)
        .octets(octets)
        .bytes();
  };
  using enum dns::ParseStatus;
  return {
      {"a query", query, kOk},
      {"opcode", MessageBytes().header(1, 0x2000, 1, 0, 0, 0).bytes(), kNotImp},
      {"EDNS 1", MessageBytes().header(1, 0, 1, 0, 0, 1).question("a", 1).opt(9, 1U << 16U).bytes(),
       kBadVers},
      {"less than a header", {1, 2, 3}, kDrop},
      {"a response", MessageBytes().header(1, 0x8000, 1, 0, 0, 0).question("a", 1).bytes(), kDrop},
      {"has_other_than_one_question", behind(2, 0, {1, 'b', 0, 0, 1, 0, 1}), kFormErr},
      {"question_is_compressed",
       MessageBytes().header(1, 0, 1, 0, 0, 0).pointer(4).u16(1).u16(1).bytes(), kFormErr},
      {"has_trailing_octets", behind(1, 0, {0}), kFormErr},
      {"opt_is_misplaced", behind(1, 2, MessageBytes().opt(512).opt(512).bytes()), kFormErr},
      {"OPT of another owner", behind(1, 1, MessageBytes().record("b", 41, 0, {}).bytes()),
       kFormErr},
      {"options_are_malformed", options({0, 10, 0, 9, 1}), kFormErr},
      {"a client subnet of family 3", options({0, 8, 0, 4, 0, 3, 0, 0}), kFormErr},
      {"a client subnet", options({0, 8, 0, 6, 0, 1, 9, 0, 10, 128}), kOk},
      {"owner_is_not_followed", behind(1, 1, {0xc0, 13, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0}), kOk},
      {"points_to_no_prior_name", behind(1, 1, {0xc0, 40, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0}), kFormErr},
      {"fault_is_inside_rdata", behind(1, 1, {0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 1, 9}), kOk},
      {"departs_from_its_length", behind(1, 1, {0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 5, 192, 0, 2, 1, 0}),
       kOk},
      {"cut", behind(1, 1, {0, 0, 1}), kFormErr},
  };
}

TEST(LdnsReading, JudgesRequestsAsTheParserDoesAndNoOtherWay) {
  using enum dns::ParseStatus;
  for (const RequestCase& row : requests()) {
    dns::Query query;
    EXPECT_EQ(dns::parse_query(row.request, query), row.status) << row.what;
    EXPECT_EQ(compare_query(row.request, query), "") << row.what;
    for (const dns::ParseStatus wrong : {kOk, kDrop, kFormErr, kNotImp, kBadVers}) {
      query.status = wrong;
      EXPECT_EQ(compare_query(row.request, query).empty(), wrong == row.status) << row.what;
    }
  }
}

TEST(LdnsReading, DisagreesWithEveryWrongFieldOfAQuery) {
  const Octets request = support::make_query("Web.mesh", 1, {.edns = 4096, .dnssec_ok = true});
  const std::vector<std::function<void(dns::Query&)>> changes{
      [](dns::Query& q) { ++q.id; },
      [](dns::Query& q) { q.flags ^= dns::flag::kRecursionDesired; },
      [](dns::Query& q) { q.assign_question(*dns::Name::from_text("web.mesh"), 1, 1); },
      [](dns::Query& q) { ++q.qtype; },
      [](dns::Query& q) { ++q.qclass; },
      [](dns::Query& q) { q.has_edns = false; },
      [](dns::Query& q) { ++q.edns_version; },
      [](dns::Query& q) { q.dnssec_ok = false; },
      [](dns::Query& q) { --q.udp_payload_size; },
  };
  for (std::size_t i = 0; i < changes.size(); ++i) {
    dns::Query query;
    dns::parse_query(request, query);
    changes[i](query);
    EXPECT_NE(compare_query(request, query), "") << i;
  }
}

struct Rebuilt {
  dns::Query client;
  dns::RebuildResult result;
  Octets written = Octets(4096);
};

Rebuilt rebuild(const Octets& reply, std::uint16_t client_size = 1232) {
  Rebuilt rebuilt;
  rebuilt.client.has_edns = true;
  rebuilt.client.udp_payload_size = client_size;
  rebuilt.client.assign_question(*dns::Name::from_text("www.example.org"), 1, 1);
  rebuilt.written.resize(client_size);
  rebuilt.result = dns::rebuild_reply(reply, rebuilt.client, {}, rebuilt.written);
  rebuilt.written.resize(rebuilt.result.size);
  return rebuilt;
}

std::string compare(const Octets& reply, const Rebuilt& rebuilt) {
  return compare_rebuilt(reply, rebuilt.client, rebuilt.result, rebuilt.written);
}

TEST(LdnsReading, DisagreesWithAnyOctetOfAnAnswerThatIsNotAsMeant) {
  const Octets reply = a_reply();
  Rebuilt rebuilt = rebuild(reply);
  ASSERT_EQ(rebuilt.result.status, dns::RebuildStatus::kOk);
  EXPECT_EQ(compare(reply, rebuilt), "");
  const std::size_t opt_at = rebuilt.written.size() - 11;
  for (std::size_t at = 0; at < rebuilt.written.size(); ++at) {
    // Z is not read; the OPT's size, version, flags and option octets are of no concern here.
    if (at >= opt_at + 3 && at < opt_at + 9) {
      continue;
    }
    rebuilt.written[at] ^= 1U;
    EXPECT_NE(compare(reply, rebuilt), "") << at;
    rebuilt.written[at] ^= 1U;
  }
  rebuilt.written.push_back(0);
  EXPECT_NE(compare(reply, rebuilt), "");
}

TEST(LdnsReading, DisagreesWithAnyOtherVerdictOnAReply) {
  const Octets good = a_reply();
  Octets cut = good;
  cut.pop_back();
  Octets foreign = good;
  foreign[2] = 0;  // no response
  using enum dns::RebuildStatus;
  const std::vector<std::pair<Octets, dns::RebuildStatus>> replies{
      {good, kOk}, {cut, kMalformed}, {foreign, kNotOurs}};
  for (const auto& [reply, status] : replies) {
    Rebuilt rebuilt = rebuild(reply);
    EXPECT_EQ(rebuilt.result.status, status);
    EXPECT_EQ(compare(reply, rebuilt), "");
    for (const dns::RebuildStatus wrong : {kOk, kMalformed, kNotOurs}) {
      rebuilt.result.status = wrong;
      EXPECT_EQ(compare(reply, rebuilt).empty(), wrong == status);
    }
  }
}

TEST(LdnsReading, DisagreesWithAnAnswerThatLosesItsRecords) {
  const Octets reply = a_reply();
  Rebuilt rebuilt = rebuild(reply);
  dns::ResponseWriter writer(rebuilt.client, rebuilt.written);
  rebuilt.written.resize(writer.finish());
  EXPECT_EQ(compare(reply, rebuilt), "section 0");
}

// RFC 3597: another's RDATA of another's type is not judged, one of ours is.
TEST(LdnsReading, TakesMalformedRdataOnlyOfTypesThatAreHandedOn) {
  const Octets short_key{0, 1};  // DNSKEY: flags, and no more
  const Octets reply = MessageBytes()
                           .header(0, 0x8180, 1, 1, 0, 0)
                           .question("www.example.org", 1)
                           .record("www.example.org", 48, 60, short_key)
                           .bytes();
  Rebuilt rebuilt = rebuild(reply);
  ASSERT_EQ(rebuilt.result.status, dns::RebuildStatus::kOk);
  EXPECT_EQ(compare(reply, rebuilt), "");
  const MeantAnswer meant{.id = 0,
                          .flags = 0x8080,
                          .rcode = 0,
                          .has_edns = true,
                          .question = rebuilt.client.question()};
  EXPECT_EQ(compare_answer(rebuilt.written, meant), "a record is malformed");
}

TEST(LdnsReading, ReadsWhatAnAnswerWasMeantToSay) {
  dns::Query query;
  dns::parse_query(support::make_query("web.mesh", 1, {.edns = 1232}), query);
  Octets answer(512);
  answer.resize(dns::write_error(query, dns::rcode::kServFail, nullptr, answer));
  const MeantAnswer meant{.id = query.id,
                          .flags = 0x8180,
                          .rcode = dns::rcode::kServFail,
                          .has_edns = true,
                          .question = query.question()};
  EXPECT_EQ(compare_answer(answer, meant), "");
  const std::vector<std::pair<std::string, std::function<void(MeantAnswer&)>>> wrong{
      {"id", [](MeantAnswer& m) { ++m.id; }},
      {"flags", [](MeantAnswer& m) { m.flags |= dns::flag::kAuthoritative; }},
      {"rcode", [](MeantAnswer& m) { m.rcode = 0; }},
      {"EDNS", [](MeantAnswer& m) { m.has_edns = false; }},
      {"QDCOUNT", [](MeantAnswer& m) { m.question = {}; }},
      {"the question", [](MeantAnswer& m) { m.question = m.question.first(3); }},
  };
  for (const auto& [what, change] : wrong) {
    MeantAnswer other = meant;
    change(other);
    EXPECT_EQ(compare_answer(answer, other), what);
  }
}

TEST(LdnsReading, AgreesOnTextOfNames) {
  const std::vector<std::string> texts{
      "",          ".",           "web.mesh", "web.mesh.", "a..b",
      R"(a\.b.c)", R"(\065\255)", R"(\256)",  R"(\12)",    std::string(64, 'a'),
      "a\\",       "@",           "a b;c\"$", R"(\)",      support::longest_name()};
  for (const std::string& text : texts) {
    const auto name = dns::Name::from_text(text);
    const std::string printed = name ? name->to_text() : "";
    EXPECT_EQ(compare_name_text(text, name, printed), "") << text;
    EXPECT_NE(compare_name_text(text, dns::Name::from_text("other"), "other."), "") << text;
    if (name) {
      EXPECT_NE(compare_name_text(text, std::nullopt, ""), "") << text;
      EXPECT_NE(compare_name_text(text, name, "other."), "") << text;
    }
  }
  EXPECT_EQ(compare_name_text(std::string("a\0b", 3), std::nullopt, ""), "");
}

}  // namespace
}  // namespace meshdns::fuzz
