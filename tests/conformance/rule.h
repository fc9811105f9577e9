// One rule of the RFCs that a DNS server keeps: what it says, how it is probed, and a server that
// breaks it. docs/CONFORMANCE.md is written from these.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "tests/conformance/broken_server.h"
#include "tests/conformance/visit.h"

namespace meshdns::conformance {

enum class Verdict : std::uint8_t { kMust, kShould, kNotWanted };

struct Rule {
  std::string_view test;    // names the test: Conformance/<theme>.<test>
  std::string_view text;    // what the server does
  std::string_view source;  // "RFC 1035 section 4.1.1"
  Verdict verdict;
  // Reports through the visit; keeps no state.
  std::function<void(Visit&)> probe;
  // The probe must find fault with this server: it shows that the probe can fail.
  Breakage broken;
};

struct Theme {
  std::string_view name;
  std::vector<Rule> rules;
};

[[nodiscard]] std::vector<Rule> message_rules();
[[nodiscard]] std::vector<Rule> malformed_rules();
[[nodiscard]] std::vector<Rule> edns_rules();
[[nodiscard]] std::vector<Rule> name_rules();
[[nodiscard]] std::vector<Rule> zone_rules();
[[nodiscard]] std::vector<Rule> tcp_rules();
[[nodiscard]] std::vector<Rule> forwarding_rules();
[[nodiscard]] std::vector<Rule> probe_list_rules();

// All of them, in the order of the document.
[[nodiscard]] const std::vector<Theme>& themes();

}  // namespace meshdns::conformance
