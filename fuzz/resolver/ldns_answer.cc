// ldns over the answers that we write.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "fuzz/resolver/ldns_reading.h"
#include "fuzz/resolver/ldns_walk.h"
#include "resolver/app/ldns.h"  // IWYU pragma: keep
#include "resolver/wire/big_endian.h"
#include "resolver/wire/name.h"
#include "resolver/wire/protocol.h"
#include "resolver/wire/query.h"
#include "resolver/wire/upstream_reply.h"

namespace meshdns::fuzz {
namespace {

using Octets = std::vector<std::uint8_t>;

// The types whose RDATA rebuild_reply() takes apart; the others' octets it hands on.
bool is_taken_apart(const RecordFrame& frame) {
  constexpr std::array<unsigned, 19> kTypes{2,  3,  4,  5,  6,  7,  8,  9,  12, 14,
                                            15, 17, 18, 21, 24, 26, 30, 33, 35};
  const bool is_address = frame.type == LDNS_RR_TYPE_A || frame.type == LDNS_RR_TYPE_AAAA;
  return (is_address && frame.rrclass == LDNS_RR_CLASS_IN) ||
         std::ranges::find(kTypes, unsigned{frame.type}) != kTypes.end();
}

struct PlacedRecord {
  std::size_t section = 0;
  std::size_t at = 0;
  RecordFrame frame;
  Item item;
};

// All records up to the first that is not whole. `end` is where they end.
std::vector<PlacedRecord> records_of(Message message, const Header& header, std::size_t& end) {
  std::vector<PlacedRecord> records;
  end = dns::kHeaderOctets;
  for (std::size_t i = 0; i < header.counts[0]; ++i) {
    end = shape_of_name(message, end).end + 4;
  }
  for (std::size_t section = 0; section < 3; ++section) {
    for (std::size_t i = 0; i < header.counts.at(section + 1); ++i) {
      const RecordFrame frame = frame_of_record(message, end);
      records.push_back({section, end, frame, read_item(message, end, LDNS_SECTION_ANSWER)});
      if (!frame.whole) {
        return records;
      }
      end = frame.end;
    }
  }
  return records;
}

bool is_well_formed(const PlacedRecord& record) {
  return record.frame.whole && record.item.record != nullptr &&
         !departs_from_its_length(record.item, record.frame) &&
         !lacks_fields(record.item.record.get());
}

// A pointer in a name of its RDATA that ldns follows forwards.
bool rdata_points_to_no_prior_name(Message message, const PlacedRecord& record) {
  std::size_t at = record.frame.rdata_at;
  for (std::size_t i = 0; i < ldns_rr_rd_count(record.item.record.get()); ++i) {
    const ldns_rdf* const field = ldns_rr_rdf(record.item.record.get(), i);
    if (ldns_rdf_get_type(field) != LDNS_RDF_TYPE_DNAME) {
      at += ldns_rdf_size(field);
      continue;
    }
    if (points_to_no_prior_name(message, at)) {
      return true;
    }
    at = shape_of_name(message, at).end;
  }
  return false;
}

// Whether the reply may be called malformed: what ldns rejects, or takes where we are stricter.
bool is_malformed(Message reply, const std::vector<PlacedRecord>& records) {
  std::size_t opts = 0;
  for (const PlacedRecord& record : records) {
    if (!is_well_formed(record) || points_to_no_prior_name(reply, record.at) ||
        rdata_points_to_no_prior_name(reply, record) ||
        leads_behind_its_rdata(reply, record.at, record.frame)) {
      return true;
    }
    const bool opt_is_misplaced =
        record.section != 2 || opts > 0 || record.frame.owner.end - record.at != 1;
    if (record.frame.type == LDNS_RR_TYPE_OPT && (opt_is_misplaced || ++opts == 0)) {
      return true;
    }
  }
  return false;
}

// A record's meaning: for types taken apart as ldns reads it, for others the RDATA's octets.
struct Value {
  Octets owner;
  std::uint16_t type = 0;
  std::uint16_t rrclass = 0;
  std::uint32_t ttl = 0;
  Octets rdata;

