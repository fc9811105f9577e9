#include "resolver/forward/stream_connection.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream_base.hpp>
#include <boost/asio/write.hpp>
#include <boost/system/error_code.hpp>
#include <sys/socket.h>

#include "base/ip_address.h"
#include "resolver/forward/tls_client.h"

namespace meshdns::dns {
namespace {

// Of connections without TLS, whose stream needs one all the same.
boost::asio::ssl::context& no_tls() {
  static boost::asio::ssl::context context(boost::asio::ssl::context::tls_client);
  return context;
}

}  // namespace

StreamConnection::StreamConnection(boost::asio::io_context& io, const TlsClient* tls, Owner& owner)
    : tls_(tls), owner_(&owner), stream_(io, tls == nullptr ? no_tls() : tls->context()) {}

template <typename Handle>
auto StreamConnection::guarded(const char* step, Handle handle) {
  return [self = shared_from_this(), step, handle](const boost::system::error_code& error,
                                                   std::size_t count = 0) {
    if (self->owner_ == nullptr) {
      return;
    }
    if (error) {
      self->fail(std::string(step) + ": " + error.message());
      return;
    }
    handle(*self, count);
  };
}

void StreamConnection::start(const SocketAddress& server) {
  sockaddr_storage storage{};
  const std::size_t size = server.to_sockaddr(storage);
  boost::asio::ip::tcp::endpoint endpoint;
  endpoint.resize(size);
  std::memcpy(endpoint.data(), &storage, size);
  stream_.next_layer().async_connect(
      endpoint, guarded("cannot connect", [](StreamConnection& self, std::size_t /*count*/) {
        self.on_connected();
      }));
}

void StreamConnection::on_connected() {
  boost::system::error_code ignored;  // it would only be slower
  stream_.next_layer().set_option(boost::asio::ip::tcp::no_delay(true), ignored);
  if (tls_ == nullptr) {
    become_ready();
    return;
  }
  owner_->on_accepted();
  tls_->prepare(stream_.native_handle());
  stream_.async_handshake(
      boost::asio::ssl::stream_base::client,
      [self = shared_from_this()](const boost::system::error_code& error) {
        if (self->owner_ == nullptr) {
          return;
        }
        // What OpenSSL objects to says less than what it objected to in the certificate.
        const std::string objection = self->tls_->objection(self->stream_.native_handle());
        if (error || !objection.empty()) {
          self->fail("TLS: " + (objection.empty() ? error.message() : objection));
          return;
        }
        self->become_ready();
      });
}

void StreamConnection::become_ready() {
  ready_ = true;
  read();
  owner_->on_ready();
}

void StreamConnection::read() {
  auto handler = guarded("the connection ended",
                         [](StreamConnection& self, std::size_t count) { self.on_read(count); });
  const auto buffer = boost::asio::buffer(input_);
  if (tls_ == nullptr) {
    stream_.next_layer().async_read_some(buffer, std::move(handler));
  } else {
    stream_.async_read_some(buffer, std::move(handler));
  }
}

void StreamConnection::on_read(std::size_t count) {
  received_ += count;
  frames_.append(std::span(input_).first(count));
  while (const auto message = frames_.next()) {
    owner_->on_message(*message);
    if (owner_ == nullptr) {
      return;
    }
  }
  frames_.release();
  read();
}

void StreamConnection::send(std::span<const std::uint8_t> message) {
  const std::size_t at = queued_.size();
  queued_.resize(at + 2 + message.size());  // all of it, or nothing
  queued_[at] = static_cast<std::uint8_t>(message.size() >> 8U);
  queued_[at + 1] = static_cast<std::uint8_t>(message.size());
  std::ranges::copy(message, queued_.begin() + static_cast<std::ptrdiff_t>(at + 2));
  if (writing_.empty()) {
    write();
  }
}

void StreamConnection::write() {
  writing_.swap(queued_);
  auto handler = guarded("cannot write", [](StreamConnection& self, std::size_t /*count*/) {
    self.writing_.clear();
    if (!self.queued_.empty()) {
      self.write();
    }
  });
  const auto buffer = boost::asio::buffer(writing_);
  if (tls_ == nullptr) {
    boost::asio::async_write(stream_.next_layer(), buffer, std::move(handler));
  } else {
    boost::asio::async_write(stream_, buffer, std::move(handler));
  }
}

void StreamConnection::fail(const std::string& reason) {
  Owner* const owner = owner_;
  close();
  owner->on_closed(reason);
}

void StreamConnection::close() {
  owner_ = nullptr;
  ready_ = false;
  boost::system::error_code ignored;  // it is gone either way
  stream_.next_layer().close(ignored);
}

}  // namespace meshdns::dns
