// A JSON Web Token in its compact form, HEADER.CLAIMS.SIGNATURE (RFC 7519, RFC 7515 section 3.1),
// signed with RS256: no other algorithm is taken, whatever a header says.
//
// Errors are phrases that never quote a token. Thread-safe.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.h"
#include "discovery/control/token_key.h"
#include "discovery/control/token_keys.h"

namespace meshdns::discovery {

// Beyond this no octet is looked at. gRPC takes 8 KiB of metadata in all.
inline constexpr std::size_t kMaxTokenOctets = 8192;

// `claims` as a token. Fails as TokenKey::sign() does.
[[nodiscard]] Result<std::string> sign_token(std::string_view claims, const TokenKey& key);

struct OpenedToken {
  std::string claims;  // as they are written
  std::string key;     // that signed it: its id
};

// A token that one of the keys has signed. kInvalidArgument for anything else.
[[nodiscard]] Result<OpenedToken> open_token(std::string_view token, const TokenKeys& keys);

}  // namespace meshdns::discovery
