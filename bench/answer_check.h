// Judges one answer by the query that it belongs to, and keeps the count.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "bench/names_file.h"
#include "bench/query_stream.h"

namespace meshdns::bench {

enum class CheckDepth : std::uint8_t {
  kEcho,   // the query itself with QR set
  kShape,  // question, rcode, and whether there is an answer record
  kFull,   // also that record: owner, type, class, length and address
};

enum class Mistake : std::uint8_t {
  kNone,
  kNotAnswer,  // too short, QR not set, or not the question that was asked
  kWrongRcode,
  kMissingRecord,     // no answer where the name has an address
  kUnexpectedRecord,  // an answer where it has none
  kWrongRecord,       // owner, type, class or length
  kWrongAddress,
};
inline constexpr std::size_t kMistakes = 7;
[[nodiscard]] const char* to_string(Mistake mistake);

// What a query asked, as long as its answer is awaited.
struct AskedQuery {
  QueryKind kind = QueryKind::kA;
  std::uint32_t name = kNoName;
  std::span<const std::uint8_t> octets;  // as sent
};

// One thread. `names` may be null where no query has a name; it must outlive the check.
class AnswerCheck {
 public:
  AnswerCheck(CheckDepth depth, const NamesFile* names) : depth_(depth), names_(names) {}

  // `answer` has the id of `asked`; that was what it was found by.
  void judge(const AskedQuery& asked, std::span<const std::uint8_t> answer);

  [[nodiscard]] std::uint64_t answers() const { return answers_; }
  [[nodiscard]] std::uint64_t with_record() const { return with_record_; }
  [[nodiscard]] std::span<const std::uint64_t> rcodes() const { return rcodes_; }
  [[nodiscard]] std::span<const std::uint64_t> mistakes() const { return mistakes_; }
  // Up to ten, in words.
  [[nodiscard]] const std::vector<std::string>& examples() const { return examples_; }

 private:
  [[nodiscard]] Mistake find_mistake(const AskedQuery& asked,
                                     std::span<const std::uint8_t> answer) const;
  [[nodiscard]] ExpectedAddress expected(const AskedQuery& asked) const;

  CheckDepth depth_;
  const NamesFile* names_;
  std::uint64_t answers_ = 0;
  std::uint64_t with_record_ = 0;
  std::array<std::uint64_t, 16> rcodes_{};
  std::array<std::uint64_t, kMistakes> mistakes_{};
  std::vector<std::string> examples_;
};

}  // namespace meshdns::bench
