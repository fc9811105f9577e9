#include "resolver/wire/message_reader.h"

#include <cstddef>
#include <cstdint>
#include <span>

#include "resolver/wire/big_endian.h"
#include "resolver/wire/protocol.h"
#include "resolver/wire/response_writer.h"

namespace meshdns::dns {

MessageReader::MessageReader(std::span<const std::uint8_t> message)
    : message_(message), reader_(message) {
  const auto header = reader_.read_octets(kHeaderOctets);
  if (header.empty()) {
    return;
  }
  header_.id = load_u16(header, 0);
  header_.flags = load_u16(header, 2);
  header_.question_count = load_u16(header, 4);
  header_.record_counts = {load_u16(header, 6), load_u16(header, 8), load_u16(header, 10)};
}

bool MessageReader::read_question(QuestionView& question) {
  constexpr std::size_t kFieldOctets = 4;
  reader_.read_name(question.name);
  const auto fields = reader_.read_octets(kFieldOctets);
  if (fields.empty()) {
    return false;
  }
  question.qtype = load_u16(fields, 0);
  question.qclass = load_u16(fields, 2);
  return true;
}

bool MessageReader::next(RecordView& record) {
  constexpr std::size_t kFieldOctets = 10;  // type, class, TTL, RDLENGTH
  while (section_ < header_.record_counts.size() &&
         read_in_section_ == header_.record_counts.at(section_)) {
    ++section_;
    read_in_section_ = 0;
  }
  if (section_ == header_.record_counts.size() || !reader_.ok()) {
    return false;
  }
  ++read_in_section_;
  record.section = static_cast<Section>(section_);
  reader_.read_name(record.owner);
  const auto fields = reader_.read_octets(kFieldOctets);
  if (fields.empty()) {
    return false;
  }
  record.header = {
      .type = load_u16(fields, 0), .rrclass = load_u16(fields, 2), .ttl = load_u32(fields, 4)};
  record.rdata_offset = reader_.offset();
  record.rdata = reader_.read_octets(load_u16(fields, 8));
  return reader_.ok();
}

}  // namespace meshdns::dns
