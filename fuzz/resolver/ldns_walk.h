// ldns's parser item by item, and what a message's length octets say without it. For
// ldns_reading.h's comparisons.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "resolver/app/ldns.h"  // IWYU pragma: keep

namespace meshdns::fuzz {

using Message = std::span<const std::uint8_t>;

struct FreeRecord {
  void operator()(ldns_rr* record) const { ldns_rr_free(record); }
};

// One question or record, and where ldns went on behind it. No record: ldns rejects.
struct Item {
  std::unique_ptr<ldns_rr, FreeRecord> record;
  std::size_t end = 0;
};
[[nodiscard]] Item read_item(Message message, std::size_t at, ldns_pkt_section section);

// Whether ldns takes the message as a whole.
[[nodiscard]] bool accepts(Message message);

// The header as ldns reads it; at least twelve octets. Flags are without Z, which ldns drops.
struct Header {
  std::uint16_t id = 0;
  std::uint16_t flags = 0;
  std::array<std::uint16_t, 4> counts{};
};
[[nodiscard]] Header read_header(Message message);

// The octets of a name; of RDATA, names in it expanded.
[[nodiscard]] std::vector<std::uint8_t> octets_of(const ldns_rdf* field);
[[nodiscard]] std::vector<std::uint8_t> rdata_of(const ldns_rr* record);
[[nodiscard]] bool holds_name(const ldns_rr* record);

// A name up to its root or first pointer.
struct NameShape {
  bool whole = false;  // not cut, label types 00 and 11 only, at most 255 octets
  bool has_pointer = false;
  std::size_t end = 0;
};
[[nodiscard]] NameShape shape_of_name(Message message, std::size_t at);

// Where a record's fields are, by its lengths alone.
struct RecordFrame {
  bool whole = false;  // all octets are there
  NameShape owner;
  std::uint16_t type = 0;
  std::uint16_t rrclass = 0;
  std::uint32_t ttl = 0;
  std::size_t rdata_at = 0;
  std::size_t end = 0;
};
[[nodiscard]] RecordFrame frame_of_record(Message message, std::size_t at);

// Exemptions; see ldns_reading.h. `at` is where a name stands.
[[nodiscard]] bool points_to_no_prior_name(Message message, std::size_t at);
// Of a record that ldns reads, or not.
[[nodiscard]] bool departs_from_its_length(const Item& item, const RecordFrame& frame);
[[nodiscard]] bool leads_behind_its_rdata(Message message, std::size_t at,
                                          const RecordFrame& frame);
[[nodiscard]] bool lacks_fields(const ldns_rr* record);
[[nodiscard]] bool fault_is_inside_rdata(Message message, std::size_t at, const RecordFrame& frame);

}  // namespace meshdns::fuzz
