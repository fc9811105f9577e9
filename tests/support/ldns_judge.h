// Decodes messages of ours with ldns, a decoder that we did not write, for tests to compare with.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace meshdns::support {

struct JudgedExtendedError {
  std::uint16_t code = 0;
  std::string text;

  friend bool operator==(const JudgedExtendedError&, const JudgedExtendedError&) = default;
};

// A message as ldns reads it. Records are in presentation form with single blanks between the
// fields: "web.mesh. 30 IN A 244.0.0.1". OPT is not among them.
struct JudgedMessage {
  std::uint16_t id = 0;
  unsigned opcode = 0;
  unsigned rcode = 0;  // the header's four bits
  bool qr = false;
  bool aa = false;
  bool tc = false;
  bool rd = false;
  bool ra = false;
  bool ad = false;
  bool cd = false;
  std::vector<std::string> question;  // "web.mesh. IN A"
  std::vector<std::string> answer;
  std::vector<std::string> authority;
  std::vector<std::string> additional;
  bool edns = false;
  unsigned edns_version = 0;
  unsigned extended_rcode = 0;  // the upper eight bits
  unsigned udp_size = 0;
  bool dnssec_ok = false;
  unsigned edns_unassigned_flags = 0;
  std::vector<unsigned> edns_options;  // codes in order
  std::optional<JudgedExtendedError> extended_error;
};

// Nullopt when ldns finds the message malformed.
[[nodiscard]] std::optional<JudgedMessage> judge(std::span<const std::uint8_t> message);

}  // namespace meshdns::support
