// A message of an upstream server, read record by record, and by ldns.
//
// Input: the message.
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "fuzz/require.h"
#include "fuzz/resolver/ldns_reading.h"
#include "resolver/wire/message_reader.h"
#include "resolver/wire/name.h"
#include "resolver/wire/protocol.h"
#include "resolver/wire/query.h"
#include "resolver/wire/upstream_reply.h"
#include "resolver/wire/wire_reader.h"

namespace dns = meshdns::dns;

namespace {

using meshdns::fuzz::require;
using meshdns::fuzz::require_same;

// A name that was read is one that can be written: it reads as itself, without compression.
void check_name(dns::NameView name) {
  require(!name.octets().empty() && name.octets().size() <= dns::kMaxNameOctets);
  dns::WireReader reader(name.octets());
  require(reader.read_plain_name() == name);
  require(reader.ok() && reader.remaining() == 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::vector<std::uint8_t> message(data, data + size);
  require_same(meshdns::fuzz::compare_message(message, meshdns::fuzz::read_message(message)));
  const dns::ReplyStatus status = dns::inspect_reply(message);
  dns::MessageReader reader(message);
  require(reader.ok() == (size >= dns::kHeaderOctets));
  dns::QuestionView question;
  std::size_t questions = 0;
  while (questions < reader.header().question_count && reader.read_question(question)) {
    check_name(question.name);
    ++questions;
  }
  const bool questions_parse = reader.ok();
  if (questions_parse) {
    require(questions == reader.header().question_count);
  }

  dns::RecordView record;
  std::array<std::size_t, 3> counts{};
  std::size_t last_section = 0;
  std::size_t read_up_to = 0;
  while (questions_parse && reader.next(record)) {
    const auto section = static_cast<std::size_t>(record.section);
    require(section >= last_section && section < counts.size());
    last_section = section;
    ++counts.at(section);
    check_name(record.owner);
    // RDATA lies in the message, after that of the record before.
    require(record.rdata_offset > read_up_to);
    require(record.rdata_offset + record.rdata.size() <= message.size());
    require(record.rdata.data() == message.data() + record.rdata_offset);
    read_up_to = record.rdata_offset + record.rdata.size();
  }
  if (questions_parse && reader.ok()) {
    for (std::size_t i = 0; i < counts.size(); ++i) {
      require(counts.at(i) == reader.header().record_counts.at(i));
    }
  } else {
    require(!status.parses);
  }

  // It answers at most the question that it holds, and with its own id.
  dns::Query client;
  if (questions == 1 && questions_parse) {
    client.assign_question(question.name, question.qtype, question.qclass);
    const auto id = static_cast<std::uint16_t>(message[0] << 8U | message[1]);
    require(!dns::reply_matches(message, client, static_cast<std::uint16_t>(id + 1U)));
    const bool matches = dns::reply_matches(message, client, id);
    require(matches == ((message[2] & 0xf8U) == 0x80U && reader.header().question_count == 1));
    client.assign_question(question.name, static_cast<std::uint16_t>(question.qtype + 1U),
                           question.qclass);
    require(!dns::reply_matches(message, client, id));
  }
  return 0;
}
