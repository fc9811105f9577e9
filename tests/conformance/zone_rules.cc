// Zones that are held here: what exists, what does not, and what says so.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "tests/conformance/broken_server.h"
#include "tests/conformance/rule.h"
#include "tests/conformance/visit.h"
#include "tests/support/dns_message.h"

namespace meshdns::conformance {
namespace {

using support::make_query;

constexpr unsigned kA = 1;
constexpr unsigned kNs = 2;
constexpr unsigned kSoa = 6;
constexpr unsigned kTxt = 16;
constexpr unsigned kAaaa = 28;
constexpr unsigned kSrv = 33;
constexpr unsigned kSvcb = 64;
constexpr unsigned kHttps = 65;
constexpr unsigned kAny = 255;
constexpr unsigned kNxdomain = 3;

struct Soa {
  std::string owner;
  std::uint32_t ttl = 0;
  std::uint32_t minimum = 0;
};

// The SOA of an authority or answer section with one record; empty owner otherwise.
Soa soa_of(const std::vector<std::string>& section) {
  Soa soa;
  if (section.size() != 1) {
    return soa;
  }
  std::istringstream fields(section[0]);
  std::string rrclass;
  std::string type;
  std::string server;
  std::string mailbox;
  std::string owner;
  std::uint32_t serial = 0;
  std::uint32_t refresh = 0;
  std::uint32_t retry = 0;
  std::uint32_t expire = 0;
  fields >> owner >> soa.ttl >> rrclass >> type >> server >> mailbox >> serial >> refresh >>
      retry >> expire >> soa.minimum;
  soa.owner = fields.fail() || type != "SOA" ? "" : owner;
  return soa;
}

void has_soa(Visit& visit, const std::optional<DnsReply>& reply) {
  if (!reply.has_value()) {
    return;
  }
  const Soa soa = soa_of(reply->message().authority);
  visit.expect(soa.owner == "mesh.", "the zone's SOA is not in the authority section");
  visit.expect(soa.ttl == soa.minimum, "the SOA's TTL is not its MINIMUM");
  visit.expect(soa.minimum >= 5 && soa.minimum <= 30, "MINIMUM is not 5 to 30 s");
}

void nxdomain(Visit& visit) {
  for (const char* const name : {"nope.mesh", "deep.down.nope.mesh", "below.web.mesh"}) {
    const auto reply = visit.expect_rcode(make_query(name, kA), kNxdomain);
    visit.expect(!reply || reply->message().answer.empty(), "an answer");
    has_soa(visit, reply);
  }
}

void nodata(Visit& visit, const std::string& name, unsigned type) {
  const auto reply = visit.expect_rcode(make_query(name, type), 0);
  visit.expect(!reply || reply->message().answer.empty(), "an answer");
  has_soa(visit, reply);
}

void apex(Visit& visit) {
  const auto soa = visit.expect_rcode(make_query("mesh", kSoa), 0);
  visit.expect(!soa || soa_of(soa->message().answer).owner == "mesh.", "no SOA");
  const auto ns = visit.expect_rcode(make_query("mesh", kNs), 0);
  visit.expect(!ns || ns->answer_data("NS").size() == 1, "no NS");
}

void any(Visit& visit) {
  for (const char* const name : {"web.mesh", "mesh"}) {
    const auto reply = visit.expect_rcode(make_query(name, kAny), 0);
    visit.expect(!reply || (!reply->message().answer.empty() && reply->octets().size() <= 512 &&
                            reply->message().answer.size() == 1),
                 "not one record within 512 octets");
  }
}

void never_forwards(Visit& visit) {
  for (const char* const name : {"web.mesh", "nope.mesh", "mesh"}) {
    for (const unsigned type : {kA, kTxt, kHttps, 43U, 65280U}) {
      (void)visit.exchange(make_query(name, type));
    }
    visit.expect(visit.forwarded(fmt::format("{}.", name)).empty(), "a mesh name was forwarded");
  }
}

// One record of the type whose data is this, and nothing but.
void has_only(Visit& visit, const std::string& name, unsigned type, const std::string& data) {
  const auto reply = visit.expect_rcode(make_query(name, type), 0);
  visit.expect(
      !reply || (reply->message().answer.size() == 1 && reply->message().answer[0].ends_with(data)),
      fmt::format("{} type {} is not '{}'", name, type, data));
}

void ports_by_srv(Visit& visit) {
  for (const char* const name :
       {"web.mesh", "_8080._tcp.web.mesh", "_http._tcp.web.mesh", "_HTTP._TCP.Web.Mesh"}) {
    has_only(visit, name, kSrv, "SRV 0 0 8080 web.mesh.");
  }
}

void names_below_services(Visit& visit) {
  nodata(visit, "_tcp.web.mesh", kSrv);
  nodata(visit, "_8080._tcp.web.mesh", kA);
  for (const char* const name : {"_81._tcp.web.mesh", "_udp.web.mesh", "_http._udp.web.mesh",
                                 "_http._tcp.nope.mesh", "_8080._https.web.mesh"}) {
    has_soa(visit, visit.expect_rcode(make_query(name, kSrv), kNxdomain));
  }
}

// Leaves the header and the question.
Breakage loses_records() {
  return edits_reply([](Octets& reply) {
    std::size_t end = 12;
    while (reply[end] != 0) {
      end += reply[end] + 1U;
    }
    reply.resize(end + 5);
    reply[7] = reply[9] = reply[11] = 0;
  });
}

}  // namespace

std::vector<Rule> zone_rules() {
  return {
      {"SaysNxdomain",
       "A name that is not there, nor any below it, is NXDOMAIN with the zone's SOA.",
       "RFC 2308 section 2.1 and 3", Verdict::kMust, nxdomain, loses_records()},
      {"SaysNodata", "A name without the type that was asked for is NOERROR with the zone's SOA.",
       "RFC 2308 section 2.2 and 3", Verdict::kMust,
       [](Visit& visit) {
         for (const unsigned type : {kTxt, kAaaa, 43U, 65280U}) {
           nodata(visit, "web.mesh", type);
         }
       },
       says_rcode(kNxdomain)},
      {"KnowsEmptyNonTerminals", "A name that has names below it exists, without data of its own.",
       "RFC 8020 section 2, RFC 4592 section 2.2.2", Verdict::kMust,
       [](Visit& visit) {
         for (const char* const name : {"x.y.z.mesh", "y.z.mesh", "z.mesh"}) {
           nodata(visit, name, kA);
         }
       },
       says_rcode(kNxdomain)},
      {"HoldsItsApex", "A zone has SOA and NS at its apex.", "RFC 1034 section 4.2.1",
       Verdict::kMust, apex, loses_records()},
      {"GivesLittleForAny", "ANY gets one RRset, and little of it.", "RFC 8482 section 4.1",
       Verdict::kShould, any, loses_records()},
      {"KeepsHttpsHere", "HTTPS and SVCB of a service without such records are NODATA.",
       "RFC 9460 section 4.1", Verdict::kMust,
       [](Visit& visit) { nodata(visit, "web.mesh", kHttps); }, says_rcode(kNxdomain)},
      {"TellsPortsBySrv",
       "SRV of a service, and of a port of it by name, number or protocol, gives port and target.",
       "RFC 2782", Verdict::kMust, ports_by_srv, loses_records()},
      {"KnowsNamesBelowServices",
       "A port's name exists, as does the name above it; that of a port which is not there does "
       "not.",
       "RFC 2782, RFC 8020 section 2", Verdict::kMust, names_below_services, says_rcode(kNxdomain)},
      {"TellsPortsBySvcb", "SVCB of a service gives protocol, port and addresses of each port.",
       "RFC 9460 section 2 and 7", Verdict::kShould,
       [](Visit& visit) {
         const auto reply = visit.expect_rcode(make_query("web.mesh", kA), 0);
         const std::string address =
             reply && !reply->answer_data("A").empty() ? reply->answer_data("A")[0] : "none";
         has_only(visit, "web.mesh", kSvcb, "SVCB 1 . alpn=http/1.1 port=8080 ipv4hint=" + address);
       },
       loses_records()},
      {"TellsTlsPortsByHttps",
       "A service has HTTPS records for its TLS ports, at its name and at _port._https below it.",
       "RFC 9460 section 2.3 and 9", Verdict::kShould,
       [](Visit& visit) {
         const auto reply = visit.expect_rcode(make_query("safe.mesh", kA), 0);
         const std::string address =
             reply && !reply->answer_data("A").empty() ? reply->answer_data("A")[0] : "none";
         for (const char* const name : {"safe.mesh", "_443._https.safe.mesh"}) {
           has_only(visit, name, kHttps, "HTTPS 1 . alpn=h2 no-default-alpn ipv4hint=" + address);
         }
       },
       loses_records()},
      {"NeverForwardsItsZones", "No name of a zone that is held here leaves, whatever its type.",
       "RFC 6303 section 3", Verdict::kMust, never_forwards, copies_packets()},
  };
}

}  // namespace meshdns::conformance
