// Real sockets on which the test makes chosen calls fail, and which it can count.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>

#include <sys/socket.h>

#include "base/socket_layer.h"

namespace meshdns::support {

enum class SocketStep : std::uint8_t {
  kSocket,
  kBind,
  kListen,
  kConnect,
  kAccept,
  kSetOption,
  kGetName,
  kReceiveBatch,
  kSendBatch,
  kReceive,
  kSend,
  kClose
};

struct SocketCall {
  SocketStep step = SocketStep::kSocket;
  int fd = -1;              // for kSocket the domain
  int type = 0;             // kSocket: the type; kSetOption: the option's name
  std::uint64_t index = 0;  // counts all calls from 0
};

// Passes every call to PosixSocketLayer unless `fault` returns an errno for it. Thread-safe when
// `fault` is.
class FaultySocketLayer final : public SocketLayer {
 public:
  using Fault = std::function<int(const SocketCall&)>;

  // Every call succeeds until set_fault(). Not while another thread uses the sockets.
  void set_fault(Fault fault) { fault_ = std::move(fault); }
  // A sendmsg takes so many octets at most, and the next one none (EAGAIN), as where a client is
  // slow to read. Not while another thread uses the sockets.
  void set_most_sent(std::size_t octets) { most_sent_ = octets; }
  [[nodiscard]] std::uint64_t calls() const { return calls_; }

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

 private:
  // Whether the call must fail; errno is then set.
  bool fails(SocketStep step, int fd, int type = 0);

  PosixSocketLayer real_;
  Fault fault_;
  std::size_t most_sent_ = 0;  // 0: any number
  std::atomic<bool> is_full_{false};
  std::atomic<std::uint64_t> calls_{0};
};

}  // namespace meshdns::support
