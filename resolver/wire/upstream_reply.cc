#include "resolver/wire/upstream_reply.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "resolver/wire/big_endian.h"
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

// Calls `on_octets(octets)` and `on_name(name, compress)` for the parts of a record's RDATA, in
// order. False when it does not have its type's form.
template <typename OnOctets, typename OnName>
bool walk_rdata(const RecordView& record, std::span<const std::uint8_t> message, OnOctets on_octets,
                OnName on_name) {
  const auto layout = layout_of(record.header);
  if (!layout) {
    on_octets(record.rdata);
    return true;
  }
  // The reader sees the message up to the end of this RDATA, so no field runs over it.
  WireReader reader(message.first(record.rdata_offset + record.rdata.size()), record.rdata_offset);
  on_octets(reader.read_octets(layout->leading_octets));
  for (unsigned i = 0; i < layout->strings; ++i) {
    const std::uint8_t size = reader.read_u8();
    const std::array<std::uint8_t, 1> prefix{size};
    on_octets(std::span(prefix));
    on_octets(reader.read_octets(size));
  }
  for (unsigned i = 0; i < layout->names; ++i) {
    Name name;
    reader.read_name(name);
    on_name(name, layout->compress);
  }
  on_octets(reader.read_octets(layout->any_end ? std::max<std::size_t>(reader.remaining(), 1)
                                               : layout->trailing_octets));
  return reader.ok() && reader.remaining() == 0;
}

bool put_rdata(const RecordView& record, std::span<const std::uint8_t> message,
               ResponseWriter& writer) {
  return walk_rdata(
      record, message, [&](std::span<const std::uint8_t> octets) { writer.put_octets(octets); },
      [&](const Name& name, bool compress) {
        if (compress) {
          writer.put_compressed_name(name);
        } else {
          writer.put_plain_name(name);
        }
      });
}

