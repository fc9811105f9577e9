#include "resolver/app/spelling.h"

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace meshdns::dns {
namespace {

// A word of so many octets for each slip that is forgiven, but always one and never more than
// three: with more, every word is near some other.
constexpr std::size_t kOctetsPerSlip = 3;
constexpr std::size_t kMaxSlips = 3;
// Longer words are no slip of a known one, and the table grows with the product of the lengths.
constexpr std::size_t kMaxWord = 64;

// How many slips turn one word into the other (optimal string alignment).
std::size_t count_slips(std::string_view from, std::string_view to) {
  std::vector<std::size_t> before;  // the row two above
  std::vector<std::size_t> above(to.size() + 1);
  for (std::size_t i = 0; i < above.size(); ++i) {
    above[i] = i;
  }
  for (std::size_t i = 0; i < from.size(); ++i) {
    std::vector<std::size_t> row{i + 1};
    for (std::size_t j = 0; j < to.size(); ++j) {
      const std::size_t replace = above[j] + (from[i] == to[j] ? 0 : 1);
      row.push_back(std::min({replace, row[j] + 1, above[j + 1] + 1}));
      if (i > 0 && j > 0 && from[i] == to[j - 1] && from[i - 1] == to[j]) {
        row.back() = std::min(row.back(), before[j - 1] + 1);
      }
    }
    before = std::exchange(above, std::move(row));
  }
  return above.back();
}

std::string_view last_part(std::string_view word) { return word.substr(word.rfind('.') + 1); }

std::size_t slips_forgiven(std::string_view word) {
  return std::clamp(word.size() / kOctetsPerSlip, std::size_t{1}, kMaxSlips);
}

}  // namespace

std::string nearest_word(std::string_view word, std::span<const std::string_view> words) {
  if (word.empty() || word.size() > kMaxWord) {
    return {};
  }
  std::string_view best;
  auto best_slips = std::pair(kMaxSlips + 1, kMaxSlips + 1);
  for (const std::string_view candidate : words) {
    const std::size_t whole = count_slips(word, candidate);
    const std::size_t part = count_slips(last_part(word), last_part(candidate));
    const bool near =
        whole <= slips_forgiven(candidate) || part <= slips_forgiven(last_part(candidate)) - 1;
    const auto slips = std::pair(std::min(whole, part), whole);
    if (near && slips < best_slips) {
      best = candidate;
      best_slips = slips;
    }
  }
  return std::string(best);
}

std::string suggestion(std::string_view word, std::span<const std::string_view> words,
                       std::string_view otherwise) {
  const std::string near = nearest_word(word, words);
  return near.empty() ? fmt::format(" ({})", otherwise) : fmt::format(" (did you mean {}?)", near);
}

}  // namespace meshdns::dns
