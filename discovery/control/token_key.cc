#include "discovery/control/token_key.h"

#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/types.h>
#include <openssl/x509.h>

#include "base/result.h"
#include "discovery/control/base64url.h"

namespace meshdns::discovery {
namespace {

constexpr int kBits = 2048;
constexpr int kMaxBits = 8192;  // a check takes as long as a key is long
constexpr std::size_t kIdOctets = 12;

template <auto kFree>
struct Freer {
  template <typename T>
  void operator()(T* object) const {
    kFree(object);
  }
};
using BioPtr = std::unique_ptr<BIO, Freer<BIO_free_all>>;
using DigestPtr = std::unique_ptr<EVP_MD_CTX, Freer<EVP_MD_CTX_free>>;

// Nobody is asked for a passphrase.
int no_passphrase(char* /*buffer*/, int /*size*/, int /*writing*/, void* /*data*/) { return 0; }

const unsigned char* octets_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());  // NOLINT(*-cast): OpenSSL's name
}
unsigned char* octets_of(std::string& text) {
  return reinterpret_cast<unsigned char*>(text.data());  // NOLINT(*-cast): for the same bytes
}

BioPtr reader_of(const std::string& text) {
  return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

std::string text_in(BIO* memory) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(memory, &data);  // NOLINT(*-cast): a macro of OpenSSL's
  return {data, static_cast<std::size_t>(size)};
}

// The start of the digest of the public half in DER (SubjectPublicKeyInfo).
std::string id_of(EVP_PKEY* key) {
  const int size = i2d_PUBKEY(key, nullptr);
  if (size <= 0) {
    return {};
  }
  std::string encoded(static_cast<std::size_t>(size), '\0');
  unsigned char* end = octets_of(encoded);
  i2d_PUBKEY(key, &end);
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int length = 0;
  EVP_Digest(encoded.data(), encoded.size(), digest.data(), &length, EVP_sha256(), nullptr);
  // Octets as characters: the same bytes under the name an encoder gives them.
  const auto* const start = reinterpret_cast<const char*>(digest.data());  // NOLINT(*-cast)
  return encode_base64url(std::string_view(start, kIdOctets));
}

}  // namespace

TokenKey::TokenKey(std::shared_ptr<EVP_PKEY> key, bool is_private)
    : key_(std::move(key)), is_private_(is_private), id_(id_of(key_.get())) {}

Result<TokenKey> TokenKey::parse(const std::string& pem) {
  EVP_PKEY* key = PEM_read_bio_PrivateKey(reader_of(pem).get(), nullptr, no_passphrase, nullptr);
  const bool is_private = key != nullptr;
  if (key == nullptr) {
    key = PEM_read_bio_PUBKEY(reader_of(pem).get(), nullptr, no_passphrase, nullptr);
  }
  ERR_clear_error();
  const std::shared_ptr<EVP_PKEY> owned(key, EVP_PKEY_free);
  if (key == nullptr) {
    return fail(ErrorCode::kInvalidArgument,
                "holds no key that can be read (it is to be in PEM form, without a passphrase)");
  }
  const int bits = EVP_PKEY_get_bits(key);
  if (EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA || bits < kBits || bits > kMaxBits) {
    return fail(ErrorCode::kInvalidArgument, "holds no RSA key of 2048 to 8192 bits");
  }
  return TokenKey(owned, is_private);
}

Result<TokenKey> TokenKey::generate() {
  const std::shared_ptr<EVP_PKEY> key(EVP_RSA_gen(kBits), EVP_PKEY_free);
  ERR_clear_error();
  if (key == nullptr) {
    return fail(ErrorCode::kInternal, "OpenSSL makes no key");
  }
  return TokenKey(key, true);
}

Result<std::string> TokenKey::private_pem() const {
  const BioPtr memory(BIO_new(BIO_s_mem()));
  if (!is_private_ || PEM_write_bio_PrivateKey(memory.get(), key_.get(), nullptr, nullptr, 0,
                                               nullptr, nullptr) != 1) {
    return fail(ErrorCode::kInternal, "a key cannot be written");
  }
  return text_in(memory.get());
}

Result<std::string> TokenKey::public_pem() const {
  const BioPtr memory(BIO_new(BIO_s_mem()));
  if (PEM_write_bio_PUBKEY(memory.get(), key_.get()) != 1) {
    return fail(ErrorCode::kInternal, "a key cannot be written");
  }
  return text_in(memory.get());
}

Result<std::string> TokenKey::sign(std::string_view text) const {
  if (!is_private_) {
    return fail(ErrorCode::kInvalidArgument, "a public key signs nothing");
  }
  const DigestPtr digest(EVP_MD_CTX_new());
  std::string signature(static_cast<std::size_t>(EVP_PKEY_get_size(key_.get())), '\0');
  std::size_t size = signature.size();
  const bool is_signed =
      EVP_DigestSignInit(digest.get(), nullptr, EVP_sha256(), nullptr, key_.get()) == 1 &&
      EVP_DigestSign(digest.get(), octets_of(signature), &size, octets_of(text), text.size()) == 1;
  ERR_clear_error();
  if (!is_signed) {
    return fail(ErrorCode::kInternal, "OpenSSL does not sign");
  }
  signature.resize(size);
  return signature;
}

bool TokenKey::verify(std::string_view text, std::string_view signature) const {
  const DigestPtr digest(EVP_MD_CTX_new());
  const bool is_good =
      EVP_DigestVerifyInit(digest.get(), nullptr, EVP_sha256(), nullptr, key_.get()) == 1 &&
      EVP_DigestVerify(digest.get(), octets_of(signature), signature.size(), octets_of(text),
                       text.size()) == 1;
  ERR_clear_error();
  return is_good;
}

}  // namespace meshdns::discovery
