#include "fuzz/resolver/ldns_walk.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "resolver/app/ldns.h"  // IWYU pragma: keep

namespace meshdns::fuzz {
namespace {

constexpr std::size_t kHeaderOctets = 12;
constexpr std::size_t kMaxNameOctets = 255;
constexpr std::uint8_t kMaxLabelOctets = 63;
constexpr std::uint8_t kPointer = 0xc0;

struct FreePacket {
  void operator()(ldns_pkt* packet) const { ldns_pkt_free(packet); }
};

struct FreeName {
  void operator()(ldns_rdf* name) const { ldns_rdf_deep_free(name); }
};

std::unique_ptr<ldns_pkt, FreePacket> read_packet(Message message) {
  ldns_pkt* packet = nullptr;
  if (ldns_wire2pkt(&packet, message.data(), message.size()) != LDNS_STATUS_OK) {
    return nullptr;
  }
  return std::unique_ptr<ldns_pkt, FreePacket>(packet);
}

std::uint16_t bit(bool set, unsigned position) {
  return static_cast<std::uint16_t>(set ? 1U << position : 0U);
}

// Where the pointer leads that ends the name's part at `at`; none when a root or a fault does.
std::optional<std::size_t> target_of_part(Message message, std::size_t at) {
  const NameShape shape = shape_of_name(message, at);
  if (!shape.whole || !shape.has_pointer) {
    return std::nullopt;
  }
  return ldns_read_uint16(message.data() + shape.end - 2) & 0x3fffU;
}

}  // namespace

Item read_item(Message message, std::size_t at, ldns_pkt_section section) {
  ldns_rr* record = nullptr;
  Item item{.record = nullptr, .end = at};
  if (ldns_wire2rr(&record, message.data(), message.size(), &item.end, section) == LDNS_STATUS_OK) {
    item.record.reset(record);
  }
  return item;
}

bool accepts(Message message) { return read_packet(message) != nullptr; }

Header read_header(Message message) {
  // ldns reads a header alone when it announces nothing.
  std::array<std::uint8_t, kHeaderOctets> alone{};
  std::ranges::copy(message.first(4), alone.begin());
  const auto packet = read_packet(alone);
  const ldns_pkt* const raw = packet.get();
  Header header;
  header.id = ldns_pkt_id(raw);
  header.flags = static_cast<std::uint16_t>(
      bit(ldns_pkt_qr(raw), 15) | unsigned{ldns_pkt_get_opcode(raw)} << 11U |
      bit(ldns_pkt_aa(raw), 10) | bit(ldns_pkt_tc(raw), 9) | bit(ldns_pkt_rd(raw), 8) |
      bit(ldns_pkt_ra(raw), 7) | bit(ldns_pkt_ad(raw), 5) | bit(ldns_pkt_cd(raw), 4) |
      unsigned{ldns_pkt_get_rcode(raw)});
  for (std::size_t i = 0; i < header.counts.size(); ++i) {
    header.counts.at(i) = ldns_read_uint16(message.data() + 4 + 2 * i);
  }
  return header;
}

std::vector<std::uint8_t> octets_of(const ldns_rdf* field) {
  const std::span octets(ldns_rdf_data(field), ldns_rdf_size(field));
  return {octets.begin(), octets.end()};
}

std::vector<std::uint8_t> rdata_of(const ldns_rr* record) {
  std::vector<std::uint8_t> rdata;
  for (std::size_t i = 0; i < ldns_rr_rd_count(record); ++i) {
    const auto field = octets_of(ldns_rr_rdf(record, i));
    rdata.insert(rdata.end(), field.begin(), field.end());
  }
  return rdata;
}

bool holds_name(const ldns_rr* record) {
  for (std::size_t i = 0; i < ldns_rr_rd_count(record); ++i) {
    if (ldns_rdf_get_type(ldns_rr_rdf(record, i)) == LDNS_RDF_TYPE_DNAME) {
      return true;
    }
  }
  return false;
}

NameShape shape_of_name(Message message, std::size_t at) {
  NameShape shape{.whole = false, .has_pointer = false, .end = at};
  while (shape.end < message.size()) {
    const std::uint8_t length = message[shape.end];
    if (length >= kPointer) {
      shape.has_pointer = true;
      shape.end += 2;
      // What the pointer leads to has at least the root's octet.
      shape.whole = shape.end <= message.size() && shape.end - at - 1 <= kMaxNameOctets;
      return shape;
    }
    if (length > kMaxLabelOctets) {
      return shape;
    }
    shape.end += length + 1U;
    if (length == 0) {
      shape.whole = shape.end - at <= kMaxNameOctets;
      return shape;
    }
  }
  return shape;
}

RecordFrame frame_of_record(Message message, std::size_t at) {
  constexpr std::size_t kFieldOctets = 10;  // type, class, TTL, RDLENGTH
  RecordFrame frame;
  frame.owner = shape_of_name(message, at);
  frame.rdata_at = frame.owner.end + kFieldOctets;
  if (!frame.owner.whole || frame.rdata_at > message.size()) {
    return frame;
  }
  const std::uint8_t* const fields = message.data() + frame.owner.end;
  frame.type = ldns_read_uint16(fields);
  frame.rrclass = ldns_read_uint16(fields + 2);
  frame.ttl = ldns_read_uint32(fields + 4);
  frame.end = frame.rdata_at + ldns_read_uint16(fields + 8);
  frame.whole = frame.end <= message.size();
  return frame;
}

bool points_to_no_prior_name(Message message, std::size_t at) {
  for (auto target = target_of_part(message, at); target; target = target_of_part(message, at)) {
    if (*target < kHeaderOctets || *target >= at) {
      return true;
    }
    at = *target;
  }
  return false;
}

bool departs_from_its_length(const Item& item, const RecordFrame& frame) {
  return item.record != nullptr && frame.whole && item.end != frame.end;
}

bool leads_behind_its_rdata(Message message, std::size_t at, const RecordFrame& frame) {
  return read_item(message.first(frame.end), at, LDNS_SECTION_ANSWER).record == nullptr;
}

bool lacks_fields(const ldns_rr* record) {
  const ldns_rr_descriptor* const form =
      ldns_rr_descript(static_cast<std::uint16_t>(ldns_rr_get_type(record)));
  // ldns wants an OPT's options too; RFC 6891 section 6.1.2 allows none.
  return ldns_rr_get_type(record) != LDNS_RR_TYPE_OPT &&
         ldns_rr_rd_count(record) < ldns_rr_descriptor_minimum(form);
}

bool fault_is_inside_rdata(Message message, std::size_t at, const RecordFrame& frame) {
  ldns_rdf* name = nullptr;
  const bool owner_reads =
      ldns_wire2dname(&name, message.data(), message.size(), &at) == LDNS_STATUS_OK;
  const std::unique_ptr<ldns_rdf, FreeName> owner(name);
  return owner_reads && frame.whole && at == frame.owner.end;
}

}  // namespace meshdns::fuzz
