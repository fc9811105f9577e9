#include "resolver/wire/stored_reply.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>

#include "resolver/wire/big_endian.h"
#include "resolver/wire/message_reader.h"
#include "resolver/wire/name.h"
#include "resolver/wire/protocol.h"
#include "resolver/wire/query.h"
#include "resolver/wire/response_writer.h"
#include "resolver/wire/transport.h"
#include "resolver/wire/upstream_reply.h"
#include "resolver/wire/wire_reader.h"

namespace meshdns::dns {
namespace {

constexpr std::size_t kTtlBeforeRdata = 6;  // TTL and RDLENGTH

// The client's question as it is stored: without its identity and OPT, in the reply's case, so that
// names of the reply that end in it do so in the stored form.
Query stored_question(std::span<const std::uint8_t> reply, const Query& client) {
  Query query;
  query.flags = flag::kAuthenticData;  // so that upstream's AD is kept
  MessageReader reader(reply);
  QuestionView question;
  const bool is_its_name = reader.read_question(question) &&
                           question.name.view().equals_ignoring_case(client.asked_name());
  query.assign_question(is_its_name ? question.name.view() : client.asked_name(), client.qtype,
                        client.qclass);
  return query;
}

void show_ttls(std::span<std::uint8_t> message, std::span<const std::uint16_t> offsets,
               const TtlView& view) {
  for (const std::uint16_t at : offsets) {
    const std::uint32_t ttl = load_u32(message, at);
    const std::uint32_t left = ttl - std::min(ttl, view.age);
    store_u32(message, at, view.at_most ? std::min(ttl, *view.at_most) : left);
  }
}

// The least of the SOA's TTL and its MINIMUM, which is its last field.
std::optional<std::uint32_t> denial_ttl(const RecordView& record) {
  if (record.section != Section::kAuthority || record.header.type != rrtype::kSoa ||
      record.rdata.size() < 4) {
    return std::nullopt;
  }
  return std::min(record.header.ttl, load_u32(record.rdata, record.rdata.size() - 4));
}

ReplyKind kind_of(std::uint16_t rcode, bool has_alias, bool has_type) {
  if (rcode == rcode::kNxDomain) {
    return has_alias ? ReplyKind::kNoTarget : ReplyKind::kNoSuchName;
  }
  if (rcode != rcode::kNoError) {
    return ReplyKind::kFailure;
  }
  return has_type ? ReplyKind::kAnswer : ReplyKind::kNoData;
}

// Notes where the TTLs stand, and what the records say. The SOA record of a denial gets the TTL of
// the denial, as its server should have given it (RFC 2308 section 3): so that who keeps the
// response in turn forgets it with us, however old it was when it was told.
ReplyFacts note_records(StoredReply& stored) {
  MessageReader reader(stored.message);
  QuestionView question;
  (void)reader.read_question(question);
  bool has_alias = false;
  bool has_type = false;
  std::uint32_t least = std::numeric_limits<std::uint32_t>::max();
  std::optional<std::uint32_t> denial;
  std::size_t denial_at = 0;  // of its TTL
  RecordView record;
  while (reader.next(record)) {
    stored.ttl_offsets.push_back(static_cast<std::uint16_t>(record.rdata_offset - kTtlBeforeRdata));
    if (record.section == Section::kAnswer) {
      least = std::min(least, record.header.ttl);
      has_type = has_type || question.qtype == rrtype::kAny || record.header.type == question.qtype;
      has_alias = has_alias || record.header.type == rrtype::kCname;
    } else if (!denial) {
      denial = denial_ttl(record);
      denial_at = stored.ttl_offsets.back();
    }
  }
  ReplyFacts facts;
  facts.kind = kind_of(stored.rcode(), has_alias, has_type);
  if (facts.kind == ReplyKind::kAnswer) {
    facts.ttl = least;
  } else if (facts.kind != ReplyKind::kFailure && denial) {
    facts.ttl = std::min(least, *denial);
    store_u32(stored.message, denial_at, *denial);
  }
  return facts;
}

}  // namespace

StoreResult store_reply(std::span<const std::uint8_t> reply, const Query& client,
                        std::span<std::uint8_t> scratch, StoredReply& stored) {
  stored.ttl_offsets.clear();
  const RebuildResult rebuilt =
      rebuild_reply(reply, stored_question(reply, client),
                    {.transport = Transport::kTcp, .trusted_upstream = true}, scratch);
  const auto message = scratch.first(rebuilt.size);
  stored.message.assign(message.begin(), message.end());
  if (rebuilt.status != RebuildStatus::kOk) {
    return {.status = rebuilt.status, .facts = {}};
  }
  return {.status = RebuildStatus::kOk, .facts = note_records(stored)};
}

void clamp_ttls(StoredReply& stored, std::uint32_t least, std::uint32_t most) {
  for (const std::uint16_t at : stored.ttl_offsets) {
    store_u32(stored.message, at, std::clamp(load_u32(stored.message, at), least, most));
  }
}

RebuildResult write_stored_reply(StoredReply& stored, const TtlView& ttl, const Query& client,
                                 const RebuildOptions& options, std::span<std::uint8_t> buffer) {
  const std::span<std::uint8_t> message = stored.message;
  const NameView name = WireReader(message, kHeaderOctets).read_plain_name();
  show_ttls(message, stored.ttl_offsets, ttl);
  const std::size_t type_at = kHeaderOctets + name.size();
  const std::size_t records_at = type_at + 4;
  if (client.aliases.empty()) {
    ResponseWriter writer(client, buffer);
    if (writer.add_all_records(message.subspan(records_at),
                               MessageReader(message).header().record_counts)) {
      writer.set_rcode(stored.rcode());
      if (options.trusted_upstream && (client.authentic_data() || client.dnssec_ok)) {
        writer.set_flags(message[3] & flag::kAuthenticData);
      }
      const std::size_t size = writer.finish(options.error);
      return {.status = RebuildStatus::kOk,
              .size = size,
              .rcode = static_cast<std::uint8_t>(stored.rcode()),
              .truncated = false};
    }
  }
  message[type_at] = static_cast<std::uint8_t>(client.qtype >> 8U);
  message[type_at + 1] = static_cast<std::uint8_t>(client.qtype);
  return rebuild_reply(message, client, options, buffer);
}

}  // namespace meshdns::dns
