// One c-ares channel that talks to one server: the only place that knows c-ares.
//
// What c-ares 1.18.1 does here: sends the octets it is given, over the one transport it was made
// for; matches replies by id and question (without case); keeps one socket, so one source port, as
// long as any question is open, and closes it after the last. It tries once (tries = 1) and knows
// one server, so it never moves on by itself.
//
// A connection that breaks ends every question of its channel, so UDP and TCP never share one:
// truncated replies come back as they are, for the owner to ask again on a channel of the other
// kind.
//
// What is done for it at its socket functions: sockets come from SocketLayer; datagrams without
// octets, or that are no replies, are taken out before it sees them (a datagram without octets
// would end all questions); replies that consist of a header alone, which it ignores, are handed
// over as errors; an IPv6 scope, which it does not know, is put into the address.
//
// Belongs to one worker's thread. Not to be destroyed from within a completion.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include <sys/socket.h>
#include <sys/uio.h>

#include "base/ip_address.h"
#include "base/metrics.h"
#include "base/socket_layer.h"
#include "resolver/wire/transport.h"

struct ares_channeldata;

namespace boost::asio {
class io_context;
}

namespace meshdns::dns {

enum class Edns : std::uint8_t { kYes, kNo };

// How one question ended.
struct ChannelReply {
  enum class Status : std::uint8_t { kMessage, kHeaderOnly, kTimeout, kNetworkError };
  Status status = Status::kNetworkError;
  std::span<const std::uint8_t> message;  // kMessage, kHeaderOnly; valid during the call
};

// Who asked. on_channel_reply() is called once per question unless the channel dies first, maybe
// from within send().
class ChannelClient {
 public:
  ChannelClient() = default;
  ChannelClient(const ChannelClient&) = delete;
  ChannelClient& operator=(const ChannelClient&) = delete;
  virtual ~ChannelClient() = default;
  virtual void on_channel_reply(const ChannelReply& reply) = 0;
};

class AresChannel {
 public:
  struct Options {
    SocketAddress server;
    Transport transport = Transport::kUdp;
    Edns edns = Edns::kYes;  // whether the questions sent here carry an OPT record; for UDP
    std::chrono::milliseconds timeout{0};
  };

  AresChannel(const Options& options, boost::asio::io_context& io, SocketLayer& sockets,
              Counter& mismatches);
  AresChannel(const AresChannel&) = delete;
  AresChannel& operator=(const AresChannel&) = delete;
  ~AresChannel();

  // Sends a query as it is. A client that goes away first resets its pointer.
  void send(std::span<const std::uint8_t> query, const std::shared_ptr<ChannelClient>& client);

  // Lets c-ares forget what is past its timeout; to be called now and then while in_flight() > 0.
  void expire();

  // Questions that c-ares holds, including those whose client is gone.
  [[nodiscard]] std::size_t in_flight() const { return pending_.size(); }
  // Questions sent from the present source port.
  [[nodiscard]] std::size_t sent_from_port() const { return sent_from_port_; }
  // c-ares met a server without EDNS and now cuts replies at 512 octets, for good: ask elsewhere.
  [[nodiscard]] bool worn_out() const { return worn_out_; }

 private:
  struct Pending;
  struct Watch;

  static void on_reply(void* arg, int status, int timeouts, unsigned char* message, int size);
  static void on_socket_state(void* data, int fd, int readable, int writable);
  static int open_socket(int domain, int type, int protocol, void* data);
  static int close_socket(int fd, void* data);
  static int connect_socket(int fd, const sockaddr* address, socklen_t length, void* data);
  static ssize_t receive(int fd, void* into, std::size_t size, int flags, sockaddr* from,
                         socklen_t* from_length, void* data);
  static ssize_t send_vector(int fd, const iovec* parts, int count, void* data);

  void wait_readable(const std::shared_ptr<Watch>& watch);
  void wait_writable(const std::shared_ptr<Watch>& watch);
  [[nodiscard]] bool take_datagram(std::span<const std::uint8_t> datagram);
  void note_lost_edns();

  Options options_;
  boost::asio::io_context& io_;
  SocketLayer& sockets_;
  Counter& mismatches_;
  ares_channeldata* channel_ = nullptr;
  std::map<int, std::shared_ptr<Watch>> watches_;
  std::vector<Pending*> pending_;  // owned by c-ares until its callback
  std::size_t sent_from_port_ = 0;
  bool worn_out_ = false;
};

}  // namespace meshdns::dns
