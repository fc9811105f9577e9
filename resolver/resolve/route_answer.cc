#include "resolver/resolve/route_answer.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "resolver/forward/route_table.h"
#include "resolver/wire/name.h"
#include "resolver/wire/protocol.h"
#include "resolver/wire/query.h"
#include "resolver/wire/response_writer.h"
#include "resolver/wire/upstream_reply.h"

namespace meshdns::dns {
namespace {

constexpr ExtendedError kBlockedError{extended_error::kBlocked, "blocked here by a route"};
constexpr ExtendedError kNoAaaaError{extended_error::kBlocked,
                                     "AAAA is suppressed here by a route"};
// As local zones have it (RFC 6303 section 3).
constexpr std::array<std::uint8_t, 16> kMailbox{6,   'n', 'o', 'b', 'o', 'd', 'y', 7,
                                                'i', 'n', 'v', 'a', 'l', 'i', 'd', 0};
constexpr std::uint32_t kSerial = 1;
constexpr std::uint32_t kRefresh = 3600;
constexpr std::uint32_t kRetry = 1200;
constexpr std::uint32_t kExpire = 604'800;

// The denial as a server of the suffix would send it.
std::size_t write_denial(const RouteTable::Match& route, const Query& query,
                         std::span<std::uint8_t> buffer) {
  Query asked;
  asked.status = ParseStatus::kOk;
  asked.has_question = true;
  asked.qtype = query.qtype;
  asked.qclass = query.qclass;
  asked.name.assign_folded(query.asked_name());
  asked.assign_question(asked.name, query.qtype, query.qclass);
  NameView suffix = asked.name;
  for (std::size_t labels = suffix.label_count(); labels > route.labels; --labels) {
    suffix = suffix.parent();
  }
  ResponseWriter writer(asked, buffer);
  writer.set_rcode(route.answer == RouteAnswer::kNoName ? rcode::kNxDomain : rcode::kNoError);
  writer.begin_record(Section::kAuthority, suffix,
                      {.type = rrtype::kSoa, .rrclass = query.qclass, .ttl = kRouteSoaSeconds});
  writer.put_compressed_name(suffix);
  writer.put_plain_name(NameView(kMailbox));
  for (const std::uint32_t number : {kSerial, kRefresh, kRetry, kExpire, kRouteSoaSeconds}) {
    writer.put_u32(number);
  }
  static_cast<void>(writer.end_record());  // a question and an SOA fit into what is smallest
  return writer.finish();
}

}  // namespace

bool is_answered_by(const RouteTable::Match& route, const Query& query) {
  return route.answer == RouteAnswer::kRefuse || route.answer == RouteAnswer::kNoName ||
         (route.answer == RouteAnswer::kNoAaaa && query.qtype == rrtype::kAaaa);
}

RebuildResult write_route_answer(const RouteTable::Match& route, const Query& query,
                                 RebuildOptions options, std::span<std::uint8_t> buffer) {
  if (route.answer == RouteAnswer::kRefuse) {
    return {.status = RebuildStatus::kOk,
            .size = write_error(query, rcode::kRefused, &kBlockedError, buffer),
            .rcode = rcode::kRefused};
  }
  std::array<std::uint8_t, 2 * kPlainUdpOctets> denial{};
  const std::size_t size = write_denial(route, query, denial);
  options.error = route.answer == RouteAnswer::kNoAaaa ? &kNoAaaaError : &kBlockedError;
  return rebuild_reply(std::span(denial).first(size), query, options, buffer);
}

}  // namespace meshdns::dns
