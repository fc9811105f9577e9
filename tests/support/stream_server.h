// A name server on one TCP or TLS port whose every reply, and the end of every connection, the test
// decides. Each connection has a thread of its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <openssl/types.h>

#include "base/ip_address.h"
#include "base/unique_fd.h"

namespace meshdns::support {

class StreamServer {
 public:
  using Message = std::vector<std::uint8_t>;
  struct Question {
    std::size_t connection = 0;  // 0 is the first that was accepted
    std::size_t number = 0;      // on its connection, from 0
    Message octets;
  };
  struct Reaction {
    std::vector<Message> replies{};  // sent at once, in order
    bool close = false;              // afterwards
  };
  using Script = std::function<Reaction(const Question&)>;

  struct Certificate {
    std::string name;
    std::string pem;                // of the certificate, which is its own authority
    std::string private_key;        // PEM
    std::vector<std::uint8_t> pin;  // SHA-256 of its key
  };
  // A certificate for `name` alone, valid now.
  [[nodiscard]] static Certificate make_certificate(const std::string& name);

  // `certificate` is null for plain TCP; it is copied.
  explicit StreamServer(Script script, const Certificate* certificate = nullptr);
  StreamServer(const StreamServer&) = delete;
  StreamServer& operator=(const StreamServer&) = delete;
  ~StreamServer();  // ends every connection

  [[nodiscard]] SocketAddress address() const { return address_; }
  [[nodiscard]] std::size_t connections() const;
  // Every question so far, by arrival.
  [[nodiscard]] std::vector<Question> questions() const;

 private:
  class Channel;
  void accept_all();
  void serve(std::size_t connection, int fd);

  const Script script_;
  SSL_CTX* tls_ = nullptr;
  UniqueFd listener_;
  SocketAddress address_;
  mutable std::mutex mutex_;  // guards all below
  std::vector<UniqueFd> sockets_;
  std::vector<std::thread> threads_;
  std::vector<Question> questions_;
  std::thread acceptor_;
};

}  // namespace meshdns::support
