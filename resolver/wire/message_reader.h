// Reads a message of an upstream server record by record. Hot path.
//
// Nothing is believed: every length is checked against the octets present, counts in the header
// only bound the loop, compression pointers go strictly backwards, names end at 255 octets. Refers
// to octets that must outlive it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "resolver/wire/name.h"
#include "resolver/wire/response_writer.h"
#include "resolver/wire/wire_reader.h"

namespace meshdns::dns {

struct MessageHeader {
  std::uint16_t id = 0;
  std::uint16_t flags = 0;
  std::uint16_t question_count = 0;
  std::array<std::uint16_t, 3> record_counts{};  // by Section
};

struct QuestionView {
  Name name;  // in the message's case
  std::uint16_t qtype = 0;
  std::uint16_t qclass = 0;
};

struct RecordView {
  Section section = Section::kAnswer;
  Name owner;  // in the message's case
  RecordHeader header;
  std::size_t rdata_offset = 0;
  std::span<const std::uint8_t> rdata;  // in the message; names in it may be compressed
};

// Use: header(), then read_question() as often as the header says, then next() until false.
class MessageReader {
 public:
  explicit MessageReader(std::span<const std::uint8_t> message);

  // False when there are fewer than 12 octets or something read so far did not parse.
  [[nodiscard]] bool ok() const { return reader_.ok(); }
  [[nodiscard]] const MessageHeader& header() const { return header_; }
  [[nodiscard]] std::span<const std::uint8_t> message() const { return message_; }

  // False when it does not parse.
  [[nodiscard]] bool read_question(QuestionView& question);
  // The next record in order. False after the last one, or when it does not parse: ok() tells.
  [[nodiscard]] bool next(RecordView& record);

 private:
  std::span<const std::uint8_t> message_;
  WireReader reader_;
  MessageHeader header_;
  std::size_t section_ = 0;
  std::uint16_t read_in_section_ = 0;
};

}  // namespace meshdns::dns
