#include "resolver/forward/ares_channel.h"

#include <algorithm>
#include <ares.h>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/ip_address.h"
#include "base/metrics.h"
#include "base/socket_layer.h"
#include "resolver/wire/protocol.h"
#include "resolver/wire/transport.h"
#include "resolver/wire/upstream_reply.h"

namespace meshdns::dns {
namespace {

// Datagrams to look at for one that c-ares may see, before other sockets get their turn.
constexpr int kMaxSkippedDatagrams = 32;

// ares_library_init() is not thread-safe; a local static is.
void initialise_library() {
  static const int kStatus = ares_library_init(ARES_LIB_INIT_ALL);
  static_cast<void>(kStatus);
}

ares_addr_port_node server_node(const SocketAddress& server) {
  ares_addr_port_node node{};
  node.family = server.ip.is_v4() ? AF_INET : AF_INET6;
  const auto octets = server.ip.octets();
  std::memcpy(&node.addr, octets.data(), octets.size());
  node.udp_port = server.port;
  node.tcp_port = server.port;
  return node;
}

std::uint16_t read_u16(std::span<const std::uint8_t> octets, std::size_t offset) {
  return static_cast<std::uint16_t>(octets[offset] << 8U | octets[offset + 1]);
}

}  // namespace

// A question inside c-ares.
struct AresChannel::Pending {
  AresChannel& channel;
  std::uint16_t id;
  std::shared_ptr<ChannelClient> client;  // null once it has its reply
};

// A socket inside c-ares, known to the reactor. Outlives its socket while a wait is open.
struct AresChannel::Watch {
  Watch(boost::asio::io_context& io, int fd) : descriptor(io, fd) {}
  boost::asio::posix::stream_descriptor descriptor;
  bool open = true;
  bool waits_writable = false;
};

AresChannel::AresChannel(const Options& options, boost::asio::io_context& io, SocketLayer& sockets,
                         Counter& mismatches)
    : options_(options), io_(io), sockets_(sockets), mismatches_(mismatches) {
  initialise_library();
  // Everything is said here, so that c-ares reads no file of the system's.
  in_addr placeholder{};
  std::string lookups = "b";
  std::string no_file = "/dev/null";
  ares_options settings{};
  // NOCHECKRESP: SERVFAIL, NOTIMP and REFUSED are for the policy to judge. EDNS: replies over UDP
  // are cut at ednspsz octets rather than at 512.
  settings.flags = ARES_FLAG_NOCHECKRESP | ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES;
  if (options.transport == Transport::kTcp) {
    settings.flags |= ARES_FLAG_USEVC;
  } else {
    settings.flags |= ARES_FLAG_IGNTC | (options.edns == Edns::kYes ? ARES_FLAG_EDNS : 0);
  }
  settings.ednspsz = kOurUdpPayloadOctets;
  settings.timeout = static_cast<int>(options.timeout.count());
  settings.tries = 1;
  settings.ndots = 1;
  settings.servers = &placeholder;
  settings.nservers = 1;
  settings.lookups = lookups.data();
  settings.resolvconf_path = no_file.data();
  settings.sock_state_cb = on_socket_state;
  settings.sock_state_cb_data = this;
  const int mask = ARES_OPT_FLAGS | ARES_OPT_EDNSPSZ | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES |
                   ARES_OPT_NDOTS | ARES_OPT_SERVERS | ARES_OPT_DOMAINS | ARES_OPT_LOOKUPS |
                   ARES_OPT_SORTLIST | ARES_OPT_NOROTATE | ARES_OPT_RESOLVCONF |
                   ARES_OPT_SOCK_STATE_CB;
  if (ares_init_options(&channel_, &settings, mask) != ARES_SUCCESS) {
    channel_ = nullptr;  // out of memory: every send() fails as a network error
    return;
  }
  static const ares_socket_functions kFunctions = {open_socket, close_socket, connect_socket,
                                                   receive, send_vector};
  ares_set_socket_functions(channel_, &kFunctions, this);
  ares_addr_port_node node = server_node(options.server);
  if (ares_set_servers_ports(channel_, &node) != ARES_SUCCESS) {
    ares_destroy(channel_);
    channel_ = nullptr;
  }
}

AresChannel::~AresChannel() {
  for (Pending* pending : pending_) {
    pending->client.reset();
  }
  if (channel_ != nullptr) {
    ares_destroy(channel_);  // closes its sockets and frees what is pending, through our callbacks
  }
}

void AresChannel::send(std::span<const std::uint8_t> query,
                       const std::shared_ptr<ChannelClient>& client) {
  if (channel_ == nullptr) {
    client->on_channel_reply({});
    return;
  }
  auto pending = std::make_unique<Pending>(Pending{*this, read_u16(query, 0), client});
  if (pending_.empty()) {
    sent_from_port_ = 0;
  }
  ++sent_from_port_;
  pending_.push_back(pending.get());
  ares_send(channel_, query.data(), static_cast<int>(query.size()), on_reply, pending.release());
}

void AresChannel::expire() {
  if (channel_ != nullptr) {
    ares_process_fd(channel_, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
  }
}

void AresChannel::on_reply(void* arg, int status, int /*timeouts*/, unsigned char* message,
                           int size) {
  const std::unique_ptr<Pending> pending(static_cast<Pending*>(arg));
  AresChannel& self = pending->channel;
  std::erase(self.pending_, pending.get());
  if (!pending->client) {
    return;
  }
  ChannelReply reply;
  if (status == ARES_SUCCESS) {
    reply = {ChannelReply::Status::kMessage, {message, static_cast<std::size_t>(size)}};
    if (self.options_.transport == Transport::kUdp && self.options_.edns == Edns::kYes &&
        !inspect_reply(reply.message).has_edns) {
      self.note_lost_edns();
    }
  } else if (status == ARES_ETIMEOUT) {
    reply.status = ChannelReply::Status::kTimeout;
  }
  pending->client->on_channel_reply(reply);
}

void AresChannel::note_lost_edns() {
  ares_options settings{};
  int mask = 0;
  if (ares_save_options(channel_, &settings, &mask) == ARES_SUCCESS) {
    worn_out_ = worn_out_ || (settings.flags & ARES_FLAG_EDNS) == 0;
  }
  ares_destroy_options(&settings);
}

int AresChannel::open_socket(int domain, int type, int protocol, void* data) {
  AresChannel& self = *static_cast<AresChannel*>(data);
  const int fd = self.sockets_.socket(domain, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
  if (fd < 0) {
    return ARES_SOCKET_BAD;
  }
  const int on = 1;
  if (type == SOCK_STREAM) {
    self.sockets_.setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  try {
    self.watches_[fd] = std::make_shared<Watch>(self.io_, fd);
  } catch (const boost::system::system_error&) {  // the reactor cannot take it: ENOMEM, ENOSPC
    self.watches_.erase(fd);
    self.sockets_.close(fd);
    return ARES_SOCKET_BAD;
  }
  return fd;
}

int AresChannel::close_socket(int fd, void* data) {
  AresChannel& self = *static_cast<AresChannel*>(data);
  if (const auto found = self.watches_.find(fd); found != self.watches_.end()) {
    found->second->open = false;
    found->second->descriptor.release();  // ends the waits
    self.watches_.erase(found);
  }
  return self.sockets_.close(fd);
}

int AresChannel::connect_socket(int fd, const sockaddr* /*address*/, socklen_t /*length*/,
                                void* data) {
  AresChannel& self = *static_cast<AresChannel*>(data);
  sockaddr_storage storage{};
  const auto size = static_cast<socklen_t>(self.options_.server.to_sockaddr(storage));
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): the socket API's own idiom.
  const int result = self.sockets_.connect(fd, reinterpret_cast<const sockaddr*>(&storage), size);
  const int error = errno;
  const auto watch = self.watches_.find(fd);
  if (watch != self.watches_.end() && (result == 0 || error == EINPROGRESS)) {
    self.wait_readable(watch->second);
  }
  errno = error;
  return result;
}

ssize_t AresChannel::receive(int fd, void* into, std::size_t size, int flags, sockaddr* from,
                             socklen_t* from_length, void* data) {
  AresChannel& self = *static_cast<AresChannel*>(data);
  if (from == nullptr) {  // how c-ares reads TCP
    return self.sockets_.recvfrom(fd, into, size, flags, nullptr, nullptr);
  }
  for (int skipped = 0; skipped < kMaxSkippedDatagrams; ++skipped) {
    const ssize_t received = self.sockets_.recvfrom(fd, into, size, flags, from, from_length);
    if (received < 0) {
      return received;
    }
    if (!self.take_datagram(
            {static_cast<const std::uint8_t*>(into), static_cast<std::size_t>(received)})) {
      return received;
    }
  }
  errno = EAGAIN;  // the wait that follows fires at once
  return -1;
}

// True when c-ares must not see it: it is no reply, or was a header alone that has been dealt with.
bool AresChannel::take_datagram(std::span<const std::uint8_t> datagram) {
  if (datagram.size() < kHeaderOctets) {
    mismatches_.add();
    return true;
  }
  const std::uint16_t flags = read_u16(datagram, 2);
  const std::uint16_t id = read_u16(datagram, 0);
  const auto match =
      std::ranges::find_if(pending_, [id](const Pending* pending) { return pending->id == id; });
  if ((flags & flag::kResponse) == 0 || (flags & flag::kOpcodeMask) != 0 ||
      match == pending_.end()) {
    mismatches_.add();
    return true;
  }
  // Old servers refuse with a bare header what they do not understand, EDNS above all.
  if (read_u16(datagram, 4) == 0 && (flags & flag::kRcodeMask) != 0) {
    if (const auto client = std::move((*match)->client)) {
      client->on_channel_reply({ChannelReply::Status::kHeaderOnly, datagram});
    }
    return true;
  }
  return false;
}

ssize_t AresChannel::send_vector(int fd, const iovec* parts, int count, void* data) {
  AresChannel& self = *static_cast<AresChannel*>(data);
  msghdr message{};
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-const-cast): sendmsg does not write there.
  message.msg_iov = const_cast<iovec*>(parts);
  message.msg_iovlen = static_cast<std::size_t>(count);
  return self.sockets_.sendmsg(fd, &message, MSG_NOSIGNAL);
}

void AresChannel::on_socket_state(void* data, int fd, int /*readable*/, int writable) {
  AresChannel& self = *static_cast<AresChannel*>(data);
  const auto watch = self.watches_.find(fd);
  if (writable != 0 && watch != self.watches_.end()) {
    self.wait_writable(watch->second);
  }
}

// The handlers may use `this`: the channel closes its sockets before it dies, which clears `open`.
void AresChannel::wait_readable(const std::shared_ptr<Watch>& watch) {
  watch->descriptor.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                               [this, watch](const boost::system::error_code& /*error*/) {
                                 if (!watch->open) {
                                   return;
                                 }
                                 ares_process_fd(channel_, watch->descriptor.native_handle(),
                                                 ARES_SOCKET_BAD);
                                 if (watch->open) {
                                   wait_readable(watch);
                                 }
                               });
}

void AresChannel::wait_writable(const std::shared_ptr<Watch>& watch) {
  if (std::exchange(watch->waits_writable, true)) {
    return;
  }
  watch->descriptor.async_wait(
      boost::asio::posix::stream_descriptor::wait_write,
      [this, watch](const boost::system::error_code& /*error*/) {
        watch->waits_writable = false;
        if (!watch->open) {
          return;
        }
        const int fd = watch->descriptor.native_handle();
        ares_process_fd(channel_, ARES_SOCKET_BAD, fd);
        // Unsent octets keep the interest: getsock tells.
        std::array<ares_socket_t, 2> open_sockets{};
        const int bits = ares_getsock(channel_, open_sockets.data(), 2);
        for (int i = 0; i < 2; ++i) {
          const bool wants = (static_cast<unsigned>(bits) >> (i + ARES_GETSOCK_MAXNUM) & 1U) != 0;
          if (watch->open && wants && open_sockets.at(static_cast<std::size_t>(i)) == fd) {
            wait_writable(watch);
          }
        }
      });
}

}  // namespace meshdns::dns