bool has_its_form(const RecordView& record, std::span<const std::uint8_t> message) {
  return walk_rdata(
      record, message, [](std::span<const std::uint8_t> /*octets*/) {},
      [](const Name& /*name*/, bool /*compress*/) {});
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

// Reads up to the records of what answers `client`'s question. False when it is something else.
bool read_matching_question(MessageReader& reader, const Query& client,
                            std::optional<std::uint16_t> id) {
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

// Takes down what an OPT record says. False where none may be, or a second one.
bool take_opt(const RecordView& record, ReplyStatus& status) {
  if (status.has_edns || record.section != Section::kAdditional || !record.owner.view().is_root()) {
    return false;
  }
  status.has_edns = true;
  status.rcode = static_cast<std::uint16_t>(status.rcode | (record.header.ttl >> 24U) << 4U);
  return true;
}

ReplyStatus status_of(const MessageHeader& header) {
  return {.parses = false,
          .truncated = (header.flags & flag::kTruncated) != 0,
          .has_edns = false,
          .rcode = static_cast<std::uint16_t>(header.flags & flag::kRcodeMask)};
}

// What became of a message's records.
struct Copied {
  bool is_malformed = false;
  std::optional<Section> too_large;  // the section that does not fit, nor any behind it
};

// False when it does not fit, or is malformed, which `copied` is told.
bool copy_record(const RecordView& record, std::span<const std::uint8_t> message,
                 ResponseWriter& writer, Copied& copied) {
  RecordHeader header = record.header;
  header.ttl = sane_ttl(header.ttl);
  writer.begin_record(record.section, record.owner, header);
  copied.is_malformed = !put_rdata(record, message, writer);
  return writer.end_record() && !copied.is_malformed;
}

// Copies the records that `reader` has before it. When one does not fit, none of its section stays,
// and all behind it are only checked; so they are from the first if `copied` says so. What is
// malformed is so whether it fits or not.
void copy_records(MessageReader& reader, ResponseWriter& writer, ReplyStatus& status,
                  Copied& copied) {
  Section section = Section::kAnswer;
  ResponseWriter::Mark start = writer.mark();
  RecordView record;
  while (!copied.is_malformed && reader.next(record)) {
    if (record.section != section) {
      section = record.section;
      start = writer.mark();
    }
    if (record.header.type == rrtype::kOpt && !take_opt(record, status)) {
      copied.is_malformed = true;
    } else if (is_hop_by_hop(record.header.type)) {
      continue;
    } else if (copied.too_large) {
      copied.is_malformed = !has_its_form(record, reader.message());
    } else if (!copy_record(record, reader.message(), writer, copied)) {
      writer.rewind(start);
      copied.too_large = section;
    }
  }
  copied.is_malformed = copied.is_malformed || !reader.ok();
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
  const NameView name = client.asked_name();
  const bool has_edns = udp_payload_size != 0;
  constexpr std::uint16_t kKept = flag::kCheckingDisabled;
  constexpr std::uint16_t kOurs = flag::kRecursionDesired | flag::kAuthenticData;
  store_u16(buffer, 0, id);
  store_u16(buffer, 2, static_cast<std::uint16_t>((client.flags & kKept) | kOurs));
  store_u16(buffer, 4, 1);
  store_u32(buffer, 6, 0);
  store_u16(buffer, 10, has_edns ? 1 : 0);
  std::size_t at = kHeaderOctets;
  fold_octets(name.octets().data(), buffer.subspan(at, name.size()).data(), name.size());
  at += name.size();
  store_u16(buffer, at, client.qtype);
  store_u16(buffer, at + 2, client.qclass);
  at += 4;
  if (has_edns) {
    constexpr std::uint32_t kDnssecOk = 0x8000;
    buffer[at] = 0;
    store_u16(buffer, at + 1, rrtype::kOpt);
    store_u16(buffer, at + 3, udp_payload_size);
    store_u32(buffer, at + 5, client.dnssec_ok ? kDnssecOk : 0);
    store_u16(buffer, at + 9, 0);
    at += kOptOctets;
  }
  return at;
}

bool reply_matches(std::span<const std::uint8_t> reply, const Query& client,
                   std::optional<std::uint16_t> id) {
  MessageReader reader(reply);
  return read_matching_question(reader, client, id);
}

ReplyStatus inspect_reply(std::span<const std::uint8_t> reply) {
  MessageReader reader(reply);
  if (!reader.ok()) {
    return {};
  }
  ReplyStatus status = status_of(reader.header());
  QuestionView question;
  for (unsigned i = 0; i < reader.header().question_count && reader.read_question(question); ++i) {
  }
  RecordView record;
  while (reader.next(record)) {
    if (record.header.type == rrtype::kOpt && !take_opt(record, status)) {
      return {};
    }
  }
  status.parses = reader.ok();
  return status;
}

RebuildResult rebuild_reply(std::span<const std::uint8_t> reply, const Query& client,
                            const RebuildOptions& options, std::span<std::uint8_t> buffer) {
  MessageReader reader(reply);
  if (!client.has_question || !read_matching_question(reader, client, std::nullopt)) {
    return failed(RebuildStatus::kNotOurs);
  }
  ReplyStatus status = status_of(reader.header());
  ResponseWriter writer(client, buffer);
  const ResponseWriter::Mark empty = writer.mark();
  const auto set_rcode = [&writer](std::uint16_t rcode) {
    writer.set_rcode(rcode > flag::kRcodeMask ? rcode::kServFail : rcode);
  };
  if (status.truncated) {
    status = inspect_reply(reply);
    set_rcode(status.rcode);
    return status.truncated ? finish_truncated(options, empty, writer)
                            : failed(RebuildStatus::kMalformed);
  }
  const bool wants_ad = (client.authentic_data() || client.dnssec_ok) && client.aliases.empty();
  if (options.trusted_upstream && wants_ad) {
    writer.set_flags(reader.header().flags & flag::kAuthenticData);
  }
  Copied copied;
  if (!put_aliases(client, writer)) {
    copied.too_large = Section::kAnswer;
  }
  copy_records(reader, writer, status, copied);
  if (copied.is_malformed) {
    return failed(RebuildStatus::kMalformed);
  }
  set_rcode(status.rcode);
  const bool has_answer = writer.mark().counts[0] > client.aliases.size();
  if (copied.too_large == Section::kAnswer ||
      (copied.too_large == Section::kAuthority && !has_answer)) {
    return finish_truncated(options, empty, writer);
  }
  return finish(options, writer);
}

}  // namespace meshdns::dns
