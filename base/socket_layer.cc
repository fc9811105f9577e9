#include "base/socket_layer.h"

#include <cstddef>
#include <unistd.h>

#include <sys/socket.h>

namespace meshdns {

int PosixSocketLayer::socket(int domain, int type, int protocol) {
  return ::socket(domain, type, protocol);
}

int PosixSocketLayer::bind(int fd, const sockaddr* address, socklen_t length) {
  return ::bind(fd, address, length);
}

int PosixSocketLayer::listen(int fd, int backlog) { return ::listen(fd, backlog); }

int PosixSocketLayer::connect(int fd, const sockaddr* address, socklen_t length) {
  return ::connect(fd, address, length);
}

int PosixSocketLayer::accept4(int fd, sockaddr* address, socklen_t* length, int flags) {
  return ::accept4(fd, address, length, flags);
}

int PosixSocketLayer::setsockopt(int fd, int level, int name, const void* value, socklen_t length) {
  return ::setsockopt(fd, level, name, value, length);
}

int PosixSocketLayer::getsockname(int fd, sockaddr* address, socklen_t* length) {
  return ::getsockname(fd, address, length);
}

int PosixSocketLayer::recvmmsg(int fd, mmsghdr* messages, unsigned count, int flags) {
  return ::recvmmsg(fd, messages, count, flags, nullptr);
}

int PosixSocketLayer::sendmmsg(int fd, mmsghdr* messages, unsigned count, int flags) {
  return ::sendmmsg(fd, messages, count, flags);
}

ssize_t PosixSocketLayer::recvfrom(int fd, void* into, std::size_t size, int flags, sockaddr* from,
                                   socklen_t* from_length) {
  return ::recvfrom(fd, into, size, flags, from, from_length);
}

ssize_t PosixSocketLayer::sendmsg(int fd, const msghdr* message, int flags) {
  return ::sendmsg(fd, message, flags);
}

int PosixSocketLayer::close(int fd) { return ::close(fd); }

}  // namespace meshdns
