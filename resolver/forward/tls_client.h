// TlsClient: how an upstream server proves over TLS that it is the one that is meant (RFC 7858,
// RFC 8310).
//
// Immutable; any thread. Nothing is ever asked of a server that has not proven it: there is no
// opportunistic profile.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <openssl/types.h>

#include "base/result.h"

namespace boost::asio::ssl {
class context;  // NOLINT(readability-identifier-naming): Asio's
}

namespace meshdns::dns {

class TlsClient {
 public:
  // SHA-256 of a SubjectPublicKeyInfo (RFC 7858 section 4.2).
  using Pin = std::array<std::uint8_t, 32>;
  struct Options {
    // The authentication domain name, which the certificate must be for (RFC 8310 section 8.1).
    // Empty: the pins alone decide.
    std::string name;
    std::vector<Pin> pins;  // the server's key must be one of them, if there are any
    std::string ca_file;    // PEM; empty: the system's authorities

    friend bool operator==(const Options&, const Options&) = default;
  };

  // kInvalidArgument without name and pins; as read_file() or kIo when the file cannot be used.
  [[nodiscard]] static Result<std::shared_ptr<const TlsClient>> create(const Options& options);
  TlsClient(const TlsClient&) = delete;
  TlsClient& operator=(const TlsClient&) = delete;
  ~TlsClient();

  [[nodiscard]] boost::asio::ssl::context& context() const { return *context_; }
  // Sets up a new connection, before its handshake.
  void prepare(SSL* ssl) const;
  // After the handshake: empty when the server is the one that is meant, else why not.
  [[nodiscard]] std::string objection(const SSL* ssl) const;

 private:
  explicit TlsClient(Options options);

  Options options_;
  std::unique_ptr<boost::asio::ssl::context> context_;
};

// "sha256/BASE64" of 32 octets, as `openssl dgst -sha256 -binary | base64` makes them.
[[nodiscard]] Result<TlsClient::Pin> parse_pin(const std::string& text);
[[nodiscard]] std::string print_pin(const TlsClient::Pin& pin);

}  // namespace meshdns::dns
