// Names: what octets they may have, how they are compared, and those that are special.
#include <algorithm>
#include <string>
#include <string_view>
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
constexpr unsigned kPtr = 12;
constexpr unsigned kMx = 15;
constexpr unsigned kAaaa = 28;
constexpr unsigned kSvcb = 64;
constexpr unsigned kNxdomain = 3;

using Data = std::vector<std::string>;

// The name has this data (none: NODATA), and nobody else is asked.
void is_local(Visit& visit, const std::string& name, unsigned type, const std::string& shown_type,
              const Data& data) {
  const auto reply = visit.expect_rcode(make_query(name, type), 0);
  visit.expect(!reply || reply->answer_data(shown_type) == data, name + " has other data");
  visit.expect(visit.forwarded(name + ".").empty(), name + " was forwarded");
}

void is_denied(Visit& visit, const std::string& name) {
  (void)visit.expect_rcode(make_query(name, kA), kNxdomain);
  visit.expect(visit.forwarded(name + ".").empty(), name + " was forwarded");
}

void is_forwarded(Visit& visit, const std::string& name, unsigned type = kA) {
  (void)visit.exchange(make_query(name, type));
  visit.expect(!visit.forwarded(name + ".").empty(), name + " was not forwarded");
}

void compares_without_case(Visit& visit) {
  for (const char* const name : {"web.mesh", "WEB.MESH", "wEb.MeSh"}) {
    const auto reply = visit.expect_rcode(make_query(name, kA), 0);
    visit.expect(!reply || reply->answer_data("A").size() == 1, "no address");
  }
}

void any_octet(Visit& visit) {
  for (unsigned octet = 0; octet < 256; ++octet) {
    MessageBytes query;
    query.header(5, 0x0100, 1, 0, 0, 0).u8(2).u8('q').u8(octet);
    query.name("mesh").u16(kA).u16(1);
    const auto reply = visit.expect_rcode(query.bytes(), kNxdomain);
    visit.expect(!reply || reply->octets()[14] == octet, fmt::format("octet {} changed", octet));
  }
}

void long_names(Visit& visit) {
  (void)visit.expect_rcode(make_query(std::string(63, 'a') + ".mesh", kA), kNxdomain);
  MessageBytes longest;
  longest.header(5, 0x0100, 1, 0, 0, 0);
  for (int i = 0; i < 3; ++i) {
    longest.u8(63).octets(Octets(63, 'b'));
  }
  longest.u8(56).octets(Octets(56, 'c')).name("mesh").u16(kA).u16(1);  // 192 + 57 + 6 octets
  (void)visit.expect_rcode(longest.bytes(), kNxdomain);
}

void asterisk(Visit& visit) { (void)visit.expect_rcode(make_query("*.mesh", kA), kNxdomain); }

void whole_labels(Visit& visit) {
  is_forwarded(visit, "notmesh");
  is_forwarded(visit, "web.mesh.example");
  is_forwarded(visit, "web.notmesh");
  MessageBytes one_label;
  one_label.header(5, 0x0100, 1, 0, 0, 0).u8(8);
  one_label.octets({'w', 'e', 'b', '.', 'm', 'e', 's', 'h'}).u8(0).u16(kA).u16(1);
  const auto reply = visit.exchange(one_label.bytes());
  visit.expect(!reply || !reply->message().aa, "the label web.mesh is taken for two");
}

void localhost(Visit& visit) {
  for (const std::string name : {"localhost", "any.localhost"}) {
    is_local(visit, name, kA, "A", {"127.0.0.1"});
    is_local(visit, name, kAaaa, "AAAA", {"::1"});
    is_local(visit, name, kMx, "MX", {});
  }
}

void loopback_reverse(Visit& visit) {
  is_local(visit, "1.0.0.127.in-addr.arpa", kPtr, "PTR", {"localhost."});
  std::string ipv6 = "1";
  for (int i = 0; i < 31; ++i) {
    ipv6 += ".0";
  }
  is_local(visit, ipv6 + ".ip6.arpa", kPtr, "PTR", {"localhost."});
}

void private_reverse(Visit& visit) {
  for (const char* const name :
       {"1.0.0.10.in-addr.arpa", "1.0.16.172.in-addr.arpa", "1.0.168.192.in-addr.arpa"}) {
    is_forwarded(visit, name, kPtr);
  }
}

