#include "resolver/wire/query.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "resolver/wire/big_endian.h"
#include "resolver/wire/name.h"
#include "resolver/wire/protocol.h"
#include "resolver/wire/wire_reader.h"

namespace meshdns::dns {
namespace {

void reset(Query& query) {
  query.status = ParseStatus::kDrop;
  query.has_question = false;
  query.qtype = 0;
  query.qclass = 0;
  query.has_edns = false;
  query.dnssec_ok = false;
  query.malformed_keepalive = false;
  query.edns_version = 0;
  query.udp_payload_size = kPlainUdpOctets;
  query.name_hash = 0;
  query.aliases.clear();
  query.question_size = 0;
}

// Keeps the question if it is the only one and parses.
bool read_questions(WireReader& reader, unsigned count, Query& query) {
  for (unsigned i = 0; i < count && reader.ok(); ++i) {
    const NameView name = reader.read_plain_name();
    const std::uint16_t qtype = reader.read_u16();
    const std::uint16_t qclass = reader.read_u16();
    if (!reader.ok() || count != 1) {
      continue;
    }
    query.assign_question(name, qtype, qclass);
  }
  return reader.ok() && count == 1;
}

// RFC 7871 section 6: family, source and scope prefix lengths, as many address octets as the source
// prefix needs, the bits behind it zero. We do not use it, but must not take nonsense.
bool is_client_subnet(std::span<const std::uint8_t> value) {
  WireReader reader(value);
  const std::uint16_t family = reader.read_u16();
  const unsigned source = reader.read_u8();
  const unsigned scope = reader.read_u8();
  const unsigned bits = family == 1 ? 32 : family == 2 ? 128 : 0;
  const auto address = reader.read_octets(reader.remaining());
  if (!reader.ok() || family > 2 || source > bits || scope != 0 ||
      address.size() != (source + 7) / 8) {
    return false;
  }
  const unsigned used = source % 8;
  return used == 0 || (address.back() & (0xffU >> used)) == 0;
}

// One pass; the first of a repeated option counts.
bool read_options(std::span<const std::uint8_t> rdata, Query& query) {
  WireReader reader(rdata);
  bool seen_subnet = false;
  bool seen_keepalive = false;
  while (reader.ok() && reader.remaining() > 0) {
    const std::uint16_t code = reader.read_u16();
    const auto value = reader.read_octets(reader.read_u16());
    if (!reader.ok()) {
      return false;
    }
    if (code == edns_option::kClientSubnet && !seen_subnet) {
      seen_subnet = true;
      if (!is_client_subnet(value)) {
        return false;
      }
    } else if (code == edns_option::kTcpKeepalive && !seen_keepalive) {
      seen_keepalive = true;
      query.malformed_keepalive = !value.empty();
    }
  }
  return reader.ok();
}

// RFC 6891 section 6.1.3: class is the payload size, the TTL holds upper rcode, version and flags.
bool read_opt(std::uint16_t rrclass, std::uint32_t ttl, std::span<const std::uint8_t> rdata,
              Query& query) {
  constexpr std::uint32_t kDnssecOk = 0x8000;
  query.has_edns = true;
  query.udp_payload_size = std::max<std::uint16_t>(rrclass, kPlainUdpOctets);
  query.edns_version = static_cast<std::uint8_t>(ttl >> 16U);
  query.dnssec_ok = (ttl & kDnssecOk) != 0;
  // What the options of a later version look like is not ours to know.
  return query.edns_version > 0 || read_options(rdata, query);
}

// One record of a query: only OPT is looked at, and only allowed in the additional section.
bool read_record(WireReader& reader, bool additional, Query& query) {
  const std::size_t start = reader.offset();
  reader.skip_name();
  const bool root_owner = reader.offset() - start == 1;
  const std::uint16_t type = reader.read_u16();
  const std::uint16_t rrclass = reader.read_u16();
  const std::uint32_t ttl = reader.read_u32();
  const auto rdata = reader.read_octets(reader.read_u16());
  if (!reader.ok() || type != rrtype::kOpt) {
    return reader.ok();
  }
  return additional && root_owner && !query.has_edns && read_opt(rrclass, ttl, rdata, query);
}

}  // namespace

void Query::assign_question(NameView question_name, std::uint16_t type, std::uint16_t rrclass) {
  const std::size_t size = question_name.size();
  std::memcpy(question_octets.data(), question_name.octets().data(), size);
  const std::array<std::uint8_t, 4> tail{
      static_cast<std::uint8_t>(type >> 8U), static_cast<std::uint8_t>(type),
      static_cast<std::uint8_t>(rrclass >> 8U), static_cast<std::uint8_t>(rrclass)};
  std::memcpy(question_octets.data() + size, tail.data(), tail.size());
  question_size = static_cast<std::uint16_t>(size + tail.size());
  name.assign_folded(question_name);
  qtype = type;
  qclass = rrclass;
  has_question = true;
}

ParseStatus parse_query(std::span<const std::uint8_t> request, Query& query) {
  reset(query);
  if (request.size() < kHeaderOctets) {
    return query.status;
  }
  const auto header = request.first(kHeaderOctets);
  query.id = load_u16(header, 0);
  query.flags = load_u16(header, 2);
  if ((query.flags & flag::kResponse) != 0) {
    return query.status;
  }
  const unsigned questions = load_u16(header, 4);
  const unsigned others = unsigned{load_u16(header, 6)} + load_u16(header, 8);
  const unsigned additionals = load_u16(header, 10);

  WireReader reader(request, kHeaderOctets);
  bool good = read_questions(reader, questions, query);
  // A wrong number of questions is FORMERR, but an OPT behind them still has its OPT in the answer.
  // The loop ends with the octets: each record takes eleven.
  for (unsigned i = 0; i < others + additionals && reader.ok(); ++i) {
    good = read_record(reader, i >= others, query) && good;
  }
  good = good && reader.ok() && reader.remaining() == 0;

  if (query.opcode() != opcode::kQuery) {
    query.status = ParseStatus::kNotImp;
  } else if (!good) {
    query.status = ParseStatus::kFormErr;
  } else {
    query.status = query.edns_version > 0 ? ParseStatus::kBadVers : ParseStatus::kOk;
  }
  return query.status;
}

}  // namespace meshdns::dns