  friend bool operator==(const Value&, const Value&) = default;
};

Octets owner_of(Message message, const PlacedRecord& record) {
  // Also of a record whose RDATA ldns does not read.
  std::size_t at = record.at;
  ldns_rdf* name = nullptr;
  if (ldns_wire2dname(&name, message.data(), message.size(), &at) != LDNS_STATUS_OK) {
    return {};
  }
  Octets octets = octets_of(name);
  ldns_rdf_deep_free(name);
  return octets;
}

Value value_of(Message message, const PlacedRecord& record) {
  Value value{.owner = owner_of(message, record),
              .type = record.frame.type,
              .rrclass = record.frame.rrclass,
              .ttl = record.frame.ttl,
              .rdata = {}};
  if (is_taken_apart(record.frame) && record.item.record != nullptr) {
    value.rdata = rdata_of(record.item.record.get());
  } else {
    const auto octets =
        message.subspan(record.frame.rdata_at, record.frame.end - record.frame.rdata_at);
    value.rdata.assign(octets.begin(), octets.end());
  }
  return value;
}

// A section's records as the client gets them: RFC 2181 section 8 for TTLs, nothing that holds hop
// by hop, and an owner that is the question's name in the client's case.
std::vector<Value> section_of(Message message, const std::vector<PlacedRecord>& records,
                              std::size_t section, const dns::Query& client) {
  std::vector<Value> values;
  for (const PlacedRecord& record : records) {
    const unsigned type = record.frame.type;
    if (record.section != section || type == LDNS_RR_TYPE_OPT || type == LDNS_RR_TYPE_TSIG ||
        type == LDNS_RR_TYPE_TKEY) {
      continue;
    }
    Value value = value_of(message, record);
    value.ttl = value.ttl > 0x7fffffffU ? 0 : value.ttl;
    const auto asked = client.question_name();
    if (!value.owner.empty() && dns::NameView(value.owner).equals_ignoring_case(asked)) {
      value.owner.assign(asked.octets().begin(), asked.octets().end());
    }
    values.push_back(std::move(value));
  }
  return values;
}

// Whatever a SOA record says of its TTL, what it denies lasts as long as its MINIMUM at most.
void bound_denials(std::vector<Value>& values) {
  constexpr std::size_t kMinimumOctets = 4;
  for (Value& value : values) {
    if (value.type == LDNS_RR_TYPE_SOA && value.rdata.size() >= kMinimumOctets) {
      value.ttl =
          std::min(value.ttl, dns::load_u32(value.rdata, value.rdata.size() - kMinimumOctets));
    }
  }
}

std::string compare_question(Message answer, const Header& header, const MeantAnswer& meant) {
  if (header.counts[0] != (meant.question.empty() ? 0 : 1)) {
    return "QDCOUNT";
  }
  if (meant.question.empty()) {
    return "";
  }
  const Item item = read_item(answer, dns::kHeaderOctets, LDNS_SECTION_QUESTION);
  if (item.record == nullptr) {
    return "the question is rejected";
  }
  Octets octets = octets_of(ldns_rr_owner(item.record.get()));
  for (const unsigned number : {static_cast<unsigned>(ldns_rr_get_type(item.record.get())),
                                static_cast<unsigned>(ldns_rr_get_class(item.record.get()))}) {
    octets.push_back(static_cast<std::uint8_t>(number >> 8U));
    octets.push_back(static_cast<std::uint8_t>(number & 0xffU));
  }
  return std::ranges::equal(octets, meant.question) ? "" : "the question";
}

std::string compare_header(const Header& header, const MeantAnswer& meant) {
  if (header.id != meant.id) {
    return "id";
  }
  if ((header.flags & dns::flag::kRcodeMask) != meant.rcode) {
    return "rcode";
  }
  const unsigned looked_at = 0xfff0U & ~unsigned{meant.ignored};
  return (header.flags & looked_at) == (meant.flags & looked_at) ? "" : "flags";
}

enum class Foreign : std::uint8_t { kNone, kRdata };

// `foreign`: RDATA of types that are not taken apart is another's, and so is its form.
std::string compare_written(Message answer, const MeantAnswer& meant, Foreign foreign) {
  if (answer.size() < dns::kHeaderOctets) {
    return "less than a header";
  }
  const Header header = read_header(answer);
  for (const std::string& difference :
       {compare_header(header, meant), compare_question(answer, header, meant)}) {
    if (!difference.empty()) {
      return difference;
    }
  }
  std::size_t end = 0;
  const auto records = records_of(answer, header, end);
  bool all_well_formed = true;
  for (const PlacedRecord& record : records) {
    if (is_well_formed(record)) {
      continue;
    }
    all_well_formed = false;
    if (foreign == Foreign::kNone || is_taken_apart(record.frame) ||
        !(departs_from_its_length(record.item, record.frame) || record.item.record != nullptr ||
          fault_is_inside_rdata(answer, record.at, record.frame))) {
      return "a record is malformed";
    }
  }
  if (end != answer.size()) {
    return "octets behind the last record";
  }
  const bool has_opt = !records.empty() && records.back().frame.type == LDNS_RR_TYPE_OPT;
  if (has_opt != meant.has_edns) {
    return "EDNS";
  }
  return !all_well_formed || accepts(answer) ? "" : "ldns rejects the whole";
}

}  // namespace

std::string compare_answer(std::span<const std::uint8_t> answer, const MeantAnswer& meant) {
  return compare_written(answer, meant, Foreign::kNone);
}

std::string compare_rebuilt(std::span<const std::uint8_t> reply, const dns::Query& client,
                            const dns::RebuildResult& result, std::span<const std::uint8_t> written,
                            Rebuilt how) {
  const bool has_header = reply.size() >= dns::kHeaderOctets;
  const Header header = has_header ? read_header(reply) : Header{};
  constexpr unsigned kKind = dns::flag::kResponse | dns::flag::kOpcodeMask;
  const bool is_answer = (header.flags & kKind) == dns::flag::kResponse && header.counts[0] == 1;
  if (result.status == dns::RebuildStatus::kNotOurs) {
    const bool reads =
        has_header && is_answer &&
        read_item(reply, dns::kHeaderOctets, LDNS_SECTION_QUESTION).record != nullptr;
    return !reads || points_to_no_prior_name(reply, dns::kHeaderOctets) ? ""
                                                                        : "an answer is not taken";
  }
  if (!is_answer) {
    return "what is no answer is taken";
  }
  std::size_t end = 0;
  const auto records = records_of(reply, header, end);
  if (result.status == dns::RebuildStatus::kMalformed) {
    return is_malformed(reply, records) ? "" : "a well-formed reply is called malformed";
  }
  if (result.status != dns::RebuildStatus::kOk) {
    return "";
  }
  const std::uint16_t truncated = result.truncated ? dns::flag::kTruncated : 0;
  const MeantAnswer meant{
      .id = client.id,
      .flags = static_cast<std::uint16_t>(
          dns::flag::kResponse | dns::flag::kRecursionAvailable | truncated |
          (client.flags & (dns::flag::kRecursionDesired | dns::flag::kCheckingDisabled))),
      .ignored = dns::flag::kAuthenticData,
      .rcode = result.rcode,
      .has_edns = client.has_edns,
      .question = client.question()};
  std::string difference = compare_written(written, meant, Foreign::kRdata);
  if (!difference.empty() || result.truncated) {
    return difference;
  }
  // What was left out for want of room leaves a section empty; the answer section stays.
  const Header ours = read_header(written);
  const auto kept = records_of(written, ours, end);
  for (std::size_t section = 0; section < 3; ++section) {
    auto theirs = section_of(reply, records, section, client);
    auto mine = section_of(written, kept, section, client);
    if (how == Rebuilt::kFromStore) {
      bound_denials(theirs);
      bound_denials(mine);
    }
    if (mine != theirs && (section == 0 || !mine.empty())) {
      return "section " + std::to_string(section);
    }
  }
  return "";
}

}  // namespace meshdns::fuzz
