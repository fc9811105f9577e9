// `meshdns-cp token`: issues tokens, revokes them, and changes the key that signs.
//
// Errors are "reason (what to do)".
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "base/result.h"
#include "base/wall_clock.h"
#include "discovery/control/token_claims.h"

namespace meshdns::discovery {

// "90s", "30m", "720h" or "30d": from a second to ten years.
[[nodiscard]] Result<std::chrono::seconds> parse_validity(const std::string& text);

struct TokenWish {
  std::string mesh{};
  std::string name{};                // empty: any of the mesh
  std::vector<std::string> zones{};  // empty: any
  std::string valid_for = "720h";
  std::string key_file{};  // empty: the newest key of the folder, made where there is none
};

struct IssuedToken {
  std::string text{};
  TokenClaims claims{};
};

// `folder` as TokenVerifier has it.
[[nodiscard]] Result<IssuedToken> issue_token(FileSystem& files, const std::string& folder,
                                              const WallClock& wall, const TokenWish& wish);

// From the moment that the running control plane has seen it, within seconds.
[[nodiscard]] Result<void> revoke_token(FileSystem& files, const std::string& folder,
                                        const std::string& id);

// Another key signs from now on; tokens of those before stay good. Its id.
[[nodiscard]] Result<std::string> rotate_token_key(FileSystem& files, const std::string& folder);

}  // namespace meshdns::discovery
