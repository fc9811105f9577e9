// What ldns, a parser that we did not write, makes of the octets that our parsers see: the same
// verdict and the same reading, or a difference in words, or one of the exemptions below.
//
// Exemptions. Each is a predicate of its name in ldns_reading.cc, and what is left is compared.
//
// Where we are stricter:
//  - points_to_no_prior_name: a compression pointer leads behind the header and strictly backwards
//    (RFC 1035 section 4.1.4, "a prior occurrence of the same name"). ldns follows forward and
//    circular ones, 65535 times, and those into the header but for its first octet.
//  - leads_behind_its_rdata: a name in RDATA whose pointer leads into the middle of a label may go
//  on
//    over the RDATA's own end, which is no prior occurrence either.
//  - departs_from_its_length: RDATA ends where RDLENGTH says (RFC 1035 section 3.2.1). ldns goes
//    on where the type's last field ended, so it takes the next record from another place.
//  - lacks_fields: RDATA has all fields of its type (RFC 1035 section 3.3). ldns takes any number.
//  - has_other_than_one_question (RFC 9619 section 4), question_is_compressed (nothing stands
//    before it; RFC 1035 section 4.1.4), has_trailing_octets (the counts are the message's; RFC
//    1035 section 4.1.1): a query is FORMERR.
//  - opt_is_misplaced: one OPT, in the additional section, with the root's octet as owner (RFC 6891
//    sections 6.1.1 and 6.1.2). ldns takes the last of any.
//  - options_are_malformed: options fill the OPT's RDATA (RFC 6891 section 6.1.2), a client subnet
//    is well-formed (RFC 7871 section 7.1.2). ldns keeps them as octets.
// Where we are laxer:
//  - fault_is_inside_rdata: who hands on records without looking into them does not judge their
//    RDATA (RFC 3597 section 3). rebuild_reply() does, for types that it takes apart.
//  - owner_is_not_followed: of a query's records only OPT matters, so a pointer in the owner of
//    another is checked, not followed: linear time.
// Where ldns cannot be asked:
//  - tsig_is_not_last: ldns keeps a TSIG aside, reads one record less for it and loses the first of
//    two (RFC 8945 section 5.1 allows one, at the end). Record by record it is compared.
//  - text_has_nul: ldns takes text up to a NUL.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "resolver/wire/message_reader.h"
#include "resolver/wire/name.h"
#include "resolver/wire/query.h"
#include "resolver/wire/upstream_reply.h"

namespace meshdns::fuzz {

// Everything that our reader read before it ended or gave up.
struct MessageReading {
  dns::MessageHeader header;
  std::vector<dns::QuestionView> questions;
  std::vector<dns::RecordView> records;  // refer to the message
  bool ok = false;
};
[[nodiscard]] MessageReading read_message(std::span<const std::uint8_t> message);

// All of these give what differs from ldns's reading, in words; empty when nothing does.

// `ours` is what MessageReader made of `message`.
[[nodiscard]] std::string compare_message(std::span<const std::uint8_t> message,
                                          const MessageReading& ours);

// `ours` is what parse_query() made of `request`.
[[nodiscard]] std::string compare_query(std::span<const std::uint8_t> request,
                                        const dns::Query& ours);

// What an answer of ours was meant to say.
struct MeantAnswer {
  std::uint16_t id = 0;
  std::uint16_t flags = 0;    // without rcode
  std::uint16_t ignored = 0;  // those of them that are not known here
  std::uint16_t rcode = 0;    // four bits
  bool has_edns = false;
  std::span<const std::uint8_t> question;  // as it stands in the message; empty: none
};
// `answer` is accepted by ldns as a whole and says what was meant.
[[nodiscard]] std::string compare_answer(std::span<const std::uint8_t> answer,
                                         const MeantAnswer& meant);

// A stored denial's SOA record lasts no longer than the denial (RFC 2308 section 3).
enum class Rebuilt : std::uint8_t { kAtOnce, kFromStore };

// `result` and `written` are what rebuild_reply(), or write_stored_reply(), made of `reply` for
// `client`, whose question is the reply's.
[[nodiscard]] std::string compare_rebuilt(std::span<const std::uint8_t> reply,
                                          const dns::Query& client,
                                          const dns::RebuildResult& result,
                                          std::span<const std::uint8_t> written,
                                          Rebuilt how = Rebuilt::kAtOnce);

// `ours` is what Name::from_text() made of `text`, and `printed` what to_text() made of that;
// without a meaning when `ours` is none.
[[nodiscard]] std::string compare_name_text(std::string_view text,
                                            const std::optional<dns::Name>& ours,
                                            const std::string& printed);

}  // namespace meshdns::fuzz
