// Messages for tests, octet by octet: queries, replies of upstream servers, and malformed ones.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace meshdns::support {

using Octets = std::vector<std::uint8_t>;

// Grows a message. Nothing is checked: whatever a test wants to send can be written.
class MessageBytes {
 public:
  MessageBytes& u8(unsigned value);
  MessageBytes& u16(unsigned value);
  MessageBytes& u32(std::uint32_t value);
  MessageBytes& octets(std::span<const std::uint8_t> octets);
  MessageBytes& octets(std::initializer_list<std::uint8_t> octets);
  // Presentation form, written without compression.
  MessageBytes& name(std::string_view text);
  MessageBytes& pointer(unsigned offset) { return u16(0xc000U | offset); }
  // The header: id, flags, and the four counts.
  MessageBytes& header(unsigned id, unsigned flags, unsigned qd, unsigned an, unsigned ns,
                       unsigned ar);
  MessageBytes& question(std::string_view name, unsigned type, unsigned rrclass = 1);
  // A record whose RDATA is given whole.
  MessageBytes& record(std::string_view owner, unsigned type, std::uint32_t ttl,
                       std::span<const std::uint8_t> rdata);
  MessageBytes& opt(unsigned payload_size, std::uint32_t ttl = 0,
                    std::span<const std::uint8_t> options = {});

  [[nodiscard]] const Octets& bytes() const { return bytes_; }
  [[nodiscard]] std::size_t size() const { return bytes_.size(); }

 private:
  Octets bytes_;
};

struct QueryOptions {
  std::uint16_t id = 0x1234;
  std::uint16_t flags = 0x0100;  // RD
  std::uint16_t qclass = 1;
  std::optional<std::uint16_t> edns = std::nullopt;  // payload size
  bool dnssec_ok = false;
};

// A name of 255 octets in wire form, in presentation form.
[[nodiscard]] std::string longest_name();

[[nodiscard]] Octets make_query(std::string_view name, unsigned type,
                                const QueryOptions& options = {});

// An upstream's answer to the question of a query: one A record. Nothing where it is no query.
[[nodiscard]] std::optional<Octets> make_address_reply(std::span<const std::uint8_t> query,
                                                       const std::array<std::uint8_t, 4>& address);

}  // namespace meshdns::support
