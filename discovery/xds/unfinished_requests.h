// UnfinishedRequests: bounds what clients send of requests that they do not finish.
//
// gRPC 1.51.1 gathers a message until it is whole, however long it claims to be, and says nothing
// of it meanwhile. But the kernel counts what came on a connection, and its calls count the
// requests that became whole. Since a moment after which each of its calls finished a request, the
// difference is what they left unfinished, and at most that: HTTP/2's frames and TLS's records are
// in it, too.
//
// Those add up while a call is silent, as one is that has nothing to say. So where there is much of
// them the silent calls are asked for a sign of life; who is in the middle of a request cannot give
// one. A call is cut
// - when its connection has more unfinished than one may have;
// - when all together have more than all may have, those first that brought the least for the time
//   they took;
// - when it gives no sign of life in time.
//
// Any thread; a mutex guards it. What look() finds is for the caller to do.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "base/ip_address.h"
#include "base/result.h"

namespace meshdns::discovery {

// A call of a client's, that brings requests.
class RequestingCall {
 public:
  RequestingCall() = default;
  RequestingCall(const RequestingCall&) = delete;
  RequestingCall& operator=(const RequestingCall&) = delete;
  virtual ~RequestingCall() = default;

  // Has the client say something, if that is possible.
  virtual void ask_for_sign_of_life() = 0;
  // Ends the call, and once more, whether or not its client takes what it was sent.
  virtual void cut(const Error& reason) = 0;

 protected:
  // A request came whole, of so many octets as they came. Before the next one is asked for.
  void note_request(std::size_t octets);

 private:
  friend class UnfinishedRequests;
  std::atomic<std::uint64_t> octets_ = 0;
  std::atomic<bool> has_spoken_ = true;  // since its connection was marked
};

class UnfinishedRequests {
 public:
  using Time = std::chrono::steady_clock::time_point;
  // How many octets came so far; nothing once the connection is closed.
  using Received = std::function<std::optional<std::uint64_t>()>;
  struct Limits {
    std::uint64_t octets_of_one = 0;
    std::uint64_t octets_of_all = 0;
    // Before a silent call is asked for a sign of life, and once more before it is cut.
    std::chrono::milliseconds patience{};
  };
  // Of a connection, and of each call on it besides: so much is neither asked after nor counted
  // with the others'. gRPC takes as much of a call that nobody reads (RFC 9113 section 6.9.2).
  static constexpr std::uint64_t kFreeOctets = 128UL << 10U;
  static constexpr std::uint64_t kFreeOctetsOfCall = 64UL << 10U;

  explicit UnfinishedRequests(Limits limits) : limits_(limits) {}

  // Before gRPC has it.
  void add_connection(const SocketAddress& peer, Received received);
  // `peer` as gRPC writes it. A call on a connection that was not added is not looked at.
  void add_call(std::string_view peer, const std::shared_ptr<RequestingCall>& call);
  void remove_call(std::string_view peer, const RequestingCall* call);

  using Calls = std::vector<std::shared_ptr<RequestingCall>>;
  struct Cut {
    SocketAddress peer;
    Calls calls;
    Error reason;
  };
  struct Findings {
    Calls to_ask;
    std::vector<Cut> to_cut;
  };
  // Looks at all connections. Calls that are still there when it looks again are found again.
  [[nodiscard]] Findings look(Time now);

 private:
  // A moment in a connection's life.
  struct Mark {
    std::uint64_t received = 0;
    std::uint64_t finished = 0;    // octets of requests
    std::uint64_t unfinished = 0;  // at most
  };
  struct Connection {
    Received received;
    Calls calls;
    std::uint64_t finished_by_others = 0;  // calls that are gone
    Mark base;                             // each call has finished a request since
    Mark next;                             // will be the base when each has
    Mark now;                              // when it was looked at
    std::optional<Time> since;             // when it became more than is free
    std::optional<Time> asked_at;
  };
  using Entry = std::pair<const SocketAddress, Connection>;

  [[nodiscard]] Connection* find(std::string_view peer);

  // False when it is closed.
  static bool count(Connection& connection);
  static void mark(Connection& connection);
  static std::uint64_t unfinished_since(const Mark& mark, const Mark& now);
  // Of more than is free, and 0 else.
  static std::uint64_t counted(const Connection& connection);
  // All its calls.
  static Cut cut(Entry& entry, std::string_view why);
  void find_too_large(Findings& findings);
  void find_slowest(Time now, Findings& findings);
  void find_silent(Time now, Findings& findings);

  const Limits limits_;
  std::mutex mutex_;  // guards what follows
  std::map<SocketAddress, Connection> connections_;
};

}  // namespace meshdns::discovery
