#include "resolver/app/descriptor_channel.h"

#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <poll.h>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include <sys/socket.h>
#include <sys/uio.h>

#include "base/result.h"
#include "base/unique_fd.h"

namespace meshdns::dns {
namespace {

constexpr std::size_t kControlOctets = CMSG_SPACE(kMaxPacketDescriptors * sizeof(int));

struct Control {
  alignas(cmsghdr) std::array<char, kControlOctets> octets{};
};

bool wait_for(int channel, short events, std::chrono::milliseconds wait) {
  pollfd entry{.fd = channel, .events = events, .revents = 0};
  int ready = 0;
  do {
    ready = ::poll(&entry, 1, static_cast<int>(wait.count()));
  } while (ready < 0 && errno == EINTR);
  return ready > 0;
}

std::vector<UniqueFd> descriptors_of(msghdr& message) {
  std::vector<UniqueFd> descriptors;
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) {
      continue;
    }
    const std::size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(header) + i * sizeof fd, sizeof fd);
      descriptors.emplace_back(fd);
    }
  }
  return descriptors;
}

}  // namespace

Result<std::pair<UniqueFd, UniqueFd>> make_channel() {
  std::array<int, 2> ends{-1, -1};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) != 0) {
    return tl::unexpected(errno_error(errno, "cannot make a pair of sockets"));
  }
  return std::pair{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

Result<void> send_packet(int channel, std::string_view octets, std::span<const int> descriptors,
                         std::chrono::milliseconds wait) {
  iovec part{.iov_base = const_cast<char*>(octets.data()), .iov_len = octets.size()};
  Control control;
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (!descriptors.empty()) {
    message.msg_control = control.octets.data();
    message.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(descriptors.size_bytes());
    std::memcpy(CMSG_DATA(header), descriptors.data(), descriptors.size_bytes());
  }
  for (;;) {
    if (::sendmsg(channel, &message, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0) {
      return {};
    }
    if (errno == EINTR) {
      continue;
    }
    if (errno != EAGAIN) {
      return fail(ErrorCode::kNetwork, errno_error(errno, "cannot send a packet").message);
    }
    if (wait.count() == 0 || !wait_for(channel, POLLOUT, wait)) {
      return fail(ErrorCode::kUnavailable, "the peer does not read");
    }
  }
}

Result<Packet> receive_packet(int channel, std::chrono::milliseconds wait) {
  Packet packet;
  packet.octets.resize(kMaxPacketOctets);
  for (;;) {
    iovec part{.iov_base = packet.octets.data(), .iov_len = packet.octets.size()};
    Control control;
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.octets.data();
    message.msg_controllen = control.octets.size();
    const ssize_t count = ::recvmsg(channel, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (count >= 0) {
      packet.octets.resize(static_cast<std::size_t>(count));
      packet.descriptors = descriptors_of(message);
      if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
        return fail(ErrorCode::kCorrupt, "a packet is longer than any of ours");
      }
      return packet;
    }
    if (errno == EINTR) {
      continue;
    }
    if (errno == ECONNRESET) {
      packet.octets.clear();
      return packet;
    }
    if (errno != EAGAIN) {
      return fail(ErrorCode::kNetwork, errno_error(errno, "cannot receive a packet").message);
    }
    if (wait.count() == 0 || !wait_for(channel, POLLIN, wait)) {
      return fail(ErrorCode::kUnavailable, "the peer says nothing");
    }
  }
}

}  // namespace meshdns::dns
