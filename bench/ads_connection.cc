#include "bench/ads_connection.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <fcntl.h>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

#include <fmt/format.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/message_lite.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include "base/ip_address.h"
#include "base/unique_fd.h"
#include "envoy/service/discovery/v3/discovery.pb.h"
#include "tests/support/http2_frames.h"

namespace meshdns::bench {
namespace {

namespace http2 = support::http2;

constexpr std::size_t kFrameHeaderBytes = 9;
constexpr std::size_t kMessageHeaderBytes = 5;
constexpr std::uint32_t kStream = 1;
// The largest window (RFC 9113 section 6.9.1), and the one that a connection begins with.
constexpr std::uint32_t kLargestWindow = 0x7fffffff;
constexpr std::uint32_t kFirstWindow = 65'535;
constexpr std::uint16_t kInitialWindowSetting = 4;
// A response's version, type and nonce stand before its resources; they fit in so many octets.
constexpr std::size_t kHeadBytes = 512;
constexpr std::size_t kReadBytes = std::size_t{256} << 10U;

std::uint32_t number_in(std::string_view octets) {
  std::uint32_t number = 0;
  for (const char octet : octets) {
    number = number << 8U | static_cast<std::uint8_t>(octet);
  }
  return number;
}

// Entries of HPACK's static table, whole and as names (RFC 7541, appendix A).
std::string request_headers(const std::string& authority, bool is_tls) {
  constexpr const char* kPath =
      "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";
  const auto valued = [](char name, const std::string& value) {
    return std::string(1, name) + static_cast<char>(value.size()) + value;
  };
  return std::string("\x83") + (is_tls ? "\x87" : "\x86") +   // :method POST, :scheme
         valued('\x04', kPath) + valued('\x01', authority) +  // :path, :authority
         http2::header("content-type", "application/grpc") + http2::header("te", "trailers");
}

struct Label {
  std::string type_url;
  std::string nonce;
};

// Of a DeltaDiscoveryResponse, from what stands before its resources.
Label label_in(std::string_view head) {
  constexpr int kLengthDelimited = 2;
  // Octets as protobuf calls them.
  const auto* const octets = reinterpret_cast<const std::uint8_t*>(head.data());  // NOLINT(*-cast)
  google::protobuf::io::CodedInputStream input(octets, static_cast<int>(head.size()));
  Label label;
  while (const std::uint32_t tag = input.ReadTagNoLastTag()) {
    const int field = static_cast<int>(tag >> 3U);
    std::uint32_t size = 0;
    std::string value;
    if ((tag & 7U) != kLengthDelimited || field == 2 || !input.ReadVarint32(&size) ||
        !input.ReadString(&value, static_cast<int>(size))) {
      break;
    }
    (field == 4 ? label.type_url : field == 5 ? label.nonce : value) = value;
  }
  return label;
}

std::string message_frame(const google::protobuf::MessageLite& message) {
  return http2::frame(http2::kData, 0, kStream, http2::grpc_message(message.SerializeAsString()));
}

}  // namespace

AdsConnection::AdsConnection(const Options& options) : tls_(nullptr, &::SSL_free) {
  sockaddr_storage storage{};
  const auto length = static_cast<socklen_t>(options.server.to_sockaddr(storage));
  socket_ = UniqueFd(::socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = 1;
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): how sockets take addresses.
  const auto* const address = reinterpret_cast<const sockaddr*>(&storage);
  if (!socket_.valid() || ::connect(fd(), address, length) != 0 ||
      ::setsockopt(fd(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0) {
    throw std::system_error(errno, std::generic_category(),
                            "connect to " + options.server.to_string());
  }
  if (options.tls != nullptr) {
    tls_.reset(::SSL_new(options.tls));
    if (tls_ == nullptr || ::SSL_set_fd(tls_.get(), fd()) != 1 || ::SSL_connect(tls_.get()) != 1) {
      throw std::runtime_error("no TLS with " + options.server.to_string());
    }
  }
  std::string octets = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  std::string settings;
  if (options.reads) {
    settings = http2::big_endian(kInitialWindowSetting, 2) + http2::big_endian(kLargestWindow, 4);
  }
  octets += http2::frame(http2::kSettings, 0, 0, settings);
  if (options.reads) {
    octets += http2::frame(http2::kWindowUpdate, 0, 0,
                           http2::big_endian(kLargestWindow - kFirstWindow, 4));
  }
  octets += http2::frame(http2::kHeaders, http2::kEndHeaders, kStream,
                         request_headers(options.server.to_string(), options.tls != nullptr));
  for (const std::string& type : options.types) {
    envoy::service::discovery::v3::DeltaDiscoveryRequest request;
    request.mutable_node()->set_id(options.node);
    request.set_type_url(type);
    request.add_resource_names_subscribe("*");
    octets += message_frame(request);
  }
  send(octets);
  if (::fcntl(fd(), F_SETFL, O_NONBLOCK) != 0) {
    throw std::system_error(errno, std::generic_category(), "fcntl");
  }
}

ssize_t AdsConnection::receive(std::span<char> into) const {
  if (tls_ == nullptr) {
    return ::recv(fd(), into.data(), into.size(), 0);
  }
  const int got = ::SSL_read(tls_.get(), into.data(), static_cast<int>(into.size()));
  if (got <= 0 && ::SSL_get_error(tls_.get(), got) == SSL_ERROR_WANT_READ) {
    errno = EAGAIN;
    return -1;
  }
  return std::max(got, 0);
}

void AdsConnection::on_readable(const OnResponse& on_response) {
  static std::array<char, kReadBytes> buffer;
  // TLS may hold octets that the socket does not show.
  do {
    const ssize_t got = receive(buffer);
    if (got == 0) {
      throw std::runtime_error("the server closed a connection");
    }
    if (got < 0) {
      if (errno == EAGAIN || errno == EINTR) {
        return;
      }
      throw std::system_error(errno, std::generic_category(), "recv");
    }
    take({buffer.data(), static_cast<std::size_t>(got)}, on_response);
  } while (tls_ != nullptr && ::SSL_pending(tls_.get()) > 0);
}

void AdsConnection::take(std::string_view octets, const OnResponse& on_response) {
  input_.append(octets);
  std::string_view rest = input_;
  while (rest.size() >= kFrameHeaderBytes) {
    const std::size_t size = number_in(rest.substr(0, 3));
    if (rest.size() < kFrameHeaderBytes + size) {
      break;
    }
    on_frame(static_cast<std::uint8_t>(rest[3]), static_cast<std::uint8_t>(rest[4]),
             rest.substr(kFrameHeaderBytes, size), on_response);
    rest.remove_prefix(kFrameHeaderBytes + size);
  }
  input_.erase(0, input_.size() - rest.size());
}

void AdsConnection::on_frame(std::uint8_t type, std::uint8_t flags, std::string_view payload,
                             const OnResponse& on_response) {
  const bool is_ack = (flags & http2::kAck) != 0;
  switch (type) {
    case http2::kData:
      received_bytes_ += payload.size();
      on_data(payload, on_response);
      return;
    case http2::kSettings:
      if (!is_ack) {
        send(http2::frame(http2::kSettings, http2::kAck, 0, ""));
      }
      return;
    case http2::kPing:
      if (!is_ack) {
        send(http2::frame(http2::kPing, http2::kAck, 0, std::string(payload)));
      }
      return;
    case http2::kHeaders:
      if ((flags & http2::kEndStream) != 0) {
        throw std::runtime_error("the server ended a stream");
      }
      return;
    case http2::kRstStream:
    case http2::kGoaway:
      throw std::runtime_error(fmt::format("the server refused a stream (frame type {})", type));
    default:
      return;
  }
}

void AdsConnection::on_data(std::string_view octets, const OnResponse& on_response) {
  while (!octets.empty()) {
    if (header_.size() < kMessageHeaderBytes) {
      const std::size_t some = std::min(kMessageHeaderBytes - header_.size(), octets.size());
      header_ += octets.substr(0, some);
      octets.remove_prefix(some);
      if (header_.size() < kMessageHeaderBytes) {
        return;
      }
      missing_ = number_in(std::string_view(header_).substr(1));
    }
    const std::size_t some = std::min(missing_, octets.size());
    if (head_.size() < kHeadBytes) {
      head_ += octets.substr(0, std::min(some, kHeadBytes - head_.size()));
    }
    octets.remove_prefix(some);
    missing_ -= some;
    if (missing_ == 0) {
      finish_message(on_response);
    }
  }
}

void AdsConnection::finish_message(const OnResponse& on_response) {
  const Label label = label_in(head_);
  envoy::service::discovery::v3::DeltaDiscoveryRequest request;
  request.set_type_url(label.type_url);
  request.set_response_nonce(label.nonce);
  send(message_frame(request));
  header_.clear();
  head_.clear();
  on_response(label.type_url);
}

void AdsConnection::send(const std::string& octets) const {
  // What is sent is little, and the server reads.
  const ssize_t sent =
      tls_ == nullptr ? ::send(fd(), octets.data(), octets.size(), MSG_NOSIGNAL)
                      : ::SSL_write(tls_.get(), octets.data(), static_cast<int>(octets.size()));
  if (sent != static_cast<ssize_t>(octets.size())) {
    throw std::system_error(errno, std::generic_category(), "send");
  }
}

}  // namespace meshdns::bench
