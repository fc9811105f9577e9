// How far the names that feeds told can be relied on. Hot path.
#pragma once

#include <cstdint>

namespace meshdns::dns {

struct Standing {
  enum class Age : std::uint8_t {
    kFresh,
    kStale,    // answered, and marked (RFC 8914 section 4.4)
    kExpired,  // not answered any more
  };
  Age age = Age::kFresh;
  // Whether a name that is not there does not exist. Else more was known once: it may.
  bool denies = true;

  // Whether answers are as they always are.
  [[nodiscard]] bool is_plain() const { return age == Age::kFresh && denies; }
  friend bool operator==(const Standing&, const Standing&) = default;
};

}  // namespace meshdns::dns
