// What is forwarded: what is kept as it is, what is not, and which replies are believed.
#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "tests/conformance/broken_server.h"
#include "tests/conformance/rule.h"
#include "tests/conformance/visit.h"
#include "tests/support/dns_message.h"
#include "tests/support/ldns_judge.h"

namespace meshdns::conformance {
namespace {

using support::make_query;
using support::MessageBytes;

constexpr unsigned kA = 1;
constexpr unsigned kMx = 15;
constexpr unsigned kTxt = 16;
constexpr unsigned kPrivateType = 65280;
constexpr unsigned kServfail = 2;

void has_data(Visit& visit, const char* name, unsigned type, const std::string& shown_type,
              const std::string& data) {
  const auto reply = visit.expect_rcode(make_query(name, type, {.edns = 1232}), 0);
  visit.expect(!reply || reply->answer_data(shown_type) == std::vector<std::string>{data},
               "other data");
}

void unknown_types(Visit& visit) {
  has_data(visit, "opaque.example", kPrivateType, "TYPE65280", "\\# 2 c00c");
}

void compressed_data(Visit& visit) {
  has_data(visit, "mail.example", kMx, "MX", "10 mx.mail.example.");
}

void copies_cd_upstream(Visit& visit) {
  (void)visit.exchange(make_query("cd.example", kA, {.flags = 0x0110}));
  const auto asked = visit.forwarded("cd.example.");
  visit.expect(!asked.empty() && (asked.back().octets[3] & 0x10U) != 0, "CD is lost");
}

void no_ad(Visit& visit) {
  const auto reply = visit.exchange(make_query("authentic.example", kA));
  visit.expect(!reply || !reply->message().ad, "AD for a client that did not ask for it");
}

void passes_rcodes(Visit& visit) {
  (void)visit.expect_rcode(make_query("nx.example", kA), 3);
  for (const char* const name : {"refused.example", "servfail.example"}) {
    const auto reply = visit.exchange(make_query(name, kA));
    visit.expect(
        !reply || full_rcode(reply->message()) == kServfail || full_rcode(reply->message()) == 5,
        "an error became an answer");
  }
}

void asks_tcp_itself(Visit& visit) {
  const auto reply = visit.exchange(make_query("big.example", kTxt), DnsTransport::kTcp);
  visit.expect(!reply || (!reply->message().tc && reply->message().answer.size() == 1),
               "a truncated answer is passed on");
}

void own_ids(Visit& visit) {
  int same = 0;
  for (std::uint16_t id = 1; id <= 20; ++id) {
    const std::string name = fmt::format("id-{}.example", id);
    (void)visit.exchange(make_query(name, kA, {.id = id}));
    const auto asked = visit.forwarded(name + ".");
    same += !asked.empty() && asked.back().octets[0] == 0 && asked.back().octets[1] == id ? 1 : 0;
  }
  visit.expect(same < 3, "the client's ids are used upstream");
}

void own_cases(Visit& visit) {
  has_data(visit, "foreign.example", kA, "A", "192.0.2.1");
  visit.expect(!visit.forwarded("foreign.example.").empty(), "not forwarded");
}

void forgeries(Visit& visit) {
  for (int i = 0; i < 5; ++i) {
    has_data(visit, fmt::format("{}.forged.example", i).c_str(), kA, "A", "192.0.2.1");
  }
}

void extended_rcodes(Visit& visit) {
  (void)visit.expect_rcode(make_query("badvers.example", kA), kServfail);
}

void high_ttls(Visit& visit) {
  const auto reply = visit.expect_rcode(make_query("high-ttl.example", kA), 0);
  visit.expect(!reply || (reply->message().answer.size() == 1 &&
                          reply->message().answer[0] == "high-ttl.example. 0 IN A 192.0.2.1"),
               "a TTL with its top bit set is not taken as 0");
}

void hop_by_hop_up(Visit& visit) {
  MessageBytes query;
  query.header(9, 0x0100, 1, 0, 0, 1).question("hop.example", kA);
  query.opt(4096, 0, Octets{0, 10, 0, 8, 1, 2, 3, 4, 5, 6,  7, 8,   0xfd, 0xe9,
                            0, 1,  7, 0, 8, 0, 7, 0, 1, 24, 0, 192, 0,    2});
  (void)visit.exchange(query.bytes());
  const auto asked = visit.forwarded("hop.example.");
  const auto seen = asked.empty() ? std::nullopt : support::judge(asked.back().octets);
  visit.expect(seen.has_value(), "not forwarded");
  visit.expect(!seen || seen->edns_options.empty(), "the client's options went upstream");
  visit.expect(!seen || !seen->edns || seen->udp_size <= 1400,
               "the client's payload size went upstream");
}

void hop_by_hop_down(Visit& visit) {
  const auto reply = visit.exchange(make_query("options.example", kA, {.edns = 1232}));
  visit.expect(
      !reply || (reply->message().edns_options.empty() && reply->message().answer.size() == 1),
      "the upstream's options reach the client");
}

void without_edns(Visit& visit) { has_data(visit, "plain-only.example", kA, "A", "192.0.2.1"); }

void any_type(Visit& visit) {
  for (const unsigned type : {3U, 13U, 99U, 257U, 32769U, 65535U}) {
    (void)visit.expect_rcode(make_query("www.example", type), 0);
  }
}

}  // namespace

std::vector<Rule> forwarding_rules() {
  return {
      {"KeepsUnknownData", "RDATA of a type that is not known stays as it is, octet for octet.",
       "RFC 3597 section 3 and 4", Verdict::kMust, unknown_types, edits_reply([](Octets& reply) {
         const auto data =
             std::ranges::find_end(reply, std::array<std::uint8_t, 4>{0, 2, 0xc0, 0x0c});
         if (!data.empty()) {
           *(data.begin() + 3) ^= 1U;
         }
       })},
      {"ExpandsCompressedData", "Compressed names in RDATA mean the same names after forwarding.",
       "RFC 3597 section 4", Verdict::kMust, compressed_data,
       // The question's name, that the pointer leads to, becomes another.
       edits_query([](Octets& query) { query[13] = 'n'; })},
      {"AsksForAnyType", "A query for any type of record is forwarded.", "RFC 5625 section 4.3",
       Verdict::kMust, any_type, says_rcode(4)},
      {"CopiesCdUpstream", "CD goes to the upstream.",
       "RFC 4035 section 3.2.2, RFC 6840 section 5.9", Verdict::kMust, copies_cd_upstream,
       copies_packets([](Octets& query) { query[3] &= 0xefU; })},
      {"ClearsAdUnasked", "AD is clear for a client that set neither AD nor DO.",
       "RFC 6840 section 5.8", Verdict::kMust, no_ad, copies_packets()},
      {"PassesErrors", "NXDOMAIN stays NXDOMAIN, an error stays an error.", "RFC 5625 section 4.1",
       Verdict::kMust, passes_rcodes, says_rcode(0)},
      {"AsksAgainOverTcp", "What is truncated upstream is asked again over TCP.",
       "RFC 5625 section 4.4.1, RFC 7766 section 5", Verdict::kMust, asks_tcp_itself,
       sets_bits(2, 0x02)},
      {"UsesItsOwnIds", "Ids upstream are not those of the clients.",
       "RFC 5452 section 9.2, RFC 5625 section 6.1", Verdict::kMust, own_ids, copies_packets()},
      {"ForwardsWhatItDoesNotHold", "Names of no zone here are forwarded.",
       "RFC 1034 section 5.3.1", Verdict::kMust, own_cases, says_rcode(5)},
      {"WaitsForTheTrueReply",
       "Replies with another id, question or type, or without QR, are not taken, nor end the wait.",
       "RFC 5452 section 9.1", Verdict::kMust, forgeries, copies_packets()},
      {"KeepsExtendedRcodesWhole", "An extended rcode from upstream is not cut to four bits.",
       "RFC 6891 section 6.1.3", Verdict::kMust, extended_rcodes, copies_packets()},
      {"TakesHighTtlsAsZero", "A TTL with the top bit set is 0.", "RFC 2181 section 8",
       Verdict::kMust, high_ttls, copies_packets()},
      {"SendsNoOptionsUpstream", "A client's EDNS options and payload size are not sent upstream.",
       "RFC 6891 section 6.1.1 and 7", Verdict::kMust, hop_by_hop_up, copies_packets()},
      {"PassesNoOptionsDown", "The upstream's EDNS options do not reach the client.",
       "RFC 6891 section 6.1.1", Verdict::kMust, hop_by_hop_down, copies_packets()},
      {"AsksAgainWithoutEdns", "FORMERR without OPT from upstream: asked again without EDNS.",
       "RFC 6891 section 6.2.2", Verdict::kShould, without_edns, copies_packets()},
  };
}

}  // namespace meshdns::conformance
