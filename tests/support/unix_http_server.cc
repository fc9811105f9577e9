#include "tests/support/unix_http_server.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cctype>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <mutex>
#include <poll.h>
#include <string>
#include <system_error>
#include <unistd.h>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "tests/support/kuma_listener.h"

namespace meshdns::support {
namespace {

constexpr int kPollMilliseconds = 20;

bool wait_for(int fd, short events, const std::atomic<bool>& stopping) {
  while (!stopping) {
    pollfd waiting{.fd = fd, .events = events, .revents = 0};
    if (::poll(&waiting, 1, kPollMilliseconds) > 0) {
      return true;
    }
  }
  return false;
}

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

}  // namespace

bool UnixHttpServer::Connection::write_all(const std::string& octets) {
  std::size_t sent = 0;
  while (sent < octets.size()) {
    if (!wait_for(fd_, POLLOUT, stopping_)) {
      return false;
    }
    const ssize_t count =
        ::send(fd_, octets.data() + sent, octets.size() - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count < 0 && errno != EAGAIN) {
      return false;
    }
    sent += count > 0 ? static_cast<std::size_t>(count) : 0;
  }
  return true;
}

void UnixHttpServer::Connection::wait_for_end() {
  std::array<char, 64> ignored{};
  while (wait_for(fd_, POLLIN, stopping_) && ::recv(fd_, ignored.data(), ignored.size(), 0) > 0) {
  }
}

bool UnixHttpServer::Connection::ends_within(std::chrono::milliseconds time) {
  pollfd waiting{.fd = fd_, .events = POLLIN, .revents = 0};
  return ::poll(&waiting, 1, static_cast<int>(time.count())) > 0 || stopping_;
}

UnixHttpServer::UnixHttpServer(const std::string& path, Script script)
    : path_(path),
      listener_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)),
      script_(std::move(script)) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  path.copy(static_cast<char*>(name.sun_path), sizeof(name.sun_path) - 1);
  ::unlink(path.c_str());
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): as the call asks for
  if (::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&name), sizeof(name)) < 0 ||
      ::listen(listener_.get(), SOMAXCONN) < 0) {
    throw std::system_error(errno, std::generic_category(), path);
  }
  thread_ = std::thread([this] { serve(); });
}

UnixHttpServer::~UnixHttpServer() {
  stopping_ = true;
  thread_.join();
  ::unlink(path_.c_str());
}

std::vector<std::string> UnixHttpServer::requests() const {
  const std::scoped_lock lock(mutex_);
  return requests_;
}

void UnixHttpServer::set_script(Script script) {
  const std::scoped_lock lock(mutex_);
  script_ = std::move(script);
}

void UnixHttpServer::serve() {
  while (wait_for(listener_.get(), POLLIN, stopping_)) {
    const UniqueFd connection(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (connection.get() >= 0) {
      serve(connection.get());
    }
  }
}

void UnixHttpServer::serve(int fd) {
  std::string request;
  while (!request.ends_with("\r\n\r\n")) {
    std::array<char, 1024> octets{};
    const ssize_t count =
        wait_for(fd, POLLIN, stopping_) ? ::recv(fd, octets.data(), octets.size(), 0) : 0;
    if (count <= 0) {
      return;
    }
    request.append(octets.data(), static_cast<std::size_t>(count));
  }
  Script script;
  {
    const std::scoped_lock lock(mutex_);
    requests_.push_back(request);
    script = script_;
  }
  Connection connection(fd, stopping_);
  script(request, connection);
}

std::string http_response(int status, const std::string& body,
                          const std::vector<std::string>& headers) {
  std::string text = fmt::format("HTTP/1.1 {} Status\r\n", status);
  for (const std::string& header : headers) {
    text += header + "\r\n";
  }
  return text + fmt::format("content-length: {}\r\n\r\n{}", body.size(), body);
}

std::string header_of(const std::string& request, const std::string& name) {
  const std::string start = "\r\n" + lower(name) + ": ";
  const std::size_t place = lower(request).find(start);
  if (place == std::string::npos) {
    return {};
  }
  const std::size_t begin = place + start.size();
  return request.substr(begin, request.find("\r\n", begin) - begin);
}

UnixHttpServer::Script serve_kuma_table(const std::string& body) {
  return [body, etag = kuma_etag(body)](const std::string& request,
                                        UnixHttpServer::Connection& connection) {
    const bool has_it = header_of(request, "If-None-Match") == etag;
    connection.write_all(body.empty() ? http_response(404, "")
                         : has_it ? "HTTP/1.1 304 Not Modified\r\ndate: x\r\nserver: envoy\r\n\r\n"
                                  : http_response(200, body, {"etag: " + etag, "server: envoy"}));
  };
}

}  // namespace meshdns::support
