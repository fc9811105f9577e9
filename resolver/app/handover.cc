#include "resolver/app/handover.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/clock.h"
#include "base/ip_address.h"
#include "base/log.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "resolver/app/descriptor_channel.h"
#include "resolver/app/keeper.h"
#include "resolver/app/keeper_message.h"
#include "resolver/server/listener.h"

namespace meshdns::dns {
namespace {

using std::chrono::seconds;

constexpr seconds kGreetingTime{2};
constexpr seconds kFreezeTime{10};
constexpr seconds kTakeTime{40};
constexpr seconds kSendTime{2};
// The predecessor's own times, and some.
constexpr seconds kSuccessorPatience{15};
// Nobody has more; a predecessor that sends on and on is none.
constexpr std::size_t kMostPairs = 65536;

Result<sockaddr_un> address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{} is too long for the name of a unix socket", path));
  }
  std::ranges::copy(path, std::begin(address.sun_path));
  return address;
}

const sockaddr* raw(const sockaddr_un& address) {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): the socket API's own idiom.
  return reinterpret_cast<const sockaddr*>(&address);
}

UniqueFd make_socket() {
  return UniqueFd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

// Whether the other end is root or ourselves.
bool is_trusted(int channel) {
  ucred peer{};
  socklen_t size = sizeof peer;
  return ::getsockopt(channel, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
         (peer.uid == 0 || peer.uid == ::geteuid() || ::geteuid() == 0);
}

Result<UniqueFd> connect_to(const std::string& path) {
  const auto address = address_of(path);
  if (!address) {
    return tl::unexpected(address.error());
  }
  UniqueFd channel = make_socket();
  if (!channel.valid() || ::connect(channel.get(), raw(*address), sizeof *address) != 0) {
    const ErrorCode code =
        errno == ENOENT || errno == ECONNREFUSED ? ErrorCode::kNotFound : ErrorCode::kNetwork;
    return fail(code, errno_error(errno, "cannot reach " + path).message);
  }
  if (!is_trusted(channel.get())) {
    return fail(ErrorCode::kPermissionDenied, path + " is served by another user");
  }
  return channel;
}

Result<void> take_pairs(const KeeperMessage& message, std::vector<UniqueFd> descriptors,
                        Predecessor& predecessor) {
  std::vector<Listener>& listeners = predecessor.sockets.listeners;
  if (descriptors.size() % 2 != 0 || listeners.size() > kMostPairs) {
    return fail(ErrorCode::kCorrupt, "sockets that are no pairs");
  }
  const bool goes_on = !listeners.empty() && listeners.back().configured == message.configured;
  if (!goes_on) {
    listeners.push_back({.configured = message.configured, .bound = message.bound, .sockets = {}});
  }
  for (std::size_t i = 0; i < descriptors.size(); i += 2) {
    listeners.back().sockets.push_back(
        {.udp = std::move(descriptors[i]), .tcp = std::move(descriptors[i + 1])});
  }
  return {};
}

// One message of the predecessor; true after the last.
Result<bool> take(Packet packet, Predecessor& predecessor) {
  if (packet.octets.empty()) {
    return fail(ErrorCode::kUnavailable, "it went away");
  }
  const auto message = decode_keeper_message(packet.octets);
  if (!message) {
    return tl::unexpected(message.error());
  }
  switch (message->kind) {
    case MessageKind::kRefused:
      return fail(ErrorCode::kUnavailable, "it says: " + escape_text(message->text));
    case MessageKind::kListener:
      return take_pairs(*message, std::move(packet.descriptors), predecessor).map([] {
        return false;
      });
    case MessageKind::kAdmin:
    case MessageKind::kLock: {
      if (packet.descriptors.size() != 1) {
        return fail(ErrorCode::kCorrupt, "a message without its descriptor");
      }
      UniqueFd& place =
          message->kind == MessageKind::kLock ? predecessor.lock : predecessor.sockets.admin;
      place = std::move(packet.descriptors.front());
      return false;
    }
    case MessageKind::kOffered:
      predecessor.has_table = message->number != 0;
      return true;
    default:
      return fail(ErrorCode::kCorrupt, "a message that has no place here");
  }
}

}  // namespace

std::string handover_socket(const std::string& state_directory) {
  return state_directory + "/handover.sock";
}

Result<void> send_listener(int channel, const Listener& listener, std::chrono::milliseconds wait) {
  const std::string octets = encode(
      {.kind = MessageKind::kListener, .configured = listener.configured, .bound = listener.bound});
  std::vector<int> descriptors;
  const auto send = [&] {
    auto sent = send_packet(channel, octets, descriptors, wait);
    descriptors.clear();
    return sent;
  };
  for (const SocketPair& pair : listener.sockets) {
    descriptors.insert(descriptors.end(), {pair.udp.get(), pair.tcp.get()});
    if (descriptors.size() == kMaxPacketDescriptors) {
      if (auto sent = send(); !sent) {
        return sent;
      }
    }
  }
  return descriptors.empty() ? Result<void>() : send();
}

Result<std::optional<Predecessor>> ask_predecessor(const std::string& state_directory) {
  const std::string path = handover_socket(state_directory);
  auto channel = connect_to(path);
  if (!channel) {
    if (channel.error().code == ErrorCode::kNotFound) {
      return std::optional<Predecessor>();
    }
    return tl::unexpected(std::move(channel.error()));
  }
  const std::string context = "cannot take over from the resolver behind " + path;
  Predecessor predecessor{.channel = std::move(*channel), .sockets = {}, .lock = {}};
  const int fd = predecessor.channel.get();
  if (auto sent = send_packet(fd, encode({.kind = MessageKind::kHello, .number = kHandoverVersion}),
                              {}, kSendTime);
      !sent) {
    return fail(context, std::move(sent.error()));
  }
  for (;;) {
    auto last = receive_packet(fd, kSuccessorPatience).and_then([&](Packet packet) {
      return take(std::move(packet), predecessor);
    });
    if (!last) {
      return fail(context, std::move(last.error()));
    }
    if (*last) {
      return std::optional(std::move(predecessor));
    }
  }
}

Result<void> HandoverServer::open(const std::string& state_directory) {
  const std::string path = handover_socket(state_directory);
  const auto address = address_of(path);
  if (!address) {
    return tl::unexpected(address.error());
  }
  UniqueFd socket = make_socket();
  ::unlink(path.c_str());
  const mode_t before = ::umask(S_IRWXG | S_IRWXO | S_IXUSR);
  const bool bound = socket.valid() && ::bind(socket.get(), raw(*address), sizeof *address) == 0;
  const int error = errno;
  ::umask(before);
  if (!bound || ::listen(socket.get(), 1) != 0) {
    return tl::unexpected(errno_error(bound ? errno : error, "cannot listen on " + path));
  }
  listener_ = std::move(socket);
  return {};
}

void HandoverServer::close() {
  listener_.reset();
  channel_.reset();
  phase_ = Phase::kIdle;
  deadline_.reset();
}

std::vector<int> HandoverServer::descriptors() const {
  std::vector<int> descriptors;
  for (const UniqueFd* const fd : {&listener_, &channel_}) {
    if (fd->valid()) {
      descriptors.push_back(fd->get());
    }
  }
  return descriptors;
}

void HandoverServer::on_readable(TimePoint now) {
  hear(now);
  accept(now);
}

void HandoverServer::hear(TimePoint now) {
  while (channel_.valid()) {
    const auto packet = receive_packet(channel_.get(), std::chrono::milliseconds(0));
    if (!packet && packet.error().code == ErrorCode::kUnavailable) {
      break;
    }
    if (!packet || packet->octets.empty()) {
      drop("the successor went away");
      break;
    }
    const auto message = decode_keeper_message(packet->octets);
    if (!message) {
      refuse(message.error().message);
      break;
    }
    on_message(*message, now);
  }
}

void HandoverServer::accept(TimePoint now) {
  for (;;) {
    UniqueFd channel(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!channel.valid()) {
      return;
    }
    if (!is_trusted(channel.get())) {
      continue;
    }
    // It may have gone a moment ago, before this one came.
    hear(now);
    if (!listener_.valid()) {
      return;
    }
    if (is_busy()) {
      const std::string octets = encode(
          {.kind = MessageKind::kRefused, .text = "another successor is taking over already"});
      static_cast<void>(send_packet(channel.get(), octets, {}, std::chrono::milliseconds(0)));
      continue;
    }
    channel_ = std::move(channel);
    phase_ = Phase::kGreeting;
    deadline_ = now + kGreetingTime;
  }
}

void HandoverServer::on_message(const KeeperMessage& message, TimePoint now) {
  if (phase_ == Phase::kGreeting && message.kind == MessageKind::kHello) {
    if (message.number != kHandoverVersion) {
      refuse(
          fmt::format("you speak version {} of the hand-over, I speak {}: stop me and start the "
                      "other",
                      message.number, kHandoverVersion));
      return;
    }
    phase_ = Phase::kFreezing;
    deadline_ = now + kFreezeTime;
    host_.freeze();
  } else if (phase_ == Phase::kOffered && message.kind == MessageKind::kTaken) {
    // Whether it hears that or not: it answers.
    static_cast<void>(send({.kind = MessageKind::kGone}));
    close();
    host_.hand_over();
  } else {
    refuse("that was not to be said now");
  }
}

void HandoverServer::on_frozen(const KeeperMessage& message, TimePoint now) {
  if (phase_ != Phase::kFreezing) {
    return;
  }
  if (!message.text.empty()) {
    refuse("the state folder could not be let go: " + message.text);
    return;
  }
  if (const auto sent = send_sockets(message.number); !sent) {
    refuse(sent.error().message);
    return;
  }
  phase_ = Phase::kOffered;
  deadline_ = now + kTakeTime;
}

Result<void> HandoverServer::send_sockets(std::uint32_t has_table) {
  const KeptSockets& sockets = host_.sockets();
  for (const Listener& listener : sockets.listeners) {
    if (auto sent = send_listener(channel_.get(), listener, kSendTime); !sent) {
      return sent;
    }
  }
  if (sockets.admin.valid()) {
    if (auto sent = send({.kind = MessageKind::kAdmin}, {sockets.admin.get()}); !sent) {
      return sent;
    }
  }
  if (host_.lock() >= 0) {
    if (auto sent = send({.kind = MessageKind::kLock}, {host_.lock()}); !sent) {
      return sent;
    }
  }
  return send({.kind = MessageKind::kOffered, .number = has_table});
}

Result<void> HandoverServer::send(const KeeperMessage& message, const std::vector<int>& fds) {
  return send_packet(channel_.get(), encode(message), fds, kSendTime);
}

void HandoverServer::on_time(TimePoint now) {
  if (deadline_ && now >= *deadline_) {
    refuse("that took too long");
  }
}

void HandoverServer::refuse(const std::string& reason) {
  const std::string octets = encode({.kind = MessageKind::kRefused, .text = reason});
  static_cast<void>(send_packet(channel_.get(), octets, {}, std::chrono::milliseconds(0)));
  drop(reason);
}

void HandoverServer::drop(const std::string& reason) {
  const bool frozen = phase_ == Phase::kFreezing || phase_ == Phase::kOffered;
  channel_.reset();
  phase_ = Phase::kIdle;
  deadline_.reset();
  if (frozen) {
    host_.go_on(reason);
  }
}

}  // namespace meshdns::dns
