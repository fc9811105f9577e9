#include "tests/support/http_get.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <optional>
#include <poll.h>
#include <string>
#include <string_view>

#include <sys/socket.h>

#include "base/ip_address.h"
#include "base/unique_fd.h"
#include "tests/support/dns_client.h"
#include "tests/support/wait_until.h"

namespace meshdns::support {
namespace {

constexpr std::string_view kEndOfHeaders = "\r\n\r\n";

// Everything until the peer closes.
std::string read_to_end(int socket) {
  std::string text;
  std::array<char, 65536> buffer{};
  const int bound =
      static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(kHangBound).count());
  for (;;) {
    pollfd entry{.fd = socket, .events = POLLIN, .revents = 0};
    if (::poll(&entry, 1, bound) != 1) {
      return text;
    }
    const ssize_t count = ::recv(socket, buffer.data(), buffer.size(), 0);
    if (count <= 0) {
      return text;
    }
    text.append(buffer.data(), static_cast<std::size_t>(count));
  }
}

// RFC 9112 section 7.1: chunks of "<hex length>\r\n<octets>\r\n", the last of length 0.
std::string join_chunks(std::string_view body) {
  std::string joined;
  while (!body.empty()) {
    const std::size_t length = std::strtoul(std::string(body).substr(0, 16).c_str(), nullptr, 16);
    const std::size_t start = body.find("\r\n");
    if (length == 0 || start == std::string_view::npos || start + 2 + length > body.size()) {
      break;
    }
    joined += body.substr(start + 2, length);
    body.remove_prefix(std::min(body.size(), start + 2 + length + 2));
  }
  return joined;
}

}  // namespace

std::optional<HttpReply> http_get(const SocketAddress& server, const std::string& path) {
  const UniqueFd fd = connect_socket(server, DnsTransport::kTcp);
  const std::string request =
      "GET " + path + " HTTP/1.1\r\nHost: " + server.to_string() + "\r\nConnection: close\r\n\r\n";
  if (!fd.valid() || ::send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL) !=
                         static_cast<ssize_t>(request.size())) {
    return std::nullopt;
  }
  const std::string text = read_to_end(fd.get());
  const std::size_t end = text.find(kEndOfHeaders);
  const std::size_t blank = text.find(' ');
  if (end == std::string::npos || blank == std::string::npos) {
    return std::nullopt;
  }
  HttpReply reply{.status = std::atoi(text.c_str() + blank + 1),
                  .headers = text.substr(0, end),
                  .body = text.substr(end + kEndOfHeaders.size())};
  if (reply.headers.find("ransfer-Encoding: chunked") != std::string::npos) {
    reply.body = join_chunks(reply.body);
  }
  return reply;
}

}  // namespace meshdns::support
