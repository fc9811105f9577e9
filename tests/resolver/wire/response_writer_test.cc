#include "resolver/wire/response_writer.h"

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
#include "resolver/wire/transport.h"
#include "tests/support/dns_message.h"
#include "tests/support/ldns_judge.h"

namespace meshdns::dns {
namespace {

using support::judge;
using support::JudgedExtendedError;
using support::JudgedMessage;
using support::make_query;
using support::Octets;
using support::QueryOptions;
using testing::ElementsAre;
using testing::SizeIs;

constexpr std::array<std::uint8_t, 4> kAddress{192, 0, 2, 1};
constexpr RecordHeader kA{rrtype::kA, rrclass::kIn, 30};

Query parsed(std::string_view name, std::uint16_t type, const QueryOptions& options = {}) {
  Query query;
  EXPECT_EQ(parse_query(make_query(name, type, options), query), ParseStatus::kOk);
  return query;
}

JudgedMessage judged(std::span<const std::uint8_t> octets) {
  const auto message = judge(octets);
  EXPECT_TRUE(message.has_value());
  return message.value_or(JudgedMessage());
}

TEST(ResponseWriter, EchoesIdOpcodeRdCdAndTheQuestion) {
  // All flags of a query set: AA, TC, RD, RA, Z, AD, CD. Only RD and CD come back; RA is ours.
  const Octets request = make_query("wEb.MeSh", 1, {.id = 0xbeef, .flags = 0x07f0});
  Query query;
  ASSERT_EQ(parse_query(request, query), ParseStatus::kOk);
  std::array<std::uint8_t, 512> buffer{};
  ResponseWriter writer(query, buffer);
  const std::size_t size = writer.finish();
  EXPECT_EQ(buffer[2], 0x81);
  EXPECT_EQ(buffer[3], 0x90);
  const JudgedMessage message = judged(std::span(buffer).first(size));
  EXPECT_EQ(message.id, 0xbeef);
  EXPECT_THAT(message.question, ElementsAre("wEb.MeSh. IN A"));
  EXPECT_FALSE(message.edns);
}

TEST(ResponseWriter, WritesRecordsInSections) {
  const Query query = parsed("web.mesh", 1, {.edns = 1232});
  std::array<std::uint8_t, 512> buffer{};
  ResponseWriter writer(query, buffer);
  ASSERT_TRUE(writer.add_record(Section::kAnswer, kQuestionNameOffset, kA, kAddress));
  writer.begin_record(Section::kAuthority, *Name::from_text("mesh"), {rrtype::kNs, 1, 60});
  writer.put_compressed_name(*Name::from_text("ns.mesh"));
  ASSERT_TRUE(writer.end_record());
  writer.begin_record(Section::kAdditional, *Name::from_text("ns.mesh"), kA);
  writer.put_octets(kAddress);
  ASSERT_TRUE(writer.end_record());
  const JudgedMessage message = judged(std::span(buffer).first(writer.finish()));
  EXPECT_THAT(message.answer, ElementsAre("web.mesh. 30 IN A 192.0.2.1"));
  EXPECT_THAT(message.authority, ElementsAre("mesh. 60 IN NS ns.mesh."));
  EXPECT_THAT(message.additional, ElementsAre("ns.mesh. 30 IN A 192.0.2.1"));
  EXPECT_EQ(message.udp_size, 1232);
}

TEST(ResponseWriter, CompressesNamesAgainstAllThatStandBefore) {
  const Query query = parsed("web.mesh", 1);
  std::array<std::uint8_t, 512> buffer{};
  ResponseWriter writer(query, buffer);
  const std::size_t start = writer.size();
  writer.begin_record(Section::kAnswer, *Name::from_text("a.b.web.mesh"), kA);
  ASSERT_TRUE(writer.end_record());
  // \001a \001b pointer, and ten fields.
  EXPECT_EQ(writer.size() - start, 6 + 10);
  writer.begin_record(Section::kAnswer, *Name::from_text("b.web.mesh"), kA);
  ASSERT_TRUE(writer.end_record());
  EXPECT_EQ(writer.size() - start, 6 + 10 + 2 + 10);
  const JudgedMessage message = judged(std::span(buffer).first(writer.finish()));
  EXPECT_THAT(message.answer, SizeIs(2));
}

TEST(ResponseWriter, KeepsTheCaseOfNamesThatAreNotTheQuestion) {
  const Query query = parsed("WEB.Mesh", rrtype::kCname);
  std::array<std::uint8_t, 512> buffer{};
  ResponseWriter writer(query, buffer);
  writer.begin_record(Section::kAnswer, *Name::from_text("web.mesh"), {rrtype::kCname, 1, 1});
  writer.put_compressed_name(*Name::from_text("Other.mesh"));
  ASSERT_TRUE(writer.end_record());
  const JudgedMessage message = judged(std::span(buffer).first(writer.finish()));
  EXPECT_THAT(message.answer, ElementsAre("WEB.Mesh. 1 IN CNAME Other.mesh."));
}

TEST(ResponseWriter, TakesBackARecordThatDoesNotFit) {
  const Query query = parsed("web.mesh", 1);
  std::array<std::uint8_t, 512> buffer{};
  ResponseWriter writer(query, buffer);
  const std::size_t start = writer.size();
  std::size_t fitting = 0;
  while (writer.add_record(Section::kAnswer, kQuestionNameOffset, kA, kAddress)) {
    ++fitting;
  }
  EXPECT_EQ(fitting, (512 - start) / 16);
  EXPECT_EQ(writer.size(), start + fitting * 16);
  EXPECT_THAT(judged(std::span(buffer).first(writer.finish())).answer, SizeIs(fitting));
}

TEST(ResponseWriter, FillsTheBufferToItsLastOctetAndNoFurther) {
  // A buffer of each size: what fits is whole, the octets behind stay.
  const Query query = parsed("web.mesh", 1, {.edns = 512});
  for (std::size_t size = 60; size < 140; ++size) {
    std::vector<std::uint8_t> buffer(size);  // on the heap, for ASan
    ResponseWriter writer(query, buffer);
    while (writer.add_record(Section::kAnswer, kQuestionNameOffset, kA, kAddress)) {
    }
    const JudgedMessage message = judged(std::span(buffer).first(writer.finish()));
    EXPECT_TRUE(message.edns);
    EXPECT_EQ(message.answer.size(), (size - 12 - 14 - 11) / 16);
  }
}

TEST(ResponseWriter, RewindsRecordsAndTheNamesTheyBrought) {
  const Query query = parsed("web.mesh", 1);
  std::array<std::uint8_t, 512> buffer{};
  ResponseWriter writer(query, buffer);
  const auto mark = writer.mark();
  writer.begin_record(Section::kAnswer, *Name::from_text("gone.example.org"), kA);
  ASSERT_TRUE(writer.end_record());
  writer.rewind(mark);
  writer.begin_record(Section::kAnswer, *Name::from_text("example.org"), kA);
  writer.put_octets(kAddress);
  ASSERT_TRUE(writer.end_record());
  const JudgedMessage message = judged(std::span(buffer).first(writer.finish()));
  EXPECT_THAT(message.answer, ElementsAre("example.org. 30 IN A 192.0.2.1"));
}

TEST(ResponseWriter, StaysRightWhenItStopsRememberingNames) {
  const Query query = parsed("web.mesh", 1);
  std::vector<std::uint8_t> buffer(65535);
  ResponseWriter writer(query, buffer);
  std::vector<std::string> expected;
  for (unsigned i = 0; i < 1000; ++i) {
    const std::string owner =
        "n" + std::to_string(i) + ".z" + std::to_string(i % 200) + ".example.";
    writer.begin_record(Section::kAnswer, *Name::from_text(owner), kA);
    writer.put_octets(kAddress);
    ASSERT_TRUE(writer.end_record());
    expected.push_back(owner + " 30 IN A 192.0.2.1");
  }
  EXPECT_EQ(judged(std::span(buffer).first(writer.finish())).answer, expected);
}

TEST(ResponseWriter, WritesNamesBeyondThePointersReach) {
  // Pointers reach 16383 octets (RFC 1035 section 4.1.4).
  const Query query = parsed("web.mesh", 1);
  std::vector<std::uint8_t> buffer(65535);
  ResponseWriter writer(query, buffer);
  const Octets filler(16400, 7);
  ASSERT_TRUE(writer.add_record(Section::kAnswer, kQuestionNameOffset, {65280, 1, 0}, filler));
  for (unsigned i = 0; i < 2; ++i) {
    writer.begin_record(Section::kAnswer, *Name::from_text("far.example.org"), kA);
    writer.put_octets(kAddress);
    ASSERT_TRUE(writer.end_record());
  }
  const JudgedMessage message = judged(std::span(buffer).first(writer.finish()));
  ASSERT_THAT(message.answer, SizeIs(3));
  EXPECT_EQ(message.answer[2], "far.example.org. 30 IN A 192.0.2.1");
}

TEST(ResponseWriter, PutsTheUpperRcodeBitsIntoOpt) {
  const Query query = parsed("web.mesh", 1, {.edns = 1232, .dnssec_ok = true});
  std::array<std::uint8_t, 512> buffer{};
  ResponseWriter writer(query, buffer);
  writer.set_rcode(rcode::kBadVers);
  const JudgedMessage message = judged(std::span(buffer).first(writer.finish()));
  EXPECT_EQ(message.rcode, 0);
  EXPECT_EQ(message.extended_rcode, 1);
  EXPECT_EQ(message.edns_version, 0);
  EXPECT_TRUE(message.dnssec_ok);
  EXPECT_EQ(message.edns_unassigned_flags, 0);
}

TEST(ResponseWriter, TellsTheExtendedErrorToEdnsClientsOnly) {
  const ExtendedError error{extended_error::kNotReady, "not yet"};
  std::array<std::uint8_t, 512> buffer{};
  const Query with = parsed("web.mesh", 1, {.edns = 1232});
  const JudgedMessage told =
      judged(std::span(buffer).first(write_error(with, rcode::kServFail, &error, buffer)));
  EXPECT_EQ(told.extended_error, (JudgedExtendedError{14, "not yet"}));
  EXPECT_EQ(told.rcode, 2);
  const Query without = parsed("web.mesh", 1);
  const JudgedMessage untold =
      judged(std::span(buffer).first(write_error(without, rcode::kServFail, &error, buffer)));
  EXPECT_FALSE(untold.edns);
  EXPECT_EQ(untold.rcode, 2);
}

TEST(ResponseWriter, CutsTheExtendedErrorBeforeAnythingElse) {
  const Query query = parsed("web.mesh", 1, {.edns = 512});
  const std::string text(100, 't');
  const ExtendedError error{22, text};
  std::array<std::uint8_t, 512> buffer{};
  EXPECT_EQ(judged(std::span(buffer).first(write_error(query, 2, &error, buffer)))
                .extended_error->text.size(),
            64);
  // Header 12, question 14, OPT 11, then 6 octets of the error without its text.
  for (const std::size_t size : {37U, 42U, 43U, 106U, 107U}) {
    const auto message = judged(
        std::span(buffer).first(write_error(query, 2, &error, std::span(buffer).first(size))));
    EXPECT_TRUE(message.edns);
    EXPECT_EQ(message.extended_error.has_value(), size >= 43);
    EXPECT_EQ(message.extended_error.value_or(JudgedExtendedError{}).text.size(),
              size >= 107 ? 64U : 0U);
  }
}

TEST(ResponseWriter, GivesAnErrorNoLargerThanItsQuery) {
  for (const QueryOptions& options : {QueryOptions{}, QueryOptions{.edns = 4096}}) {
    const Octets request = make_query("web.mesh", 255, options);
    Query query;
    ASSERT_EQ(parse_query(request, query), ParseStatus::kOk);
    std::array<std::uint8_t, 512> buffer{};
    EXPECT_LE(write_error(query, rcode::kRefused, nullptr, buffer), request.size());
  }
}

struct LimitCase {
  std::optional<std::uint16_t> edns;
  Transport transport;
  std::uint16_t ours;
  std::size_t limit;
};

TEST(ResponseLimit, IsTheSmallerOfTheClientsAndOurs) {
  const std::vector<LimitCase> cases{
      {std::nullopt, Transport::kUdp, 1232, 512},  {512, Transport::kUdp, 1232, 512},
      {1000, Transport::kUdp, 1232, 1000},         {4096, Transport::kUdp, 1232, 1232},
      {100, Transport::kUdp, 1232, 512},           {4096, Transport::kUdp, 100, 512},
      {std::nullopt, Transport::kTcp, 1232, 65535}};
  for (const LimitCase& row : cases) {
    EXPECT_EQ(response_limit(parsed("web.mesh", 1, {.edns = row.edns}), row.transport, row.ours),
              row.limit);
  }
}

}  // namespace
}  // namespace meshdns::dns
