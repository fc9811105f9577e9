#include "tests/support/dns_message.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

#include "resolver/wire/name.h"
#include "resolver/wire/protocol.h"
#include "resolver/wire/query.h"

namespace meshdns::support {

MessageBytes& MessageBytes::u8(unsigned value) {
  bytes_.push_back(static_cast<std::uint8_t>(value));
  return *this;
}

MessageBytes& MessageBytes::u16(unsigned value) { return u8(value >> 8U).u8(value & 0xffU); }

MessageBytes& MessageBytes::u32(std::uint32_t value) {
  return u16(value >> 16U).u16(value & 0xffffU);
}

MessageBytes& MessageBytes::octets(std::span<const std::uint8_t> octets) {
  bytes_.insert(bytes_.end(), octets.begin(), octets.end());
  return *this;
}

MessageBytes& MessageBytes::octets(std::initializer_list<std::uint8_t> octets) {
  bytes_.insert(bytes_.end(), octets.begin(), octets.end());
  return *this;
}

MessageBytes& MessageBytes::name(std::string_view text) {
  const auto name = dns::Name::from_text(text);
  if (!name) {
    throw std::invalid_argument("no domain name: " + std::string(text));
  }
  return octets(name->octets());
}

MessageBytes& MessageBytes::header(unsigned id, unsigned flags, unsigned qd, unsigned an,
                                   unsigned ns, unsigned ar) {
  return u16(id).u16(flags).u16(qd).u16(an).u16(ns).u16(ar);
}

MessageBytes& MessageBytes::question(std::string_view name_text, unsigned type, unsigned rrclass) {
  return name(name_text).u16(type).u16(rrclass);
}

MessageBytes& MessageBytes::record(std::string_view owner, unsigned type, std::uint32_t ttl,
                                   std::span<const std::uint8_t> rdata) {
  return name(owner)
      .u16(type)
      .u16(1)
      .u32(ttl)
      .u16(static_cast<unsigned>(rdata.size()))
      .octets(rdata);
}

MessageBytes& MessageBytes::opt(unsigned payload_size, std::uint32_t ttl,
                                std::span<const std::uint8_t> options) {
  return u8(0)
      .u16(41)
      .u16(payload_size)
      .u32(ttl)
      .u16(static_cast<unsigned>(options.size()))
      .octets(options);
}

std::string longest_name() {
  std::string text;
  for (const std::size_t label : {63U, 63U, 63U, 61U}) {
    text.append(label, 'a').push_back('.');
  }
  return text;
}

Octets make_query(std::string_view name, unsigned type, const QueryOptions& options) {
  MessageBytes message;
  message.header(options.id, options.flags, 1, 0, 0, options.edns ? 1 : 0)
      .question(name, type, options.qclass);
  if (options.edns) {
    message.opt(*options.edns, options.dnssec_ok ? 0x8000 : 0);
  }
  return message.bytes();
}

std::optional<Octets> make_address_reply(std::span<const std::uint8_t> query,
                                         const std::array<std::uint8_t, 4>& address) {
  constexpr unsigned kAnswer = 0x8180;  // QR, RD, RA
  dns::Query parsed;
  if (dns::parse_query(query, parsed) != dns::ParseStatus::kOk) {
    return std::nullopt;
  }
  return MessageBytes()
      .header(parsed.id, kAnswer, 1, 1, 0, 0)
      .octets(parsed.question())
      .pointer(dns::kHeaderOctets)
      .u16(dns::rrtype::kA)
      .u16(dns::rrclass::kIn)
      .u32(60)
      .u16(4)
      .octets(address)
      .bytes();
}

}  // namespace meshdns::support
