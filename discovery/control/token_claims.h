// What a token says of its holder, as Kuma's tokens of Dataplanes say it, in JSON.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/wall_clock.h"

namespace meshdns::discovery {

struct TokenClaims {
  std::string id;                    // `jti`: what it is revoked by
  std::string mesh;                  // `Mesh`
  std::string name{};                // `Name`, of the Dataplane; empty: any of the mesh
  std::vector<std::string> zones{};  // `Tags`, `kuma.io/zone`; empty: any
  WallTime issued{};                 // `iat`
  WallTime not_before{};             // `nbf`
  WallTime expires{};                // `exp`: from then on it is no good

  friend bool operator==(const TokenClaims&, const TokenClaims&) = default;
};

// One to 128 printable ASCII characters without blanks, '#' not the first: a line of a file.
[[nodiscard]] bool is_token_id(std::string_view text);

[[nodiscard]] std::string print_claims(const TokenClaims& claims);

// kInvalidArgument, with what is wrong, for what is no such JSON: it needs `jti`, `Mesh` and `exp`,
// and `iat` and `nbf` are times if they are there. What would narrow a token in a way that is not
// checked here (other tags, a workload, another type) is refused, so that no token is good for more
// than whoever issued it meant; other claims are passed over.
[[nodiscard]] Result<TokenClaims> parse_claims(std::string_view json);

}  // namespace meshdns::discovery
