// Writes one response into a caller's buffer with a hard end. Hot path.
//
// The writer echoes id, opcode, RD, CD and the question, sets QR and RA, and keeps room for an OPT
// record iff the query had one (RFC 6891 section 6.1.1), so that it can always finish. A record
// that does not fit is not written at all; the caller then decides about TC. Records are added
// section by section: answer, authority, additional.
//
// The query and the buffer must outlive the writer; they may not overlap.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "resolver/wire/name.h"
#include "resolver/wire/protocol.h"
#include "resolver/wire/query.h"
#include "resolver/wire/transport.h"

namespace meshdns::dns {

// RFC 8914: said only to EDNS clients, cut to 64 octets of text, dropped before anything else is.
struct ExtendedError {
  std::uint16_t code = extended_error::kOther;
  std::string_view text;
};

enum class Section : std::uint8_t { kAnswer, kAuthority, kAdditional };

// Fields in front of a record's RDATA, without the owner.
struct RecordHeader {
  std::uint16_t type = 0;
  std::uint16_t rrclass = rrclass::kIn;
  std::uint32_t ttl = 0;
};

// Where the question's name, and so its suffixes, begin in every response.
inline constexpr std::uint16_t kQuestionNameOffset = kHeaderOctets;

// The most octets a response to `query` may have: 512 or what the client's OPT allows, never above
// `max_udp_payload`, over UDP; 65535 over TCP.
[[nodiscard]] std::size_t response_limit(const Query& query, Transport transport,
                                         std::uint16_t max_udp_payload);

class ResponseWriter {
 public:
  // `buffer` ends where the response must: at least 512 octets, which hold any question.
  ResponseWriter(const Query& query, std::span<std::uint8_t> buffer);

  void set_rcode(std::uint16_t value) { rcode_ = value; }  // up to 4095; above 15 needs EDNS
  void set_flags(std::uint16_t bits) { flags_ |= bits; }   // AA, TC, AD
  [[nodiscard]] std::uint16_t rcode() const { return rcode_; }
  [[nodiscard]] std::size_t size() const { return size_; }

  // One record whose owner is written as a pointer to `owner_offset` of this message. False, and
  // nothing written, when it does not fit.
  [[nodiscard]] bool add_record(Section section, std::uint16_t owner_offset,
                                const RecordHeader& header, std::span<const std::uint8_t> rdata);

  // A record piece by piece: begin, any puts, end. After a put that did not fit, end_record() takes
  // the whole record back and returns false.
  void begin_record(Section section, std::uint16_t owner_offset, const RecordHeader& header);
  // The owner is compressed; one that is the question's name is written in the question's case.
  void begin_record(Section section, NameView owner, const RecordHeader& header);
  void put_u16(std::uint16_t value);
  void put_u32(std::uint32_t value);
  void put_octets(std::span<const std::uint8_t> octets);
  void put_pointer(std::uint16_t offset);
  void put_plain_name(NameView name) { put_octets(name.octets()); }
  // Compressed against what stands before, exact in case (RFC 1035 section 4.1.4). Only for RDATA
  // of RFC 1035's own types (RFC 3597 section 4).
  void put_compressed_name(NameView name);
  [[nodiscard]] bool end_record();

  // All records of a response to the same question, octet for octet as they stood behind it there:
  // what they point at stands where it stood. False, and nothing written, when they do not fit.
  // Only where no record has been written; no other may follow.
  [[nodiscard]] bool add_all_records(std::span<const std::uint8_t> octets,
                                     const std::array<std::uint16_t, 3>& counts);

  // A place to come back to: an RRset or section is written whole or not at all (RFC 2181 section
  // 9).
  struct Mark {
    std::size_t size = 0;
    std::array<std::uint16_t, 3> counts{};
    std::uint16_t names = 0;
  };
  [[nodiscard]] Mark mark() const {
    return {.size = size_, .counts = counts_, .names = name_count_};
  }
  void rewind(const Mark& mark);

  // Writes header and OPT and returns the response's size. The last call.
  [[nodiscard]] std::size_t finish(const ExtendedError* error = nullptr);

 private:
  // Names already written that others may point to; after so many the writer stops remembering,
  // and each look-up is bounded, so that compression costs linear time (CVE-2024-8508).
  static constexpr std::size_t kMaxNames = 120;
  static constexpr std::size_t kNameSlots = 256;
  static constexpr std::size_t kMaxProbes = 8;
  static constexpr std::size_t kMaxLabels = 128;
  // Without initialisers: most responses remember no name, and 120 zeroed ones would cost them more
  // than the rest.
  struct KnownName {
    std::uint32_t hash;
    std::uint16_t offset;
    std::uint8_t slot;
  };

  [[nodiscard]] bool reserve(std::size_t octets);
  void write_header_fields(Section section, const RecordHeader& header);
  void remember_question();
  [[nodiscard]] std::uint16_t find_name(std::uint32_t hash, NameView name) const;
  void remember_name(std::uint32_t hash, std::size_t offset);
  [[nodiscard]] bool equals_at(std::size_t offset, NameView name) const;

  const Query& query_;
  std::span<std::uint8_t> buffer_;
  std::size_t size_ = 0;
  std::size_t end_ = 0;  // of what records may use: the OPT's room is behind it
  std::uint16_t flags_ = 0;
  std::uint16_t rcode_ = 0;
  std::array<std::uint16_t, 3> counts_{};

  Mark record_start_;
  std::size_t rdata_length_at_ = 0;
  bool overflow_ = false;

  std::uint16_t name_count_ = 0;
  bool names_ready_ = false;                         // name_slots_ is initialised at first use
  std::array<std::uint8_t, kNameSlots> name_slots_;  // index + 1 into names_, 0 = free
  std::array<KnownName, kMaxNames> names_;
};

// A whole response without records, e.g. SERVFAIL, REFUSED, FORMERR. `buffer` as for
// ResponseWriter; 512 octets always do. Without an ExtendedError it is never larger than the query
// was.
[[nodiscard]] std::size_t write_error(const Query& query, std::uint16_t rcode,
                                      const ExtendedError* error, std::span<std::uint8_t> buffer);

}  // namespace meshdns::dns
