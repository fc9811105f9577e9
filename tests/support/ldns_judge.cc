#include "tests/support/ldns_judge.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "resolver/app/ldns.h"  // IWYU pragma: keep

namespace meshdns::support {
namespace {

struct FreePacket {
  void operator()(ldns_pkt* packet) const { ldns_pkt_free(packet); }
};

struct FreeText {
  void operator()(char* text) const {
    std::free(text);  // NOLINT: ldns gives malloc'ed text
  }
};

// Tabs become blanks, the line's end goes.
std::string tidy(char* owned) {
  const std::unique_ptr<char, FreeText> text(owned);
  std::string tidied;
  for (const char c : std::string(text.get())) {
    if (c != '\n') {
      tidied += c == '\t' ? ' ' : c;
    }
  }
  while (!tidied.empty() && tidied.back() == ' ') {
    tidied.pop_back();
  }
  return tidied;
}

std::vector<std::string> records(const ldns_rr_list* list, bool question) {
  std::vector<std::string> lines;
  for (std::size_t i = 0; i < ldns_rr_list_rr_count(list); ++i) {
    const ldns_rr* const record = ldns_rr_list_rr(list, i);
    if (!question) {
      lines.push_back(tidy(ldns_rr2str(record)));
      continue;
    }
    std::string line = tidy(ldns_rdf2str(ldns_rr_owner(record)));
    line += " " + tidy(ldns_rr_class2str(ldns_rr_get_class(record)));
    line += " " + tidy(ldns_rr_type2str(ldns_rr_get_type(record)));
    lines.push_back(line);
  }
  return lines;
}

unsigned u16(std::span<const std::uint8_t> octets, std::size_t at) {
  return static_cast<unsigned>(octets[at] << 8U | octets[at + 1]);
}

// False when the options do not fill their space exactly.
bool read_options(const ldns_rdf* data, JudgedMessage& judged) {
  if (data == nullptr) {
    return true;
  }
  std::span<const std::uint8_t> rest(ldns_rdf_data(data), ldns_rdf_size(data));
  while (!rest.empty()) {
    if (rest.size() < 4 || rest.size() - 4 < u16(rest, 2)) {
      return false;
    }
    const auto value = rest.subspan(4, u16(rest, 2));
    judged.edns_options.push_back(u16(rest, 0));
    if (u16(rest, 0) == 15) {
      if (value.size() < 2) {
        return false;
      }
      judged.extended_error = {static_cast<std::uint16_t>(u16(value, 0)),
                               std::string(value.begin() + 2, value.end())};
    }
    rest = rest.subspan(4 + value.size());
  }
  return true;
}

}  // namespace

std::optional<JudgedMessage> judge(std::span<const std::uint8_t> message) {
  ldns_pkt* raw = nullptr;
  if (ldns_wire2pkt(&raw, message.data(), message.size()) != LDNS_STATUS_OK) {
    return std::nullopt;
  }
  const std::unique_ptr<ldns_pkt, FreePacket> packet(raw);
  JudgedMessage judged;
  judged.id = ldns_pkt_id(raw);
  judged.opcode = ldns_pkt_get_opcode(raw);
  judged.rcode = ldns_pkt_get_rcode(raw);
  judged.qr = ldns_pkt_qr(raw);
  judged.aa = ldns_pkt_aa(raw);
  judged.tc = ldns_pkt_tc(raw);
  judged.rd = ldns_pkt_rd(raw);
  judged.ra = ldns_pkt_ra(raw);
  judged.ad = ldns_pkt_ad(raw);
  judged.cd = ldns_pkt_cd(raw);
  judged.question = records(ldns_pkt_question(raw), true);
  judged.answer = records(ldns_pkt_answer(raw), false);
  judged.authority = records(ldns_pkt_authority(raw), false);
  judged.additional = records(ldns_pkt_additional(raw), false);
  judged.edns = ldns_pkt_edns(raw);
  if (judged.edns) {
    judged.edns_version = ldns_pkt_edns_version(raw);
    judged.extended_rcode = ldns_pkt_edns_extended_rcode(raw);
    judged.udp_size = ldns_pkt_edns_udp_size(raw);
    judged.dnssec_ok = ldns_pkt_edns_do(raw);
    judged.edns_unassigned_flags = ldns_pkt_edns_unassigned(raw);
    if (!read_options(ldns_pkt_edns_data(raw), judged)) {
      return std::nullopt;
    }
  }
  return judged;
}

}  // namespace meshdns::support
