#include "bench/answer_check.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include <fmt/format.h>

#include "bench/names_file.h"
#include "bench/query_stream.h"

namespace meshdns::bench {
namespace {

using Octets = std::span<const std::uint8_t>;

// RFC 1035 §4.1.1
constexpr std::size_t kHeaderOctets = 12;
constexpr std::size_t kFlagsOffset = 2;
constexpr std::size_t kRcodeOffset = 3;
constexpr std::size_t kAnswerCountOffset = 6;
constexpr std::uint8_t kQr = 0x80;
constexpr std::uint8_t kRcodeMask = 0x0f;
constexpr std::uint8_t kRcodeNoerror = 0;
constexpr std::uint8_t kRcodeNxdomain = 3;

std::uint16_t read_u16(Octets octets, std::size_t offset) {
  return static_cast<std::uint16_t>(octets[offset] << 8U | octets[offset + 1]);
}

// The end of the one question: name, type and class.
std::size_t question_end(Octets query) {
  std::size_t offset = kHeaderOctets;
  while (query[offset] != 0) {
    offset += query[offset] + std::size_t{1};
  }
  return offset + 1 + 4;
}

// The first answer record, behind the question, must be the asked name's. Servers compress its
// owner to a pointer to the question or repeat the name.
Mistake check_record(Octets query, std::size_t question, Octets answer,
                     const ExpectedAddress& expected) {
  const Octets name = query.subspan(kHeaderOctets, question - 4 - kHeaderOctets);
  Octets rest = answer.subspan(question);
  if (rest.size() >= 2 && rest[0] == 0xc0 && rest[1] == kHeaderOctets) {
    rest = rest.subspan(2);
  } else if (rest.size() >= name.size() && std::ranges::equal(rest.first(name.size()), name)) {
    rest = rest.subspan(name.size());
  } else {
    return Mistake::kWrongRecord;
  }
  const std::uint16_t type = read_u16(query, question - 4);
  const std::size_t length = type == 1 ? 4 : 16;
  // Type, class, TTL and length: RFC 1035 §4.1.3.
  if (rest.size() < 10 + length || read_u16(rest, 0) != type || read_u16(rest, 2) != 1 ||
      read_u16(rest, 8) != length) {
    return Mistake::kWrongRecord;
  }
  if (expected.rule == ExpectedAddress::Rule::kExactly &&
      !std::ranges::equal(rest.subspan(10, length), expected.address.octets())) {
    return Mistake::kWrongAddress;
  }
  return Mistake::kNone;
}

std::string question_text(Octets query) {
  std::string text;
  for (std::size_t offset = kHeaderOctets; query[offset] != 0;) {
    const std::size_t length = query[offset];
    for (const std::uint8_t octet : query.subspan(offset + 1, length)) {
      text += static_cast<char>(octet);
    }
    text += '.';
    offset += length + 1;
  }
  return fmt::format("{} type {}", text, read_u16(query, question_end(query) - 4));
}

}  // namespace

const char* to_string(Mistake mistake) {
  switch (mistake) {
    case Mistake::kNone:
      return "none";
    case Mistake::kNotAnswer:
      return "not an answer to the question";
    case Mistake::kWrongRcode:
      return "wrong rcode";
    case Mistake::kMissingRecord:
      return "no answer record";
    case Mistake::kUnexpectedRecord:
      return "an answer record where there is none";
    case Mistake::kWrongRecord:
      return "wrong answer record";
    case Mistake::kWrongAddress:
      return "wrong address";
  }
  return "";
}

void AnswerCheck::judge(const AskedQuery& asked, Octets answer) {
  ++answers_;
  const bool has_header = answer.size() >= kHeaderOctets;
  if (has_header) {
    ++rcodes_.at(answer[kRcodeOffset] & kRcodeMask);
    with_record_ += read_u16(answer, kAnswerCountOffset) > 0 ? 1U : 0U;
  }
  const Mistake mistake = has_header ? find_mistake(asked, answer) : Mistake::kNotAnswer;
  ++mistakes_.at(static_cast<std::size_t>(mistake));
  if (mistake != Mistake::kNone && examples_.size() < 10) {
    const int rcode = has_header ? answer[kRcodeOffset] & kRcodeMask : -1;
    examples_.push_back(fmt::format("{}: {} (rcode {}, {} octets)", question_text(asked.octets),
                                    to_string(mistake), rcode, answer.size()));
  }
}

Mistake AnswerCheck::find_mistake(const AskedQuery& asked, Octets answer) const {
  const Octets query = asked.octets;
  const std::size_t question = question_end(query);
  const std::size_t same = depth_ == CheckDepth::kEcho ? query.size() : question;
  if (answer.size() < same || (answer[kFlagsOffset] & kQr) == 0 ||
      !std::ranges::equal(answer.subspan(kHeaderOctets, same - kHeaderOctets),
                          query.subspan(kHeaderOctets, same - kHeaderOctets))) {
    return Mistake::kNotAnswer;
  }
  if (depth_ == CheckDepth::kEcho) {
    return answer.size() == query.size() ? Mistake::kNone : Mistake::kNotAnswer;
  }
  const std::uint8_t rcode = asked.kind == QueryKind::kNxdomain ? kRcodeNxdomain : kRcodeNoerror;
  if ((answer[kRcodeOffset] & kRcodeMask) != rcode) {
    return Mistake::kWrongRcode;
  }
  const ExpectedAddress address = expected(asked);
  const bool has_record = read_u16(answer, kAnswerCountOffset) > 0;
  if (address.rule == ExpectedAddress::Rule::kNone) {
    return has_record ? Mistake::kUnexpectedRecord : Mistake::kNone;
  }
  if (!has_record) {
    return Mistake::kMissingRecord;
  }
  return depth_ == CheckDepth::kFull ? check_record(query, question, answer, address)
                                     : Mistake::kNone;
}

ExpectedAddress AnswerCheck::expected(const AskedQuery& asked) const {
  using Rule = ExpectedAddress::Rule;
  if (asked.kind == QueryKind::kNxdomain || asked.kind == QueryKind::kNodata) {
    return {.rule = Rule::kNone, .address = {}};
  }
  if (asked.name == kNoName || names_ == nullptr) {
    return {.rule = Rule::kAny, .address = {}};
  }
  const BenchName& name = names_->present.at(asked.name);
  return asked.kind == QueryKind::kA ? name.ipv4 : name.ipv6;
}

}  // namespace meshdns::bench
