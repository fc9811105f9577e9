// The seam for sockets: the system calls the servers and the forwarder make, so that a test can
// make any of them fail.
//
// Each function is the system call of its name: -1 and errno on failure. Thread-safe as the calls
// are. One virtual call per batch of datagrams is within the answered path's budget.
#pragma once

#include <cstddef>

#include <sys/socket.h>
#include <sys/types.h>

namespace meshdns {

class SocketLayer {
 public:
  SocketLayer() = default;
  SocketLayer(const SocketLayer&) = delete;
  SocketLayer& operator=(const SocketLayer&) = delete;
  virtual ~SocketLayer() = default;

  // SOCK_CLOEXEC and SOCK_NONBLOCK are the caller's to add to `type`.
  virtual int socket(int domain, int type, int protocol) = 0;
  virtual int bind(int fd, const sockaddr* address, socklen_t length) = 0;
  virtual int listen(int fd, int backlog) = 0;
  virtual int connect(int fd, const sockaddr* address, socklen_t length) = 0;
  virtual int accept4(int fd, sockaddr* address, socklen_t* length, int flags) = 0;
  virtual int setsockopt(int fd, int level, int name, const void* value, socklen_t length) = 0;
  virtual int getsockname(int fd, sockaddr* address, socklen_t* length) = 0;
  virtual int recvmmsg(int fd, mmsghdr* messages, unsigned count, int flags) = 0;
  virtual int sendmmsg(int fd, mmsghdr* messages, unsigned count, int flags) = 0;
  virtual ssize_t recvfrom(int fd, void* into, std::size_t size, int flags, sockaddr* from,
                           socklen_t* from_length) = 0;
  virtual ssize_t sendmsg(int fd, const msghdr* message, int flags) = 0;
  virtual int close(int fd) = 0;
};

// The real one.
class PosixSocketLayer final : public SocketLayer {
 public:
  int socket(int domain, int type, int protocol) override;
  int bind(int fd, const sockaddr* address, socklen_t length) override;
  int listen(int fd, int backlog) override;
  int connect(int fd, const sockaddr* address, socklen_t length) override;
  int accept4(int fd, sockaddr* address, socklen_t* length, int flags) override;
  int setsockopt(int fd, int level, int name, const void* value, socklen_t length) override;
  int getsockname(int fd, sockaddr* address, socklen_t* length) override;
  int recvmmsg(int fd, mmsghdr* messages, unsigned count, int flags) override;
  int sendmmsg(int fd, mmsghdr* messages, unsigned count, int flags) override;
  ssize_t recvfrom(int fd, void* into, std::size_t size, int flags, sockaddr* from,
                   socklen_t* from_length) override;
  ssize_t sendmsg(int fd, const msghdr* message, int flags) override;
  int close(int fd) override;
};

}  // namespace meshdns
