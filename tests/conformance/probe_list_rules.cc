// The probes of RFC 8906: each of them gets a reply, over UDP and TCP, for names that are held here
// and for others.
#include <cstdint>
#include <functional>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "tests/conformance/broken_server.h"
#include "tests/conformance/rule.h"
#include "tests/conformance/visit.h"
#include "tests/support/dns_message.h"

namespace meshdns::conformance {
namespace {

using support::MessageBytes;

constexpr unsigned kSoa = 6;
constexpr unsigned kBadvers = 16;
constexpr unsigned kNotimp = 4;
constexpr std::uint32_t kVersion1 = 1U << 16U;
constexpr std::uint32_t kDo = 1U << 15U;
constexpr std::uint32_t kUnknownFlag = 1U << 6U;
const Octets kUnknownOption{0, 100, 0, 0};
const Octets kCookie{0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8};

struct ProbeQuery {
  unsigned type = kSoa;
  unsigned flags = 0;
  bool opt = false;
  std::uint32_t opt_ttl = 0;
  Octets options = {};
};

Octets encode(const ProbeQuery& probe, std::string_view name) {
  MessageBytes message;
  message.header(8906, probe.flags, 1, 0, 0, probe.opt ? 1 : 0).question(name, probe.type);
  if (probe.opt) {
    message.opt(1232, probe.opt_ttl, probe.options);
  }
  return message.bytes();
}

std::function<void(Visit&)> asks(const ProbeQuery& probe, unsigned rcode = 0) {
  return [=](Visit& visit) {
    for (const auto transport : {DnsTransport::kUdp, DnsTransport::kTcp}) {
      for (const char* const name : {"mesh", "www.example"}) {
        const auto reply = visit.expect_rcode(encode(probe, name), rcode, transport);
        if (!reply) {
          return;
        }
        visit.expect(reply->message().edns == (probe.opt && rcode != kNotimp) || rcode == kNotimp,
                     "OPT is not as in the query");
      }
    }
  };
}

}  // namespace

std::vector<Rule> probe_list_rules() {
  const auto row = [](std::string_view test, std::string_view text, std::string_view section,
                      std::function<void(Visit&)> probe) {
    return Rule{test, text, section, Verdict::kMust, std::move(probe), ignores_tcp()};
  };
  return {
      row("Plain", "A plain query.", "RFC 8906 section 8.1.1", asks({})),
      row("UnknownType", "A type that is not assigned.", "RFC 8906 section 8.1.2",
          asks({.type = 1000})),
      row("Cd", "CD set.", "RFC 8906 section 8.1.3.1", asks({.flags = 0x0010})),
      row("Ad", "AD set.", "RFC 8906 section 8.1.3.2", asks({.flags = 0x0020})),
      row("Z", "The reserved bit set.", "RFC 8906 section 8.1.3.3", asks({.flags = 0x0040})),
      row("Rd", "RD set.", "RFC 8906 section 8.1.3.4", asks({.flags = 0x0100})),
      row("UnknownOpcode", "Opcode 15.", "RFC 8906 section 8.1.4",
          asks({.flags = 0x7800}, kNotimp)),
      row("Edns", "EDNS version 0.", "RFC 8906 section 8.2.1", asks({.opt = true})),
      row("Edns1", "EDNS version 1.", "RFC 8906 section 8.2.2",
          asks({.opt = true, .opt_ttl = kVersion1}, kBadvers)),
      row("UnknownOption", "An EDNS option that is not assigned.", "RFC 8906 section 8.2.3",
          asks({.opt = true, .options = kUnknownOption})),
      row("UnknownFlag", "An EDNS flag that is not assigned.", "RFC 8906 section 8.2.4",
          asks({.opt = true, .opt_ttl = kUnknownFlag})),
      row("Edns1WithFlag", "EDNS version 1 and an unknown flag.", "RFC 8906 section 8.2.5",
          asks({.opt = true, .opt_ttl = kVersion1 | kUnknownFlag}, kBadvers)),
      row("Edns1WithOption", "EDNS version 1 and an unknown option.", "RFC 8906 section 8.2.6",
          asks({.opt = true, .opt_ttl = kVersion1, .options = kUnknownOption}, kBadvers)),
      row("Do", "DO set.", "RFC 8906 section 8.2.8", asks({.opt = true, .opt_ttl = kDo})),
      row("Cookie", "A DNS cookie.", "RFC 8906 section 8.2.9",
          asks({.opt = true, .options = kCookie})),
      row("Together", "DO, CD, AD, an unknown flag, an unknown option and a cookie.",
          "RFC 8906 section 8.2.10",
          asks({.flags = 0x0030,
                .opt = true,
                .opt_ttl = kDo | kUnknownFlag,
                .options = {0, 100, 0, 0, 0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8}})),
  };
}

}  // namespace meshdns::conformance
