// Whatever comes as a token: one is taken only when the key has signed it, and then the same octets
// but one are not; what is said of a refusal is fit for a log; and claims that are read are what is
// written of them.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "discovery/control/base64url.h"
#include "discovery/control/json_web_token.h"
#include "discovery/control/token_claims.h"
#include "discovery/control/token_key.h"
#include "discovery/control/token_keys.h"
#include "fuzz/require.h"

namespace {

using namespace meshdns::discovery;

// Its other half has signed the corpus and is gone.
constexpr const char* kPublicKey = R"(-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAot9l06oXij25+bZZDuIR
6kkdontpVVnr6NhMBfsZEN6DozQKzhngBlEqK5SVJuHxT3Gqu69voYFrlE+s2Dh3
Fl/2///25+9jf3eqa7A7UCkJUw35ylSKNURo1FiCUIKHUHd8SCUJJP3xfMB/PyNp
nl5JDOcMcHxMG6byKO+pZBm65mBIavkUdgCw8FavLM1loJekUm8HFOHeatdGMqpQ
5k7JgdQEKrlMOROl8zrfLf2DkI5laxqMTWlUZ+h1+I19DJ9ha49/tWn18X3/+GDR
diYK5R4aNumTEul5V9aaDdXMCR9rDfQsWoZyEIizxqZ2ewyWY7fwV/gU97RFXKg3
mQIDAQAB
-----END PUBLIC KEY-----
)";

using meshdns::fuzz::require;

TokenKeys known_keys() {
  TokenKeys keys;
  keys.add("1.pub", TokenKey::parse(kPublicKey).value());
  return keys;
}

void check_reason(const std::string& reason) {
  require(!reason.empty(), "a refusal has a reason");
  for (const char c : reason) {
    require(c >= ' ' && c <= '~', "a reason is printable");
  }
}

void check_claims(std::string_view text) {
  const auto claims = parse_claims(text);
  if (!claims) {
    check_reason(claims.error().message);
    return;
  }
  const auto again = parse_claims(print_claims(*claims));
  require(again && *again == *claims, "claims are what is written of them");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const TokenKeys kKeys = known_keys();
  // Octets as characters, on the heap and of the exact size, so that every octet read past the end
  // is seen.
  const std::string text(reinterpret_cast<const char*>(data), size);  // NOLINT(*-cast)
  const auto opened = open_token(text, kKeys);
  if (opened) {
    check_claims(opened->claims);
    std::string changed = text;
    changed.back() = changed.back() == 'A' ? 'Q' : 'A';
    require(!open_token(changed, kKeys), "another signature is none");
  } else {
    check_reason(opened.error().message);
  }
  if (const auto octets = decode_base64url(text)) {
    require(encode_base64url(*octets) == text, "there is one text for each value");
    check_claims(*octets);
  }
  check_claims(text);
  return 0;
}
