// Numbers and strings as octets, for files of our own: little-endian, strings behind their size.
//
// Plain values without owner or thread. A reader never reads past its end: what is cut gives
// nothing, and everything after it too.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace meshdns {

template <std::unsigned_integral Number>
void append_number(std::string& out, Number value) {
  for (std::size_t i = 0; i < sizeof(Number); ++i) {
    out.push_back(static_cast<char>(static_cast<std::uint8_t>(value >> (8 * i))));
  }
}

// `Size` is the type of the number in front, which the text must fit.
template <std::unsigned_integral Size>
void append_text(std::string& out, std::string_view text) {
  append_number(out, static_cast<Size>(text.size()));
  out.append(text);
}

class OctetReader {
 public:
  explicit OctetReader(std::string_view octets) : rest_(octets) {}

  // False once something was cut.
  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] bool at_end() const { return rest_.empty(); }
  [[nodiscard]] std::size_t left() const { return rest_.size(); }

  // 0 when it is cut.
  template <std::unsigned_integral Number>
  [[nodiscard]] Number number() {
    const std::string_view octets = take(sizeof(Number));
    Number value = 0;
    for (std::size_t i = octets.size(); i > 0; --i) {
      value = static_cast<Number>((std::uint64_t{value} << 8U) |
                                  static_cast<std::uint8_t>(octets[i - 1]));
    }
    return value;
  }
  // Empty when it is cut.
  template <std::unsigned_integral Size>
  [[nodiscard]] std::string_view text() {
    return take(number<Size>());
  }
  [[nodiscard]] std::string_view take(std::size_t size) {
    if (!ok_ || size > rest_.size()) {
      ok_ = false;
      rest_ = {};
      return {};
    }
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace meshdns
