#include "tests/support/stream_server.h"

#include <array>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include "base/ip_address.h"
#include "base/unique_fd.h"

namespace meshdns::support {
namespace {

constexpr long kValidSeconds = 3600;

void require(bool condition, const char* what) {
  if (!condition) {
    throw std::runtime_error(what);
  }
}

std::string text_of(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return {data, static_cast<std::size_t>(size)};
}

void add_extension(X509* certificate, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  require(extension != nullptr && X509_add_ext(certificate, extension, -1) == 1, "extension");
  X509_EXTENSION_free(extension);
}

}  // namespace

StreamServer::Certificate StreamServer::make_certificate(const std::string& name) {
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(EVP_EC_gen("P-256"),
                                                                &EVP_PKEY_free);
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(X509_new(), &X509_free);
  require(key && certificate, "no memory for a certificate");
  X509_set_version(certificate.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -kValidSeconds);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), kValidSeconds);
  X509_set_pubkey(certificate.get(), key.get());
  X509_NAME* const subject = X509_get_subject_name(certificate.get());
  X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>("test"), -1, -1, 0);  // NOLINT
  X509_set_issuer_name(certificate.get(), subject);
  add_extension(certificate.get(), NID_basic_constraints, "critical,CA:TRUE");
  add_extension(certificate.get(), NID_subject_alt_name, "DNS:" + name);
  require(X509_sign(certificate.get(), key.get(), EVP_sha256()) > 0, "cannot sign");

  Certificate made{.name = name, .pem = {}, .private_key = {}, .pin = {}};
  const std::unique_ptr<BIO, decltype(&BIO_free)> pem(BIO_new(BIO_s_mem()), &BIO_free);
  const std::unique_ptr<BIO, decltype(&BIO_free)> secret(BIO_new(BIO_s_mem()), &BIO_free);
  require(PEM_write_bio_X509(pem.get(), certificate.get()) == 1 &&
              PEM_write_bio_PrivateKey(secret.get(), key.get(), nullptr, nullptr, 0, nullptr,
                                       nullptr) == 1,
          "cannot write PEM");
  made.pem = text_of(pem.get());
  made.private_key = text_of(secret.get());
  unsigned char* encoded = nullptr;
  const int size = i2d_PUBKEY(key.get(), &encoded);
  made.pin.resize(32);
  require(size > 0 && EVP_Digest(encoded, static_cast<std::size_t>(size), made.pin.data(), nullptr,
                                 EVP_sha256(), nullptr) == 1,
          "cannot hash the key");
  OPENSSL_free(encoded);
  return made;
}

// One connection, with or without TLS, blocking.
class StreamServer::Channel {
 public:
  Channel(int fd, SSL_CTX* tls) : fd_(fd), ssl_(nullptr, &SSL_free) {
    if (tls != nullptr) {
      ssl_.reset(SSL_new(tls));
      SSL_set_fd(ssl_.get(), fd);
    }
  }
  [[nodiscard]] bool begin() { return !ssl_ || SSL_accept(ssl_.get()) == 1; }
  [[nodiscard]] bool read(std::uint8_t* data, std::size_t size) {
    for (std::size_t done = 0; done < size;) {
      const auto count = ssl_ ? SSL_read(ssl_.get(), data + done, static_cast<int>(size - done))
                              : static_cast<int>(::recv(fd_, data + done, size - done, 0));
      if (count <= 0) {
        return false;
      }
      done += static_cast<std::size_t>(count);
    }
    return true;
  }
  void write(const std::vector<std::uint8_t>& data) {
    if (ssl_) {
      SSL_write(ssl_.get(), data.data(), static_cast<int>(data.size()));
    } else {
      static_cast<void>(::send(fd_, data.data(), data.size(), MSG_NOSIGNAL));
    }
  }

 private:
  int fd_;
  std::unique_ptr<SSL, decltype(&SSL_free)> ssl_;
};

