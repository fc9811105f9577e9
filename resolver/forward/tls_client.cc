#include "resolver/forward/tls_client.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/system/error_code.hpp>
#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>

#include "base/file_system.h"
#include "base/log.h"
#include "base/result.h"

namespace meshdns::dns {
namespace {

constexpr std::string_view kPinPrefix = "sha256/";
constexpr std::size_t kBase64Octets = 44;  // of 32 octets, with one '=' at the end
constexpr std::size_t kMaxAuthoritiesBytes = std::size_t{8} << 20U;  // a system's take 200 KiB

Result<void> add_authorities(boost::asio::ssl::context& context, const std::string& path) {
  boost::system::error_code error;
  if (path.empty()) {
    context.set_default_verify_paths(error);
  } else {
    // Not by OpenSSL, which waits for the writer of a FIFO.
    PosixFileSystem files;
    const auto text = read_file(files, path, kMaxAuthoritiesBytes);
    if (!text) {
      return tl::unexpected(text.error());
    }
    context.add_certificate_authority(boost::asio::buffer(*text), error);
  }
  if (error) {
    return fail(ErrorCode::kIo, fmt::format("{}: no certificate authorities can be read there: {}",
                                            path, error.message()));
  }
  return {};
}

}  // namespace

TlsClient::TlsClient(Options options)
    : options_(std::move(options)),
      context_(std::make_unique<boost::asio::ssl::context>(boost::asio::ssl::context::tls_client)) {
}

TlsClient::~TlsClient() = default;

Result<std::shared_ptr<const TlsClient>> TlsClient::create(const Options& options) {
  if (options.name.empty() && options.pins.empty()) {
    return fail(ErrorCode::kInvalidArgument,
                "a server over TLS needs a name or a pin to be known by");
  }
  // NOLINTNEXTLINE(cppcoreguidelines-owning-memory): the constructor is private
  std::shared_ptr<TlsClient> client(new TlsClient(options));
  SSL_CTX* const native = client->context_->native_handle();
  SSL_CTX_set_min_proto_version(native, TLS1_2_VERSION);  // RFC 8310 section 9
  if (auto added = add_authorities(*client->context_, options.ca_file); !added) {
    return tl::unexpected(std::move(added.error()));
  }
  // Without a name, whose certificate it is does not matter: the pins are checked afterwards.
  SSL_CTX_set_verify(native, options.name.empty() ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_session_cache_mode(native, SSL_SESS_CACHE_OFF);
  return client;
}

void TlsClient::prepare(SSL* ssl) const {
  if (!options_.name.empty()) {
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    SSL_set1_host(ssl, options_.name.c_str());
    std::string name = options_.name;  // what SSL_set_tlsext_host_name() does, without its cast
    SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, name.data());
  }
}

std::string TlsClient::objection(const SSL* ssl) const {
  if (const long verified = SSL_get_verify_result(ssl);
      !options_.name.empty() && verified != X509_V_OK) {
    return fmt::format("its certificate is not to be trusted as {}: {}", escape_name(options_.name),
                       X509_verify_cert_error_string(verified));
  }
  if (options_.pins.empty()) {
    return {};
  }
  const X509* const certificate = SSL_get0_peer_certificate(ssl);
  if (certificate == nullptr) {
    return "it has no certificate";
  }
  // i2d_X509_PUBKEY allocates what it is given null for.
  unsigned char* encoded = nullptr;
  const int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &encoded);
  if (size <= 0) {
    return "its key cannot be read";
  }
  Pin digest{};
  const bool hashed = EVP_Digest(encoded, static_cast<std::size_t>(size), digest.data(), nullptr,
                                 EVP_sha256(), nullptr) == 1;
  OPENSSL_free(encoded);
  if (!hashed || std::ranges::find(options_.pins, digest) == options_.pins.end()) {
    return "its key is none of the pinned ones";
  }
  return {};
}

Result<TlsClient::Pin> parse_pin(const std::string& text) {
  const auto refuse = [&] {
    return fail(
        ErrorCode::kInvalidArgument,
        fmt::format("'{}' is no pin (write sha256/ and 32 octets in base64)", escape_name(text)));
  };
  if (!text.starts_with(kPinPrefix) || text.size() != kPinPrefix.size() + kBase64Octets ||
      !text.ends_with('=') || text[text.size() - 2] == '=') {
    return refuse();
  }
  std::array<std::uint8_t, kBase64Octets> octets{};
  std::array<std::uint8_t, kBase64Octets / 4 * 3> decoded{};
  std::ranges::transform(std::string_view(text).substr(kPinPrefix.size()), octets.begin(),
                         [](char c) { return static_cast<std::uint8_t>(c); });
  if (EVP_DecodeBlock(decoded.data(), octets.data(), static_cast<int>(octets.size())) < 0) {
    return refuse();
  }
  TlsClient::Pin pin{};
  std::copy_n(decoded.begin(), pin.size(), pin.begin());
  return pin;
}

std::string print_pin(const TlsClient::Pin& pin) {
  std::array<std::uint8_t, kBase64Octets + 1> encoded{};  // and a zero octet
  EVP_EncodeBlock(encoded.data(), pin.data(), static_cast<int>(pin.size()));
  std::string text(kPinPrefix);
  std::transform(encoded.begin(), encoded.end() - 1, std::back_inserter(text),
                 [](std::uint8_t octet) { return static_cast<char>(octet); });
  return text;
}

}  // namespace meshdns::dns
