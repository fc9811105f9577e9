#include "discovery/xds/tls_identity.h"

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/types.h>
#include <openssl/x509.h>

#include "base/file_system.h"
#include "base/log.h"
#include "base/refuse.h"
#include "base/result.h"
#include "base/wall_clock.h"

namespace meshdns::discovery {
namespace {

constexpr std::size_t kMaxFileBytes = 1UL << 20U;

template <auto kFree>
struct Freer {
  template <typename T>
  void operator()(T* object) const {
    kFree(object);
  }
};
using BioPtr = std::unique_ptr<BIO, Freer<BIO_free_all>>;
using X509Ptr = std::unique_ptr<X509, Freer<X509_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Freer<EVP_PKEY_free>>;
using ContextPtr = std::unique_ptr<SSL_CTX, Freer<SSL_CTX_free>>;
using TimePtr = std::unique_ptr<ASN1_TIME, Freer<ASN1_TIME_free>>;

// Nobody is asked for a passphrase.
int no_passphrase(char* /*buffer*/, int /*size*/, int /*writing*/, void* /*data*/) { return 0; }

BioPtr reader_of(const std::string& text) {
  return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

// All certificates of a text; none when there is none, or one does not parse.
std::vector<X509Ptr> certificates_in(const std::string& text) {
  const BioPtr reader = reader_of(text);
  std::vector<X509Ptr> certificates;
  while (X509* const next = PEM_read_bio_X509(reader.get(), nullptr, no_passphrase, nullptr)) {
    certificates.emplace_back(next);
  }
  const bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  ERR_clear_error();
  if (!at_end) {
    certificates.clear();
  }
  return certificates;
}

KeyPtr key_in(const std::string& text) {
  KeyPtr key(PEM_read_bio_PrivateKey(reader_of(text).get(), nullptr, no_passphrase, nullptr));
  ERR_clear_error();
  return key;
}

// What OpenSSL has against the two, in its words; empty: nothing.
std::string objection_to(const std::vector<X509Ptr>& chain, EVP_PKEY* key) {
  const ContextPtr context(SSL_CTX_new(TLS_method()));
  bool is_good = SSL_CTX_use_certificate(context.get(), chain.front().get()) == 1;
  for (std::size_t i = 1; is_good && i < chain.size(); ++i) {
    is_good = SSL_CTX_add1_chain_cert(context.get(), chain[i].get()) == 1;
  }
  is_good = is_good && SSL_CTX_use_PrivateKey(context.get(), key) == 1 &&
            SSL_CTX_check_private_key(context.get()) == 1;
  const char* const reason = ERR_reason_error_string(ERR_peek_last_error());
  ERR_clear_error();
  if (is_good) {
    return {};
  }
  return reason == nullptr ? "OpenSSL refuses it" : reason;
}

WallTime end_of(const X509* certificate) {
  const TimePtr epoch(ASN1_TIME_set(nullptr, 0));
  int days = 0;
  int seconds = 0;
  if (ASN1_TIME_diff(&days, &seconds, epoch.get(), X509_get0_notAfter(certificate)) != 1) {
    return {};
  }
  return WallTime(std::chrono::hours(24) * days + std::chrono::seconds(seconds));
}

Result<std::string> read_pem(FileSystem& files, const std::string& path,
                             std::string_view where_from) {
  auto text = read_file(files, path, kMaxFileBytes);
  if (!text) {
    return refuse(fmt::format("{} ({})", escape_text(text.error().message), where_from));
  }
  return text;
}

}  // namespace

Result<TlsIdentity> read_tls_identity(FileSystem& files, const std::string& certificate_file,
                                      const std::string& key_file) {
  auto certificate =
      read_pem(files, certificate_file, "write the path of a certificate in PEM form");
  if (!certificate) {
    return tl::unexpected(std::move(certificate.error()));
  }
  auto key = read_pem(files, key_file, "write the path of the certificate's key in PEM form");
  if (!key) {
    return tl::unexpected(std::move(key.error()));
  }
  const std::vector<X509Ptr> chain = certificates_in(*certificate);
  if (chain.empty()) {
    return refuse(fmt::format("{} holds no certificate that can be read (it is to be in PEM form)",
                              escape_text(certificate_file)));
  }
  const KeyPtr parsed_key = key_in(*key);
  if (parsed_key == nullptr) {
    return refuse(
        fmt::format("{} holds no key that can be read (it is to be in PEM form, without "
                    "a passphrase)",
                    escape_text(key_file)));
  }
  if (const std::string objection = objection_to(chain, parsed_key.get()); !objection.empty()) {
    return refuse(fmt::format("{} does not go with {}: {} (write a certificate and its own key)",
                              escape_text(key_file), escape_text(certificate_file),
                              escape_text(objection)));
  }
  return TlsIdentity{.certificate = *std::move(certificate),
                     .key = *std::move(key),
                     .not_after = end_of(chain.front().get())};
}

Result<std::string> read_authorities(FileSystem& files, const std::string& path,
                                     std::string_view where_from) {
  auto text = read_pem(files, path, where_from);
  if (text && certificates_in(*text).empty()) {
    return refuse(fmt::format("{} holds no certificate that can be read (it is to be in PEM form)",
                              escape_text(path)));
  }
  return text;
}

}  // namespace meshdns::discovery
