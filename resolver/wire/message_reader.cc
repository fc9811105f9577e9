#include "resolver/wire/message_reader.h"

#include <cstdint>
#include <span>

#include "resolver/wire/response_writer.h"

namespace meshdns::dns {

MessageReader::MessageReader(std::span<const std::uint8_t> message)
    : message_(message), reader_(message) {
  header_.id = reader_.read_u16();
  header_.flags = reader_.read_u16();
  header_.question_count = reader_.read_u16();
  for (std::uint16_t& count : header_.record_counts) {
    count = reader_.read_u16();
  }
}

bool MessageReader::read_question(QuestionView& question) {
  reader_.read_name(question.name);
  question.qtype = reader_.read_u16();
  question.qclass = reader_.read_u16();
  return reader_.ok();
}

bool MessageReader::next(RecordView& record) {
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
  record.header.type = reader_.read_u16();
  record.header.rrclass = reader_.read_u16();
  record.header.ttl = reader_.read_u32();
  const std::uint16_t size = reader_.read_u16();
  record.rdata_offset = reader_.offset();
  record.rdata = reader_.read_octets(size);
  return reader_.ok();
}

}  // namespace meshdns::dns
