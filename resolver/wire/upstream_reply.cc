#include "resolver/wire/upstream_reply.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "resolver/wire/message_reader.h"
#include "resolver/wire/name.h"
#include "resolver/wire/protocol.h"
#include "resolver/wire/query.h"
#include "resolver/wire/response_writer.h"
#include "resolver/wire/transport.h"
#include "resolver/wire/wire_reader.h"

namespace meshdns::dns {
namespace {

// The RDATA of a type that is looked into: fixed octets, character strings, names, fixed octets and
// one or more of any.
struct RdataLayout {
  std::uint8_t leading_octets = 0;
  std::uint8_t strings = 0;
  std::uint8_t names = 0;
  std::uint8_t trailing_octets = 0;
  bool any_end = false;
  bool compress = false;  // only RFC 1035's own types may be written compressed
};

// Opaque RDATA has none. Addresses are those of class IN; CHAOS has others.
std::optional<RdataLayout> layout_of(const RecordHeader& header) {
  switch (header.type) {
    case rrtype::kA:
    case rrtype::kAaaa:
      if (header.rrclass != rrclass::kIn) {
        return std::nullopt;
      }
      return RdataLayout{.leading_octets =
                             static_cast<std::uint8_t>(header.type == rrtype::kA ? 4 : 16)};
    case rrtype::kNs:
    case rrtype::kMd:
    case rrtype::kMf:
    case rrtype::kCname:
    case rrtype::kMb:
    case rrtype::kMg:
    case rrtype::kMr:
    case rrtype::kPtr:
      return RdataLayout{.names = 1, .compress = true};
    case rrtype::kSoa:
      return RdataLayout{.names = 2, .trailing_octets = 20, .compress = true};
    case rrtype::kMinfo:
      return RdataLayout{.names = 2, .compress = true};
    case rrtype::kMx:
      return RdataLayout{.leading_octets = 2, .names = 1, .compress = true};
    case rrtype::kRp:
      return RdataLayout{.names = 2};
    case rrtype::kAfsdb:
    case rrtype::kRt:
      return RdataLayout{.leading_octets = 2, .names = 1};
    case rrtype::kPx:
      return RdataLayout{.leading_octets = 2, .names = 2};
    case rrtype::kSig:
      return RdataLayout{.leading_octets = 18, .names = 1, .any_end = true};
    case rrtype::kNxt:
      return RdataLayout{.names = 1, .any_end = true};
    case rrtype::kSrv:
      return RdataLayout{.leading_octets = 6, .names = 1};
    case rrtype::kNaptr:
      return RdataLayout{.leading_octets = 4, .strings = 3, .names = 1};
    default:
      return std::nullopt;
  }
}

// Hop by hop, or a transaction's own: not the client's business.
bool is_hop_by_hop(std::uint16_t type) {
  return type == rrtype::kOpt || type == rrtype::kTsig || type == rrtype::kTkey;
}

// RFC 2181 section 8.
std::uint32_t sane_ttl(std::uint32_t ttl) { return ttl > 0x7fffffffU ? 0 : ttl; }

// Writes the record's RDATA. False when it does not have its type's form.
bool put_rdata(const RecordView& record, std::span<const std::uint8_t> message,
               ResponseWriter& writer) {
  const auto layout = layout_of(record.header);
  if (!layout) {
    writer.put_octets(record.rdata);
    return true;
  }
  // The reader sees the message up to the end of this RDATA, so no field runs over it.
  WireReader reader(message.first(record.rdata_offset + record.rdata.size()), record.rdata_offset);
  writer.put_octets(reader.read_octets(layout->leading_octets));
  for (unsigned i = 0; i < layout->strings; ++i) {
    const std::uint8_t size = reader.read_u8();
    const std::array<std::uint8_t, 1> prefix{size};
    writer.put_octets(prefix);
    writer.put_octets(reader.read_octets(size));
  }
  for (unsigned i = 0; i < layout->names; ++i) {
    Name name;
    reader.read_name(name);
    if (layout->compress) {
      writer.put_compressed_name(name);
    } else {
      writer.put_plain_name(name);
    }
  }
  writer.put_octets(reader.read_octets(
      layout->any_end ? std::max<std::size_t>(reader.remaining(), 1) : layout->trailing_octets));
  return reader.ok() && reader.remaining() == 0;
}

// The CNAME records that lead from the question's name to the one that upstream was asked for.
bool put_aliases(const Query& client, ResponseWriter& writer) {
  NameView owner = client.name;
  for (const FollowedAlias& alias : client.aliases) {
    writer.begin_record(Section::kAnswer, owner,
                        {.type = rrtype::kCname, .rrclass = rrclass::kIn, .ttl = alias.ttl});
    writer.put_compressed_name(alias.target);
    if (!writer.end_record()) {
      return false;
    }
    owner = alias.target;
  }
  return true;
}

// What became of one section's records.
enum class SectionResult : std::uint8_t { kWhole, kDoesNotFit, kMalformed };

// Copies the records of one section; when one does not fit none of them stays.
SectionResult copy_section(std::span<const std::uint8_t> message, Section section,
                           ResponseWriter& writer) {
  MessageReader reader(message);
  QuestionView question;
  (void)reader.read_question(question);
  const ResponseWriter::Mark start = writer.mark();
  RecordView record;
  while (reader.next(record)) {
    if (record.section != section || is_hop_by_hop(record.header.type)) {
      continue;
    }
    RecordHeader header = record.header;
    header.ttl = sane_ttl(header.ttl);
    writer.begin_record(section, record.owner, header);
    const bool well_formed = put_rdata(record, message, writer);
    const bool fits = writer.end_record();
    if (!well_formed || !fits) {
      writer.rewind(start);
      return well_formed ? SectionResult::kDoesNotFit : SectionResult::kMalformed;
    }
  }
  return SectionResult::kWhole;
}

RebuildResult failed(RebuildStatus status) { return {.status = status}; }

RebuildResult finish(const RebuildOptions& options, ResponseWriter& writer) {
  const std::size_t size = writer.finish(options.error);
  return {.status = RebuildStatus::kOk,
          .size = size,
          .rcode = static_cast<std::uint8_t>(writer.rcode()),
          .truncated = false};
}

// Ends the response with TC and no records; over TCP that would be a lie.
RebuildResult finish_truncated(const RebuildOptions& options, const ResponseWriter::Mark& empty,
                               ResponseWriter& writer) {
  if (options.transport == Transport::kTcp) {
    return failed(RebuildStatus::kTruncated);
  }
  writer.rewind(empty);
  writer.set_flags(flag::kTruncated);
  RebuildResult result = finish(options, writer);
  result.truncated = true;
  return result;
}

}  // namespace

std::size_t write_upstream_query(const Query& client, std::uint16_t id,
                                 std::uint16_t udp_payload_size, std::span<std::uint8_t> buffer) {
  // A query has the shape of a response with other bits: let the writer place everything, then set
  // them.
  Query ours = client;
  ours.id = id;
  ours.has_edns = udp_payload_size != 0;
  ours.dnssec_ok = ours.has_edns && client.dnssec_ok;
  ours.aliases.clear();
  Name folded;
  folded.assign_folded(client.asked_name());
  ours.assign_question(folded, client.qtype, client.qclass);
  ResponseWriter writer(ours, buffer);
  const std::size_t size = writer.finish();
  constexpr std::uint16_t kKept = flag::kCheckingDisabled;
  const auto flags = static_cast<std::uint16_t>((client.flags & kKept) | flag::kRecursionDesired);
  buffer[2] = static_cast<std::uint8_t>(flags >> 8U);
  buffer[3] = static_cast<std::uint8_t>(flags);
  if (ours.has_edns) {
    const std::size_t payload_at = size - kOptOctets + 3;
    buffer[payload_at] = static_cast<std::uint8_t>(udp_payload_size >> 8U);
    buffer[payload_at + 1] = static_cast<std::uint8_t>(udp_payload_size);
  }
  return size;
}

bool reply_matches(std::span<const std::uint8_t> reply, const Query& client,
                   std::optional<std::uint16_t> id) {
  MessageReader reader(reply);
  const MessageHeader& header = reader.header();
  if (!reader.ok() || (header.flags & flag::kResponse) == 0 ||
      (header.flags & flag::kOpcodeMask) != 0 || header.question_count != 1 ||
      (id && *id != header.id)) {
    return false;
  }
  QuestionView question;
  return reader.read_question(question) && question.qtype == client.qtype &&
         question.qclass == client.qclass &&
         question.name.view().equals_ignoring_case(client.asked_name());
}

ReplyStatus inspect_reply(std::span<const std::uint8_t> reply) {
  MessageReader reader(reply);
  ReplyStatus status;
  if (!reader.ok()) {
    return status;
  }
  status.truncated = (reader.header().flags & flag::kTruncated) != 0;
  status.rcode = reader.header().flags & flag::kRcodeMask;
  QuestionView question;
  for (unsigned i = 0; i < reader.header().question_count && reader.read_question(question); ++i) {
  }
  RecordView record;
  while (reader.next(record)) {
    if (record.header.type != rrtype::kOpt) {
      continue;
    }
    if (status.has_edns || record.section != Section::kAdditional ||
        !record.owner.view().is_root()) {
      return {};
    }
    status.has_edns = true;
    status.rcode = static_cast<std::uint16_t>(status.rcode | (record.header.ttl >> 24U) << 4U);
  }
  status.parses = reader.ok();
  return status;
}

RebuildResult rebuild_reply(std::span<const std::uint8_t> reply, const Query& client,
                            const RebuildOptions& options, std::span<std::uint8_t> buffer) {
  if (!client.has_question || !reply_matches(reply, client, std::nullopt)) {
    return failed(RebuildStatus::kNotOurs);
  }
  const ReplyStatus status = inspect_reply(reply);
  if (!status.parses && !status.truncated) {
    return failed(RebuildStatus::kMalformed);
  }
  ResponseWriter writer(client, buffer);
  const ResponseWriter::Mark empty = writer.mark();
  writer.set_rcode(status.rcode > flag::kRcodeMask ? rcode::kServFail : status.rcode);
  if (status.truncated) {
    return finish_truncated(options, empty, writer);
  }
  const bool wants_ad = (client.authentic_data() || client.dnssec_ok) && client.aliases.empty();
  const std::uint16_t upstream_flags = MessageReader(reply).header().flags;
  if (options.trusted_upstream && wants_ad) {
    writer.set_flags(upstream_flags & flag::kAuthenticData);
  }
  if (!put_aliases(client, writer)) {
    return finish_truncated(options, empty, writer);
  }
  const SectionResult answer = copy_section(reply, Section::kAnswer, writer);
  const bool has_answer = writer.mark().counts[0] > client.aliases.size();
  SectionResult authority = SectionResult::kWhole;
  if (answer == SectionResult::kWhole) {
    authority = copy_section(reply, Section::kAuthority, writer);
  }
  if (answer == SectionResult::kMalformed || authority == SectionResult::kMalformed) {
    return failed(RebuildStatus::kMalformed);
  }
  if (answer == SectionResult::kDoesNotFit ||
      (authority == SectionResult::kDoesNotFit && !has_answer)) {
    return finish_truncated(options, empty, writer);
  }
  if (authority == SectionResult::kWhole &&
      copy_section(reply, Section::kAdditional, writer) == SectionResult::kMalformed) {
    return failed(RebuildStatus::kMalformed);
  }
  return finish(options, writer);
}

RebuildResult rebuild_denial(std::span<const std::uint8_t> reply, const Query& client,
                             const RebuildOptions& options, std::span<std::uint8_t> buffer) {
  ResponseWriter writer(client, buffer);
  const ResponseWriter::Mark empty = writer.mark();
  writer.set_rcode(inspect_reply(reply).rcode);
  if (!put_aliases(client, writer)) {
    return finish_truncated(options, empty, writer);
  }
  switch (copy_section(reply, Section::kAuthority, writer)) {
    case SectionResult::kWhole:
      return finish(options, writer);
    case SectionResult::kDoesNotFit:
      return finish_truncated(options, empty, writer);
    case SectionResult::kMalformed:
      break;
  }
  return failed(RebuildStatus::kMalformed);
}

}  // namespace meshdns::dns
