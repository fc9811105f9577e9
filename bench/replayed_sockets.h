// Sockets whose datagrams no kernel has seen: a fixed series of queries comes in by recvmmsg,
// always in full batches, and what leaves by sendmmsg goes nowhere. For what a server costs in user
// space.
//
// The server's own thread, but for wait(). Everything but datagrams is passed to the real sockets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <future>

#include <sys/socket.h>
#include <sys/types.h>

#include "base/socket_layer.h"
#include "bench/answer_check.h"
#include "bench/query_series.h"

namespace meshdns::bench {

class ReplayedSockets final : public SocketLayer {
 public:
  struct Options {
    std::uint64_t queries = 0;  // of the series, from its start again and again
    std::size_t clients = 1;    // that ask in turn
    std::size_t burst = 1;      // queries of one client behind each other
    // So many answers are judged, at the beginning: the others would cost as much as the server.
    std::size_t judged = 0;
  };

  // What is given by reference outlives it.
  ReplayedSockets(const Options& options, const QuerySeries& series, AnswerCheck& check)
      : options_(options), series_(series), check_(check) {}

  // Until the server has answered all that it will and asks for more. Any thread, once.
  void wait() { done_.get_future().wait(); }
  // Valid then.
  [[nodiscard]] std::uint64_t answered() const { return answered_; }

  int recvmmsg(int fd, mmsghdr* messages, unsigned count, int flags) override;
  int sendmmsg(int fd, mmsghdr* messages, unsigned count, int flags) override;

  int socket(int domain, int type, int protocol) override {
    return real_.socket(domain, type, protocol);
  }
  int bind(int fd, const sockaddr* address, socklen_t length) override {
    return real_.bind(fd, address, length);
  }
  int listen(int fd, int backlog) override { return real_.listen(fd, backlog); }
  int connect(int fd, const sockaddr* address, socklen_t length) override {
    return real_.connect(fd, address, length);
  }
  int accept4(int fd, sockaddr* address, socklen_t* length, int flags) override {
    return real_.accept4(fd, address, length, flags);
  }
  int setsockopt(int fd, int level, int name, const void* value, socklen_t length) override {
    return real_.setsockopt(fd, level, name, value, length);
  }
  int getsockname(int fd, sockaddr* address, socklen_t* length) override {
    return real_.getsockname(fd, address, length);
  }
  ssize_t recvfrom(int fd, void* into, std::size_t size, int flags, sockaddr* from,
                   socklen_t* from_length) override {
    return real_.recvfrom(fd, into, size, flags, from, from_length);
  }
  ssize_t sendmsg(int fd, const msghdr* message, int flags) override {
    return real_.sendmsg(fd, message, flags);
  }
  int close(int fd) override { return real_.close(fd); }

 private:
  void put_query(mmsghdr& message);
  void judge(const mmsghdr& message);

  Options options_;
  const QuerySeries& series_;
  AnswerCheck& check_;
  PosixSocketLayer real_;
  std::uint64_t asked_ = 0;
  std::uint64_t answered_ = 0;
  std::size_t index_ = 0;  // of the next query in the series
  std::size_t client_ = 0;
  std::size_t of_burst_ = 0;  // queries that it has asked of this one
  bool is_done_ = false;
  std::promise<void> done_;
};

}  // namespace meshdns::bench
