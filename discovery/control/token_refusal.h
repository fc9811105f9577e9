// Why somebody is refused for a token.
#pragma once

#include <cstdint>
#include <string>

namespace meshdns::discovery {

struct TokenRefusal {
  enum class Reason : std::uint8_t {
    kMissing,  // no token, or more than one
    kInvalid,  // no token of ours
    kExpired,
    kEarly,  // not good yet
    kRevoked,
    kMesh,  // another one's
    kName,
    kZone,
  };
  Reason reason = Reason::kInvalid;
  std::string text{};  // a phrase for whoever is refused; it quotes no token
};

}  // namespace meshdns::discovery