void pool_reverse(Visit& visit) {
  const std::string name = "254.255.255.247.in-addr.arpa";  // the end of 244.0.0.0/6
  (void)visit.expect_rcode(make_query(name, kPtr), kNxdomain);
  visit.expect(visit.forwarded(name + ".").empty(), "the reverse name of a pool was forwarded");
}

// Takes every name that ends in the letters "mesh" for one of its own.
Breakage keeps_all_with_our_letters() {
  return [](const Behind& behind, const support::UpstreamQuery& query) {
    support::UpstreamQuery changed = query;
    if (query.name.find("mesh.") != std::string::npos) {
      changed.octets = make_query("nope.mesh", kA);
      std::copy_n(query.octets.begin(), 2, changed.octets.begin());
    }
    auto reply = behind.ask(behind.server, changed);
    return reply.has_value() ? std::vector<Octets>{*reply} : std::vector<Octets>{};
  };
}

}  // namespace

std::vector<Rule> name_rules() {
  return {
      {"ComparesWithoutCase", "A to Z and a to z are the same letters.", "RFC 4343 section 3",
       Verdict::kMust, compares_without_case, says_rcode(kNxdomain)},
      {"TakesAnyOctet", "A label may hold any octet, and comes back as it was.",
       "RFC 2181 section 11", Verdict::kMust, any_octet, says_rcode(1)},
      {"TakesLongNames", "Labels of 63 octets and names of 255 are answered.",
       "RFC 1035 section 2.3.4", Verdict::kMust, long_names, says_rcode(1)},
      {"TakesAnAsteriskForALabel", "A query for *.mesh means just that name.",
       "RFC 4592 section 2.1.1", Verdict::kMust, asterisk, says_rcode(0)},
      {"ComparesWholeLabels", "A name is in a zone when its last labels are the zone's.",
       "RFC 1034 section 3.1", Verdict::kMust, whole_labels, keeps_all_with_our_letters()},
      {"AnswersLocalhost", "localhost and what is below it are loopback, and not forwarded.",
       "RFC 6761 section 6.3", Verdict::kShould, localhost, copies_packets()},
      {"DeniesInvalid", "Names below invalid do not exist, and are not forwarded.",
       "RFC 6761 section 6.4", Verdict::kShould,
       [](Visit& visit) { is_denied(visit, "any.invalid"); }, copies_packets()},
      {"DeniesTest", "Names below test do not exist, and are not forwarded.",
       "RFC 6761 section 6.2", Verdict::kShould, [](Visit& visit) { is_denied(visit, "any.test"); },
       copies_packets()},
      {"DeniesOnion", "Names below onion do not exist, and are not forwarded.",
       "RFC 7686 section 2", Verdict::kShould, [](Visit& visit) { is_denied(visit, "any.onion"); },
       copies_packets()},
      {"DeniesLocal", "Names below local are not sent to unicast servers.",
       "RFC 6762 section 22.1; not wanted: cluster.local is the zone of Kubernetes",
       Verdict::kNotWanted,
       [](Visit& visit) { is_forwarded(visit, "web.default.svc.cluster.local"); }, is_silent()},
      {"AnswersReverseLoopback", "Reverse names of loopback are answered here.",
       "RFC 6303 section 4.3 and 4.4", Verdict::kShould, loopback_reverse, copies_packets()},
      {"KeepsPrivateReverse", "Reverse names of private networks are not forwarded.",
       "RFC 6303 section 4.2; not wanted: the resolver of a company knows them",
       Verdict::kNotWanted, private_reverse, is_silent()},
      {"AnswersReversePools", "Reverse names of our virtual addresses are answered here.",
       "RFC 6303 section 3", Verdict::kMust, pool_reverse, copies_packets()},
      {"KeepsResolverArpa", "resolver.arpa has no data, and is not forwarded.",
       "RFC 9462 section 6.4", Verdict::kMust,
       [](Visit& visit) { is_local(visit, "resolver.arpa", kSvcb, "SVCB", {}); }, copies_packets()},
      {"ForwardsIpv4OnlyArpa", "ipv4only.arpa is forwarded.", "RFC 8880 section 7.1",
       Verdict::kMust, [](Visit& visit) { is_forwarded(visit, "ipv4only.arpa"); }, is_silent()},
  };
}

}  // namespace meshdns::conformance
