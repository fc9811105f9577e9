#include "resolver/wire/name.h"

#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace meshdns::dns {
namespace {

constexpr std::uint8_t kFoldBit = 0x20;  // between 'A' and 'a'

constexpr std::uint8_t fold(std::uint8_t octet) {
  return octet >= 'A' && octet <= 'Z' ? octet | kFoldBit : octet;
}

// Eight octets at once: in each, the top bit of `at_least_a` says >= 'A' and of `above_z` says >
// 'Z' for its low seven bits; octets above 127 are left alone.
constexpr std::uint64_t fold_word(std::uint64_t word) {
  constexpr std::uint64_t kOnes = 0x0101010101010101U;
  constexpr std::uint64_t kTop = 0x80 * kOnes;
  const std::uint64_t low = word & ~kTop;
  const std::uint64_t at_least_a = low + (0x80U - 'A') * kOnes;
  const std::uint64_t above_z = low + (0x7fU - 'Z') * kOnes;
  const std::uint64_t upper = (at_least_a ^ above_z) & ~word & kTop;
  return word | (upper >> 2U);
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// One octet of presentation form, with its escape; moves `at` past it.
std::optional<std::uint8_t> read_escaped(std::string_view text, std::size_t& at) {
  const char first = text[at++];
  if (first != '\\') {
    return static_cast<std::uint8_t>(first);
  }
  if (at >= text.size()) {
    return std::nullopt;
  }
  if (!is_digit(text[at])) {
    return static_cast<std::uint8_t>(text[at++]);
  }
  if (text.size() - at < 3 || !is_digit(text[at + 1]) || !is_digit(text[at + 2])) {
    return std::nullopt;
  }
  const int value = (text[at] - '0') * 100 + (text[at + 1] - '0') * 10 + (text[at + 2] - '0');
  at += 3;
  if (value > 255) {
    return std::nullopt;
  }
  return static_cast<std::uint8_t>(value);
}

void append_escaped(std::string& text, std::uint8_t octet) {
  constexpr std::string_view kSpecial = ".\\\"();@$";
  if (octet <= ' ' || octet > '~') {
    text += '\\';
    text += static_cast<char>('0' + octet / 100);
    text += static_cast<char>('0' + octet / 10 % 10);
    text += static_cast<char>('0' + octet % 10);
    return;
  }
  if (kSpecial.find(static_cast<char>(octet)) != std::string_view::npos) {
    text += '\\';
  }
  text += static_cast<char>(octet);
}

}  // namespace

void fold_octets(const std::uint8_t* source, std::uint8_t* target, std::size_t size) {
  std::size_t at = 0;
  for (; at + sizeof(std::uint64_t) <= size; at += sizeof(std::uint64_t)) {
    std::uint64_t word = 0;
    std::memcpy(&word, source + at, sizeof(word));
    word = fold_word(word);
    std::memcpy(target + at, &word, sizeof(word));
  }
  for (; at < size; ++at) {
    target[at] = fold(source[at]);
  }
}

std::size_t NameView::label_count() const {
  std::size_t count = 0;
  for (std::size_t at = 0; octets_[at] != 0; at += octets_[at] + 1U) {
    ++count;
  }
  return count;
}

std::span<const std::uint8_t> NameView::first_label() const {
  return octets_.subspan(1, is_root() ? 0 : octets_[0]);
}

NameView NameView::parent() const {
  return is_root() ? *this : NameView(octets_.subspan(octets_[0] + 1U));
}

bool NameView::is_within(NameView zone) const {
  std::size_t at = 0;
  while (octets_.size() - at > zone.size()) {
    at += octets_[at] + 1U;
  }
  return octets_.size() - at == zone.size() &&
         NameView(octets_.subspan(at)).equals_ignoring_case(zone);
}

bool NameView::equals_ignoring_case(NameView other) const {
  if (size() != other.size()) {
    return false;
  }
  const std::uint8_t* const ours = octets_.data();
  const std::uint8_t* const theirs = other.octets_.data();
  std::size_t at = 0;
  for (; at + sizeof(std::uint64_t) <= size(); at += sizeof(std::uint64_t)) {
    std::uint64_t a = 0;
    std::uint64_t b = 0;
    std::memcpy(&a, ours + at, sizeof a);
    std::memcpy(&b, theirs + at, sizeof b);
    if (a != b && fold_word(a) != fold_word(b)) {
      return false;
    }
  }
  for (; at < size(); ++at) {
    if (fold(ours[at]) != fold(theirs[at])) {
      return false;
    }
  }
  return true;
}

std::string NameView::to_text() const {
  if (is_root()) {
    return ".";
  }
  std::string text;
  text.reserve(octets_.size());
  for (NameView rest = *this; !rest.is_root(); rest = rest.parent()) {
    for (const std::uint8_t octet : rest.first_label()) {
      append_escaped(text, octet);
    }
    text += '.';
  }
  return text;
}

bool operator==(NameView a, NameView b) {
  return a.octets_.size() == b.octets_.size() &&
         std::memcmp(a.octets_.data(), b.octets_.data(), a.octets_.size()) == 0;
}

std::optional<Name> Name::from_text(std::string_view text) {
  if (text.empty()) {
    return std::nullopt;
  }
  Name name;
  if (text == ".") {
    return name;
  }
  std::array<std::uint8_t, kMaxLabelOctets> label{};
  std::size_t size = 0;
  for (std::size_t at = 0; at < text.size();) {
    if (text[at] == '.') {
      if (!name.append_label(std::span(label).first(size))) {
        return std::nullopt;
      }
      size = 0;
      ++at;
      continue;
    }
    const auto octet = read_escaped(text, at);
    if (!octet || size == label.size()) {
      return std::nullopt;
    }
    label.at(size++) = *octet;
  }
  // Without a final dot the last label is still in hand.
  if (size > 0 && !name.append_label(std::span(label).first(size))) {
    return std::nullopt;
  }
  return name;
}

std::optional<Name> Name::from_wire(std::span<const std::uint8_t> octets) {
  if (octets.empty() || octets.size() > kMaxNameOctets) {
    return std::nullopt;
  }
  std::size_t at = 0;
  while (at < octets.size() && octets[at] != 0) {
    if (octets[at] > kMaxLabelOctets) {
      return std::nullopt;
    }
    at += octets[at] + 1U;
  }
  if (at + 1 != octets.size()) {
    return std::nullopt;
  }
  Name name;
  name.assign(NameView(octets));
  return name;
}

void Name::assign(NameView name) {
  size_ = static_cast<std::uint8_t>(name.size());
  std::memmove(octets_.data(), name.octets().data(), size_);
}

void Name::assign_folded(NameView name) {
  size_ = static_cast<std::uint8_t>(name.size());
  fold_octets(name.octets().data(), octets_.data(), size_);
}

bool Name::append_label(std::span<const std::uint8_t> label) {
  if (label.empty() || label.size() > kMaxLabelOctets ||
      size_ + label.size() + 1 > kMaxNameOctets) {
    return false;
  }
  octets_.at(size_ - 1U) = static_cast<std::uint8_t>(label.size());
  std::memcpy(octets_.data() + size_, label.data(), label.size());
  size_ = static_cast<std::uint8_t>(size_ + label.size() + 1);
  octets_.at(size_ - 1U) = 0;
  return true;
}

bool Name::append_labels(std::span<const std::uint8_t> labels) {
  if (size_ + labels.size() > kMaxNameOctets) {
    return false;
  }
  if (!labels.empty()) {
    std::memcpy(octets_.data() + size_ - 1, labels.data(), labels.size());
    size_ = static_cast<std::uint8_t>(size_ + labels.size());
    octets_.at(size_ - 1U) = 0;
  }
  return true;
}

}  // namespace meshdns::dns
