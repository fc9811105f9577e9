#include "tests/support/faulty_socket_layer.h"

#include <algorithm>
#include <cerrno>
#include <cstddef>

#include <sys/socket.h>
#include <sys/uio.h>

namespace meshdns::support {

bool FaultySocketLayer::fails(SocketStep step, int fd, int type) {
  const SocketCall call{.step = step, .fd = fd, .type = type, .index = calls_.fetch_add(1)};
  const int error = fault_ ? fault_(call) : 0;
  if (error != 0) {
    errno = error;
  }
  return error != 0;
}

int FaultySocketLayer::socket(int domain, int type, int protocol) {
  return fails(SocketStep::kSocket, domain, type) ? -1 : real_.socket(domain, type, protocol);
}

int FaultySocketLayer::bind(int fd, const sockaddr* address, socklen_t length) {
  return fails(SocketStep::kBind, fd) ? -1 : real_.bind(fd, address, length);
}

int FaultySocketLayer::listen(int fd, int backlog) {
  return fails(SocketStep::kListen, fd) ? -1 : real_.listen(fd, backlog);
}

int FaultySocketLayer::connect(int fd, const sockaddr* address, socklen_t length) {
  return fails(SocketStep::kConnect, fd) ? -1 : real_.connect(fd, address, length);
}

int FaultySocketLayer::accept4(int fd, sockaddr* address, socklen_t* length, int flags) {
  return fails(SocketStep::kAccept, fd) ? -1 : real_.accept4(fd, address, length, flags);
}

int FaultySocketLayer::setsockopt(int fd, int level, int name, const void* value,
                                  socklen_t length) {
  return fails(SocketStep::kSetOption, fd, name) ? -1
                                                 : real_.setsockopt(fd, level, name, value, length);
}

int FaultySocketLayer::getsockname(int fd, sockaddr* address, socklen_t* length) {
  return fails(SocketStep::kGetName, fd) ? -1 : real_.getsockname(fd, address, length);
}

int FaultySocketLayer::recvmmsg(int fd, mmsghdr* messages, unsigned count, int flags) {
  return fails(SocketStep::kReceiveBatch, fd) ? -1 : real_.recvmmsg(fd, messages, count, flags);
}

int FaultySocketLayer::sendmmsg(int fd, mmsghdr* messages, unsigned count, int flags) {
  return fails(SocketStep::kSendBatch, fd) ? -1 : real_.sendmmsg(fd, messages, count, flags);
}

ssize_t FaultySocketLayer::recvfrom(int fd, void* into, std::size_t size, int flags, sockaddr* from,
                                    socklen_t* from_length) {
  return fails(SocketStep::kReceive, fd) ? -1
                                         : real_.recvfrom(fd, into, size, flags, from, from_length);
}

ssize_t FaultySocketLayer::sendmsg(int fd, const msghdr* message, int flags) {
  if (fails(SocketStep::kSend, fd)) {
    return -1;
  }
  if (most_sent_ == 0) {
    return real_.sendmsg(fd, message, flags);
  }
  if (is_full_.exchange(false)) {
    errno = EAGAIN;
    return -1;
  }
  is_full_ = true;
  iovec part{.iov_base = message->msg_iov->iov_base,
             .iov_len = std::min(message->msg_iov->iov_len, most_sent_)};
  msghdr shorter = *message;
  shorter.msg_iov = &part;
  return real_.sendmsg(fd, &shorter, flags);
}

int FaultySocketLayer::close(int fd) {
  return fails(SocketStep::kClose, fd) ? -1 : real_.close(fd);
}

}  // namespace meshdns::support
