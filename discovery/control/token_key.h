// A key that tokens are signed with, or checked: RSA, for RS256 (RFC 7518 section 3.3), which is
// what Kuma signs its tokens with.
//
// A value that is cheap to copy and never changes. Thread-safe.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <openssl/types.h>

#include "base/result.h"

namespace meshdns::discovery {

class TokenKey {
 public:
  // A private or a public key as PEM. kInvalidArgument for what is neither, has a passphrase, or is
  // no RSA key of 2048 to 8192 bits.
  [[nodiscard]] static Result<TokenKey> parse(const std::string& pem);
  // A new one of 2048 bits. kInternal when OpenSSL has no randomness.
  [[nodiscard]] static Result<TokenKey> generate();

  // What tokens name it by (`kid`): it follows from the public half, so that both halves have the
  // same wherever they are.
  [[nodiscard]] const std::string& id() const { return id_; }
  [[nodiscard]] bool is_private() const { return is_private_; }
  [[nodiscard]] Result<std::string> private_pem() const;
  [[nodiscard]] Result<std::string> public_pem() const;

  // The octets of a signature. kInvalidArgument without the private half.
  [[nodiscard]] Result<std::string> sign(std::string_view text) const;
  [[nodiscard]] bool verify(std::string_view text, std::string_view signature) const;

 private:
  explicit TokenKey(std::shared_ptr<EVP_PKEY> key, bool is_private);

  std::shared_ptr<EVP_PKEY> key_;
  bool is_private_;
  std::string id_;
};

}  // namespace meshdns::discovery
