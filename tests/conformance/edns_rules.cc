// EDNS: OPT, versions, options, sizes, extended errors.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "tests/conformance/broken_server.h"
#include "tests/conformance/rule.h"
#include "tests/conformance/visit.h"
#include "tests/support/dns_message.h"
#include "tests/support/scripted_upstream.h"

namespace meshdns::conformance {
namespace {

using support::make_query;
using support::MessageBytes;

constexpr unsigned kA = 1;
constexpr unsigned kTxt = 16;
constexpr unsigned kOpt = 41;
constexpr unsigned kFormerr = 1;
constexpr unsigned kBadvers = 16;
constexpr std::uint16_t kPayload = 1232;  // DNS flag day 2020
constexpr std::array kNames{"web.mesh", "nope.mesh", "www.example", "nx.example"};

// A query with one OPT whose TTL field (rcode, version, flags) and options are given.
Octets query_with_opt(std::string_view name, std::uint32_t ttl, const Octets& options,
                      unsigned payload = kPayload) {
  MessageBytes message;
  message.header(9, 0x0100, 1, 0, 0, 1).question(name, kA).opt(payload, ttl, options);
  return message.bytes();
}

// FORMERR, BADVERS, NOTIMP, and what is answered: every kind of reply.
std::vector<Octets> queries_of_every_kind(bool opt) {
  const std::optional<std::uint16_t> edns = opt ? std::optional(kPayload) : std::nullopt;
  std::vector<Octets> queries;
  for (const char* const name : kNames) {
    queries.push_back(make_query(name, kA, {.edns = edns}));
  }
  queries.push_back(make_query("web.mesh", kTxt, {.edns = edns}));
  queries.push_back(make_query("refused.example", kA, {.edns = edns}));
  queries.push_back(make_query("web.mesh", kA, {.flags = 0x7800, .edns = edns}));
  return queries;
}

void opt_for_opt(Visit& visit) {
  for (const bool opt : {false, true}) {
    for (const Octets& query : queries_of_every_kind(opt)) {
      const auto reply = visit.exchange(query);
      visit.expect(!reply || reply->message().edns == opt,
                   opt ? "no OPT in the reply" : "an OPT that was not asked for");
    }
  }
}

void bad_version(Visit& visit) {
  for (const unsigned version : {1U, 255U}) {
    for (const char* const name : kNames) {
      const auto reply = visit.expect_rcode(query_with_opt(name, version << 16U, {}), kBadvers);
      visit.expect(
          !reply || (reply->message().answer.empty() && reply->message().edns_version == 0),
          "BADVERS with an answer, or another version than 0");
    }
  }
}

void unknown_options(Visit& visit) {
  for (const char* const name : kNames) {
    const auto reply = visit.exchange(query_with_opt(name, 0, {0xfd, 0xe9, 0, 2, 1, 2}));
    visit.expect(!reply || full_rcode(reply->message()) != kFormerr, "FORMERR");
    visit.expect(!reply || std::ranges::find(reply->message().edns_options, 0xfde9U) ==
                               reply->message().edns_options.end(),
                 "the option was echoed");
  }
}

void unknown_flags(Visit& visit) {
  for (const char* const name : kNames) {
    const auto reply = visit.exchange(query_with_opt(name, 0x7fff, {}));
    visit.expect(!reply || full_rcode(reply->message()) != kFormerr, "FORMERR");
    visit.expect(!reply || reply->message().edns_unassigned_flags == 0, "a flag was echoed");
  }
}

void one_opt(Visit& visit) {
  MessageBytes two;
  two.header(9, 0x0100, 1, 0, 0, 2).question("web.mesh", kA).opt(kPayload).opt(kPayload);
  (void)visit.expect_rcode(two.bytes(), kFormerr);
}

void opt_at_root(Visit& visit) {
  MessageBytes named;
  named.header(9, 0x0100, 1, 0, 0, 1).question("web.mesh", kA);
  named.name("opt.mesh").u16(kOpt).u16(kPayload).u32(0).u16(0);
  (void)visit.expect_rcode(named.bytes(), kFormerr);
}

void opt_in_additional(Visit& visit) {
  for (const bool answer : {true, false}) {
    MessageBytes message;
    message.header(9, 0x0100, 1, answer ? 1 : 0, answer ? 0 : 1, 0).question("web.mesh", kA);
    message.opt(kPayload);
    (void)visit.expect_rcode(message.bytes(), kFormerr);
  }
}

void small_sizes(Visit& visit) {
  // The negative answer is larger than 60 octets and smaller than 512.
  for (const std::uint16_t size : std::initializer_list<std::uint16_t>{0, 60, 511}) {
    const auto reply = visit.exchange(make_query("nope.mesh", kA, {.edns = size}));
    visit.expect(!reply || (!reply->message().tc && !reply->message().authority.empty()),
                 fmt::format("truncated for a client that offers {} octets", size));
  }
}

void advertised_size(Visit& visit) {
  for (const char* const name : kNames) {
    const auto reply = visit.exchange(make_query(name, kA, {.edns = 4096}));
    visit.expect(!reply || (reply->message().udp_size >= 512 && reply->message().udp_size <= 1400),
                 "another size than 512 to 1400 octets is advertised");
  }
}

void no_large_datagrams(Visit& visit) {
  const auto reply = visit.exchange(make_query("big.example", kTxt, {.edns = 65535}));
  visit.expect(!reply || (reply->octets().size() <= 1400 && reply->message().tc),
               "a datagram that may be fragmented");
}

void within_512(Visit& visit) {
  const auto reply = visit.exchange(make_query("big.example", kTxt));
  visit.expect(!reply || (reply->octets().size() <= 512 && reply->message().tc),
               "more than 512 octets, or no TC");
  const auto whole = visit.exchange(make_query("big.example", kTxt), DnsTransport::kTcp);
  visit.expect(!whole || (!whole->message().tc && whole->message().answer.size() == 1),
               "TCP does not give the whole answer");
}

void truncation_keeps_opt(Visit& visit) {
  const auto reply = visit.exchange(make_query("big.example", kTxt, {.edns = 512}));
  visit.expect(!reply || (reply->message().tc && reply->message().edns), "no TC, or no OPT");
}

void copies_do(Visit& visit) {
  for (const char* const name : kNames) {
    for (const bool set : {false, true}) {
      const auto reply = visit.exchange(make_query(name, kA, {.edns = kPayload, .dnssec_ok = set}));
      visit.expect(!reply || reply->message().dnssec_ok == set, "DO is not copied");
    }
  }
}

void many_options(Visit& visit) {
  Octets options;
  for (int i = 0; i < 16'000; ++i) {
    options.insert(options.end(), {0xfd, 0xe9, 0, 0});
  }
  for (const char* const name : kNames) {
    if (!visit.exchange(query_with_opt(name, 0, options), DnsTransport::kTcp)) {
      return;
    }
  }
}

void cut_options(Visit& visit) {
  (void)visit.expect_rcode(query_with_opt("web.mesh", 0, {0, 10, 0, 9, 1}), kFormerr);
  (void)visit.expect_rcode(query_with_opt("web.mesh", 0, {0, 10, 0}), kFormerr);
}

void padding(Visit& visit) {
  const auto reply = visit.exchange(query_with_opt("web.mesh", 0, {0, 12, 0, 4, 0, 0, 0, 0}));
  visit.expect(!reply || reply->message().edns_options.empty(), "an option in the reply");
}

void keepalive_over_udp(Visit& visit) {
  const auto reply = visit.expect_rcode(query_with_opt("web.mesh", 0, {0, 11, 0, 0}), 0);
  visit.expect(!reply || std::ranges::find(reply->message().edns_options, 11U) ==
                             reply->message().edns_options.end(),
               "keepalive over UDP");
}

void extended_errors(Visit& visit) {
  for (const auto& [name, type] : {std::pair{"mesh", 252U}, {"web.mesh", 249U}}) {
    const auto with = visit.exchange(make_query(name, type, {.edns = kPayload}));
    visit.expect(!with || with->message().extended_error.has_value(),
                 fmt::format("no extended error for {}", name));
    visit.expect(!with || !with->message().extended_error.has_value() ||
                     with->message().extended_error->text.size() <= 64,
                 "a text of more than 64 octets");
    const auto without = visit.exchange(make_query(name, type));
    visit.expect(!without || !without->message().edns, "OPT for a client without EDNS");
  }
}

// Removes a trailing OPT.
void lose_opt(Octets& reply) {
  if (reply[11] == 1) {
    reply[11] = 0;
    const auto root = std::ranges::find_end(reply, std::array<std::uint8_t, 3>{0, 0, kOpt});
    reply.erase(root.begin(), reply.end());
  }
}

// What the TTL field of OPT says, overwritten. OPT stands last.
Breakage changes_opt(std::size_t offset, unsigned bits) {
  return edits_reply([=](Octets& reply) {
    const auto root = std::ranges::find_end(reply, std::array<std::uint8_t, 3>{0, 0, kOpt});
    if (!root.empty()) {
      auto& octet = reply[static_cast<std::size_t>(root.begin() - reply.begin()) + offset];
      octet = static_cast<std::uint8_t>(octet ^ bits);
    }
  });
}

// Gives the client's options back.
Breakage echoes_options() {
  return [](const Behind& behind, const support::UpstreamQuery& query) {
    auto reply = behind.ask(behind.server, query);
    if (!reply.has_value()) {
      return std::vector<Octets>{};
    }
    const auto opt = std::ranges::find_end(query.octets, std::array<std::uint8_t, 3>{0, 0, kOpt});
    lose_opt(*reply);
    reply->insert(reply->end(), opt.begin(), query.octets.end());
    (*reply)[11] = 1;
    return std::vector<Octets>{*reply};
  };
}

constexpr std::size_t kOptSize = 3;
constexpr std::size_t kOptFlags = 7;

}  // namespace

std::vector<Rule> edns_rules() {
  return {
      {"GivesOptForOpt",
       "A reply has OPT when its query has, whatever the rcode, and else has not.",
       "RFC 6891 section 6.1.1 and 7", Verdict::kMust, opt_for_opt, edits_reply(lose_opt)},
      {"SaysBadvers", "An EDNS version above 0 gets BADVERS, version 0 and no answer.",
       "RFC 6891 section 6.1.3", Verdict::kMust, bad_version, edits_reply(lose_opt)},
      {"IgnoresUnknownOptions", "An option that is not known is ignored, and not echoed.",
       "RFC 6891 section 6.1.2", Verdict::kMust, unknown_options, echoes_options()},
      {"IgnoresUnknownFlags", "EDNS flags that are not known are ignored, and zero in the reply.",
       "RFC 6891 section 6.1.4", Verdict::kMust, unknown_flags, changes_opt(kOptFlags, 0x40)},
      {"RejectsASecondOpt", "Two OPT records get FORMERR.", "RFC 6891 section 6.1.1",
       Verdict::kMust, one_opt, says_rcode(0)},
      {"WantsOptAtTheRoot", "An OPT record that is not owned by the root gets FORMERR.",
       "RFC 6891 section 6.1.2", Verdict::kMust, opt_at_root, says_rcode(0)},
      {"WantsOptInAdditional", "An OPT record in the answer or authority section gets FORMERR.",
       "RFC 6891 section 6.1.1", Verdict::kShould, opt_in_additional, says_rcode(0)},
      {"TakesSmallSizesAs512", "A payload size below 512 counts as 512.", "RFC 6891 section 6.2.3",
       Verdict::kMust, small_sizes, sets_bits(2, 0x02)},
      {"AdvertisesASizeThatIsNotFragmented", "The payload size offered is 512 to 1400 octets.",
       "RFC 9715 section 3.2", Verdict::kShould, advertised_size, changes_opt(kOptSize, 0xff)},
      {"SendsNoLargeDatagrams", "No UDP reply is larger than 1400 octets, whatever is offered.",
       "RFC 9715 section 3.1", Verdict::kShould, no_large_datagrams,
       edits_reply([](Octets& reply) { reply.resize(4000); })},
      {"Keeps512WithoutEdns",
       "Without EDNS a UDP reply has at most 512 octets, TC set when that is not all; TCP gives "
       "all.",
       "RFC 1035 section 4.2.1, RFC 2181 section 9", Verdict::kMust, within_512,
       clears_bits(2, 0x02)},
      {"KeepsOptWhenTruncated", "A truncated reply still has OPT.", "RFC 6891 section 7",
       Verdict::kMust, truncation_keeps_opt, edits_reply(lose_opt)},
      {"CopiesDo", "DO is copied into the reply.", "RFC 3225 section 3", Verdict::kMust, copies_do,
       changes_opt(kOptFlags - 0, 0x80)},
      {"SurvivesManyOptions", "16,000 options get a reply.", "RFC 6891 section 6.1.2",
       Verdict::kMust, many_options, is_silent()},
      {"RejectsCutOptions", "Options that run over the end of OPT get FORMERR.",
       "RFC 6891 section 6.1.2", Verdict::kMust, cut_options, says_rcode(0)},
      {"DoesNotPadInClear", "Padding is ignored on transports that are not encrypted.",
       "RFC 7830 section 6", Verdict::kMust, padding, echoes_options()},
      {"IgnoresKeepaliveOverUdp", "The TCP keepalive option is ignored over UDP.",
       "RFC 7828 section 3.2.1", Verdict::kMust, keepalive_over_udp, echoes_options()},
      {"ExplainsErrors",
       "Clients that sent EDNS learn why by an extended error, its text at most 64 octets.",
       "RFC 8914 section 3", Verdict::kShould, extended_errors,
       edits_reply([](Octets& reply) { lose_opt(reply); })},
  };
}

}  // namespace meshdns::conformance
