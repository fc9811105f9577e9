#include "resolver/wire/message_reader.h"

#include <cstddef>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "resolver/wire/response_writer.h"
#include "tests/support/dns_message.h"

namespace meshdns::dns {
namespace {

using support::MessageBytes;
using support::Octets;
using testing::ElementsAre;

const Octets kAddressOctets{192, 0, 2, 1};

Octets sample() {
  return MessageBytes()
      .header(1, 0x8180, 1, 1, 1, 1)
      .question("www.Example.org", 1)
      .pointer(12)
      .u16(1)
      .u16(1)
      .u32(60)
      .u16(4)
      .octets(kAddressOctets)
      .record("example.org", 2, 60, MessageBytes().name("ns.example.org").bytes())
      .opt(1232)
      .bytes();
}

TEST(MessageReader, ReadsEverySectionInOrder) {
  const Octets message = sample();
  MessageReader reader(message);
  EXPECT_EQ(reader.header().flags, 0x8180);
  QuestionView question;
  ASSERT_TRUE(reader.read_question(question));
  EXPECT_EQ(question.name.to_text(), "www.Example.org.");
  std::vector<std::string> owners;
  std::vector<Section> sections;
  RecordView record;
  while (reader.next(record)) {
    owners.push_back(record.owner.to_text());
    sections.push_back(record.section);
  }
  EXPECT_TRUE(reader.ok());
  EXPECT_THAT(owners, ElementsAre("www.Example.org.", "example.org.", "."));
  EXPECT_THAT(sections, ElementsAre(Section::kAnswer, Section::kAuthority, Section::kAdditional));
}

TEST(MessageReader, FailsOnEveryPrefix) {
  const Octets whole = sample();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const Octets prefix(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    MessageReader reader(prefix);
    QuestionView question;
    RecordView record;
    if (reader.read_question(question)) {
      while (reader.next(record)) {
      }
    }
    EXPECT_FALSE(reader.ok()) << size;
  }
}

TEST(MessageReader, EndsWithTheOctetsWhateverIsCounted) {
  const Octets message =
      MessageBytes().header(1, 0x8180, 0, 0xffff, 0xffff, 0xffff).opt(512).bytes();
  MessageReader reader(message);
  RecordView record;
  std::size_t records = 0;
  while (reader.next(record)) {
    ++records;
  }
  EXPECT_EQ(records, 1);
  EXPECT_FALSE(reader.ok());
}

}  // namespace
}  // namespace meshdns::dns