StreamServer::StreamServer(Script script, const Certificate* certificate)
    : script_(std::move(script)) {
  static_cast<void>(std::signal(SIGPIPE, SIG_IGN));  // OpenSSL writes to sockets without asking
  if (certificate != nullptr) {
    tls_ = SSL_CTX_new(TLS_server_method());
    const std::unique_ptr<BIO, decltype(&BIO_free)> pem(
        BIO_new_mem_buf(certificate->pem.data(), -1), &BIO_free);
    const std::unique_ptr<BIO, decltype(&BIO_free)> secret(
        BIO_new_mem_buf(certificate->private_key.data(), -1), &BIO_free);
    X509* const read = PEM_read_bio_X509(pem.get(), nullptr, nullptr, nullptr);
    EVP_PKEY* const key = PEM_read_bio_PrivateKey(secret.get(), nullptr, nullptr, nullptr);
    require(SSL_CTX_use_certificate(tls_, read) == 1 && SSL_CTX_use_PrivateKey(tls_, key) == 1,
            "cannot use the certificate");
    X509_free(read);
    EVP_PKEY_free(key);
  }
  address_ = {.ip = IpAddress::parse("127.0.0.1").value(), .port = 0};
  listener_ = UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_storage storage{};
  socklen_t size = static_cast<socklen_t>(address_.to_sockaddr(storage));
  auto* const name = reinterpret_cast<sockaddr*>(&storage);  // NOLINT: as the calls ask for
  require(::bind(listener_.get(), name, size) == 0 && ::listen(listener_.get(), 16) == 0 &&
              ::getsockname(listener_.get(), name, &size) == 0,
          "cannot listen");
  address_ = SocketAddress::from_sockaddr(*name).value();
  acceptor_ = std::thread([this] { accept_all(); });
}

StreamServer::~StreamServer() {
  ::shutdown(listener_.get(), SHUT_RDWR);
  acceptor_.join();
  {
    const std::lock_guard lock(mutex_);
    for (const UniqueFd& socket : sockets_) {
      ::shutdown(socket.get(), SHUT_RDWR);
    }
  }
  for (std::thread& thread : threads_) {
    thread.join();
  }
  SSL_CTX_free(tls_);
}

std::size_t StreamServer::connections() const {
  const std::lock_guard lock(mutex_);
  return sockets_.size();
}

std::vector<StreamServer::Question> StreamServer::questions() const {
  const std::lock_guard lock(mutex_);
  return questions_;
}

void StreamServer::accept_all() {
  for (;;) {
    UniqueFd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (socket.get() < 0) {
      return;
    }
    const std::lock_guard lock(mutex_);
    const std::size_t number = sockets_.size();
    const int fd = socket.get();
    sockets_.push_back(std::move(socket));
    threads_.emplace_back([this, number, fd] { serve(number, fd); });
  }
}

void StreamServer::serve(std::size_t connection, int fd) {
  Channel channel(fd, tls_);
  if (!channel.begin()) {
    ::shutdown(fd, SHUT_RDWR);
    return;
  }
  std::array<std::uint8_t, 2> length{};
  for (std::size_t number = 0; channel.read(length.data(), length.size()); ++number) {
    Question question{.connection = connection, .number = number, .octets = {}};
    question.octets.resize(static_cast<std::size_t>(length[0] << 8U | length[1]));
    if (!channel.read(question.octets.data(), question.octets.size())) {
      break;
    }
    {
      const std::lock_guard lock(mutex_);
      questions_.push_back(question);
    }
    const Reaction reaction = script_(question);
    for (const Message& reply : reaction.replies) {
      Message framed{static_cast<std::uint8_t>(reply.size() >> 8U),
                     static_cast<std::uint8_t>(reply.size())};
      framed.insert(framed.end(), reply.begin(), reply.end());
      channel.write(framed);
    }
    if (reaction.close) {
      break;
    }
  }
  ::shutdown(fd, SHUT_RDWR);
}

}  // namespace meshdns::support
