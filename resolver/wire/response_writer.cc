#include "resolver/wire/response_writer.h"

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include "resolver/wire/big_endian.h"
#include "resolver/wire/name.h"
#include "resolver/wire/protocol.h"
#include "resolver/wire/query.h"
#include "resolver/wire/transport.h"

namespace meshdns::dns {
namespace {

constexpr std::uint16_t kPointerBits = 0xc000;
constexpr std::size_t kMaxPointerTarget = 0x3fff;
constexpr std::size_t kRecordFieldOctets = 10;   // type, class, TTL, RDLENGTH
constexpr std::size_t kExtendedErrorOctets = 6;  // option code, length, info code
constexpr std::uint32_t kDnssecOk = 0x8000;

// FNV-1a of one label with its length octet, continued from the hash of what follows it.
std::uint32_t hash_label(std::uint32_t hash, std::span<const std::uint8_t> label) {
  for (const std::uint8_t octet : label) {
    hash = (hash ^ octet) * 16777619U;
  }
  return hash;
}

}  // namespace

std::size_t response_limit(const Query& query, Transport transport, std::uint16_t max_udp_payload) {
  if (transport == Transport::kTcp) {
    return kMaxMessageOctets;
  }
  return std::min<std::size_t>(query.udp_payload_size,
                               std::max<std::size_t>(max_udp_payload, kPlainUdpOctets));
}

ResponseWriter::ResponseWriter(const Query& query, std::span<std::uint8_t> buffer)
    : query_(query), buffer_(buffer) {
  const std::size_t opt = query.has_edns ? kOptOctets : 0;
  const std::size_t needed = kHeaderOctets + query.question_size + opt;
  assert(buffer.size() >= needed);
  if (buffer.size() < needed) {
    return;  // finish() then gives an empty response
  }
  constexpr std::uint16_t kEchoed =
      flag::kOpcodeMask | flag::kRecursionDesired | flag::kCheckingDisabled;
  flags_ = static_cast<std::uint16_t>((query.flags & kEchoed) | flag::kResponse |
                                      flag::kRecursionAvailable);
  size_ = kHeaderOctets + query.question_size;
  end_ = buffer.size() - opt;
  std::memcpy(buffer_.data() + kHeaderOctets, query.question_octets.data(), query.question_size);
}

bool ResponseWriter::reserve(std::size_t octets) {
  overflow_ = overflow_ || octets > end_ - size_;
  return !overflow_;
}

void ResponseWriter::write_header_fields(Section section, const RecordHeader& header) {
  const auto index = static_cast<std::size_t>(section);
  if (reserve(kRecordFieldOctets)) {
    store_u16(buffer_, size_, header.type);
    store_u16(buffer_, size_ + 2, header.rrclass);
    store_u32(buffer_, size_ + 4, header.ttl);
    size_ += kRecordFieldOctets;
    rdata_length_at_ = size_ - 2;
    ++counts_.at(index);
  }
}

bool ResponseWriter::add_record(Section section, std::uint16_t owner_offset,
                                const RecordHeader& header, std::span<const std::uint8_t> rdata) {
  begin_record(section, owner_offset, header);
  put_octets(rdata);
  return end_record();
}

void ResponseWriter::begin_record(Section section, std::uint16_t owner_offset,
                                  const RecordHeader& header) {
  record_start_ = mark();
  overflow_ = false;
  put_pointer(owner_offset);
  write_header_fields(section, header);
}

void ResponseWriter::begin_record(Section section, NameView owner, const RecordHeader& header) {
  record_start_ = mark();
  overflow_ = false;
  if (query_.has_question && owner.equals_ignoring_case(query_.question_name())) {
    put_pointer(kQuestionNameOffset);
  } else {
    put_compressed_name(owner);
  }
  write_header_fields(section, header);
}

void ResponseWriter::put_u16(std::uint16_t value) {
  if (reserve(2)) {
    store_u16(buffer_, size_, value);
    size_ += 2;
  }
}

void ResponseWriter::put_u32(std::uint32_t value) {
  if (reserve(4)) {
    store_u32(buffer_, size_, value);
    size_ += 4;
  }
}

void ResponseWriter::put_octets(std::span<const std::uint8_t> octets) {
  if (reserve(octets.size()) && !octets.empty()) {
    std::memcpy(buffer_.data() + size_, octets.data(), octets.size());
    size_ += octets.size();
  }
}

void ResponseWriter::put_pointer(std::uint16_t offset) {
  put_u16(static_cast<std::uint16_t>(kPointerBits | offset));
}

void ResponseWriter::put_compressed_name(NameView name) {
  remember_question();
  // Where each label starts, and the hash of the name from there on, the root's being last.
  std::array<std::uint8_t, kMaxLabels> starts;   // NOLINT: filled as far as it is read
  std::array<std::uint32_t, kMaxLabels> hashes;  // NOLINT: likewise
  std::size_t labels = 0;
  for (std::size_t at = 0; name.octets()[at] != 0; at += name.octets()[at] + 1U) {
    starts.at(labels++) = static_cast<std::uint8_t>(at);
  }
  std::uint32_t hash = 2166136261U;
  for (std::size_t i = labels; i-- > 0;) {
    const std::size_t at = starts.at(i);
    hash = hash_label(hash, name.octets().subspan(at, name.octets()[at] + 1U));
    hashes.at(i) = hash;
  }
  for (std::size_t i = 0; i < labels; ++i) {
    const NameView rest(name.octets().subspan(starts.at(i)));
    if (const std::uint16_t known = find_name(hashes.at(i), rest); known != 0) {
      return put_pointer(known);
    }
    const std::size_t at = size_;
    put_octets(rest.octets().first(rest.octets()[0] + 1U));
    if (overflow_) {
      return;
    }
    remember_name(hashes.at(i), at);
  }
  constexpr std::array<std::uint8_t, 1> kRoot{0};
  put_octets(kRoot);
}

bool ResponseWriter::end_record() {
  if (overflow_) {
    rewind(record_start_);
    return false;
  }
  store_u16(buffer_, rdata_length_at_, static_cast<std::uint16_t>(size_ - rdata_length_at_ - 2));
  return true;
}

bool ResponseWriter::add_all_records(std::span<const std::uint8_t> octets,
                                     const std::array<std::uint16_t, 3>& counts) {
  overflow_ = false;
  put_octets(octets);
  if (!overflow_) {
    counts_ = counts;
  }
  return !overflow_;
}

void ResponseWriter::rewind(const Mark& mark) {
  size_ = mark.size;
  counts_ = mark.counts;
  // The latest are taken back first, so the probe sequences of the others stay whole.
  while (name_count_ > mark.names) {
    --name_count_;
    name_slots_.at(names_.at(name_count_).slot) = 0;
  }
}

void ResponseWriter::remember_question() {
  if (names_ready_) {
    return;
  }
  names_ready_ = true;
  name_slots_.fill(0);
  if (!query_.has_question) {
    return;
  }
  // The question stands in the buffer as the name at its offset; its parts are remembered as if
  // they had been written one by one.
  const NameView question = query_.question_name();
  std::array<std::uint8_t, kMaxLabels> starts;  // NOLINT: filled as far as it is read
  std::size_t labels = 0;
  for (std::size_t at = 0; question.octets()[at] != 0; at += question.octets()[at] + 1U) {
    starts.at(labels++) = static_cast<std::uint8_t>(at);
  }
  std::uint32_t hash = 2166136261U;
  for (std::size_t i = labels; i-- > 0;) {
    const std::size_t at = starts.at(i);
    hash = hash_label(hash, question.octets().subspan(at, question.octets()[at] + 1U));
    remember_name(hash, kHeaderOctets + at);
  }
  record_start_.names = name_count_;  // these stay when the first record is taken back
}

std::uint16_t ResponseWriter::find_name(std::uint32_t hash, NameView name) const {
  for (std::size_t probe = 0; probe < kMaxProbes; ++probe) {
    const std::uint8_t index = name_slots_.at((hash + probe) % kNameSlots);
    if (index == 0) {
      return 0;
    }
    const KnownName& known = names_.at(index - 1U);
    if (known.hash == hash && equals_at(known.offset, name)) {
      return known.offset;
    }
  }
  return 0;
}

void ResponseWriter::remember_name(std::uint32_t hash, std::size_t offset) {
  if (name_count_ == kMaxNames || offset > kMaxPointerTarget) {
    return;
  }
  for (std::size_t probe = 0; probe < kMaxProbes; ++probe) {
    const std::size_t slot = (hash + probe) % kNameSlots;
    if (name_slots_.at(slot) == 0) {
      names_.at(name_count_) = {.hash = hash,
                                .offset = static_cast<std::uint16_t>(offset),
                                .slot = static_cast<std::uint8_t>(slot)};
      name_slots_.at(slot) = static_cast<std::uint8_t>(++name_count_);
      return;
    }
  }
}

bool ResponseWriter::equals_at(std::size_t offset, NameView name) const {
  // Our own octets: pointers lead to whole names before them.
  std::span<const std::uint8_t> rest = name.octets();
  while (true) {
    const std::uint8_t length = buffer_[offset];
    if (length > kMaxLabelOctets) {
      offset = static_cast<std::size_t>(length & 0x3fU) << 8U | buffer_[offset + 1];
      continue;
    }
    if (rest[0] != length ||
        std::memcmp(rest.data(), buffer_.data() + offset, length + std::size_t{1}) != 0) {
      return false;
    }
    if (length == 0) {
      return true;
    }
    rest = rest.subspan(length + 1U);
    offset += length + 1U;
  }
}

std::size_t ResponseWriter::finish(const ExtendedError* error) {
  if (end_ == 0) {
    return 0;
  }
  store_u16(buffer_, 0, query_.id);
  store_u16(buffer_, 2, static_cast<std::uint16_t>(flags_ | (rcode_ & flag::kRcodeMask)));
  store_u16(buffer_, 4, query_.has_question ? 1 : 0);
  store_u16(buffer_, 6, counts_[0]);
  store_u16(buffer_, 8, counts_[1]);
  store_u16(buffer_, 10, static_cast<std::uint16_t>(counts_[2] + (query_.has_edns ? 1 : 0)));
  if (!query_.has_edns) {
    return size_;
  }
  buffer_[size_] = 0;
  store_u16(buffer_, size_ + 1, rrtype::kOpt);
  store_u16(buffer_, size_ + 3, kOurUdpPayloadOctets);
  store_u32(buffer_, size_ + 5,
            std::uint32_t{rcode_} >> 4U << 24U | (query_.dnssec_ok ? kDnssecOk : 0));
  const std::size_t length_at = size_ + 9;
  store_u16(buffer_, length_at, 0);
  size_ += kOptOctets;
  if (error == nullptr || buffer_.size() - size_ < kExtendedErrorOctets) {
    return size_;
  }
  std::string_view text = error->text.substr(0, kMaxExtendedErrorTextOctets);
  if (text.size() > buffer_.size() - size_ - kExtendedErrorOctets) {
    text = {};
  }
  store_u16(buffer_, size_, edns_option::kExtendedError);
  store_u16(buffer_, size_ + 2, static_cast<std::uint16_t>(text.size() + 2));
  store_u16(buffer_, size_ + 4, error->code);
  std::ranges::copy(text,
                    buffer_.begin() + static_cast<std::ptrdiff_t>(size_ + kExtendedErrorOctets));
  size_ += kExtendedErrorOctets + text.size();
  store_u16(buffer_, length_at, static_cast<std::uint16_t>(kExtendedErrorOctets + text.size()));
  return size_;
}

std::size_t write_error(const Query& query, std::uint16_t rcode, const ExtendedError* error,
                        std::span<std::uint8_t> buffer) {
  ResponseWriter writer(query, buffer);
  writer.set_rcode(rcode);
  return writer.finish(error);
}

}  // namespace meshdns::dns
