#include "bench/load_socket.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <span>
#include <utility>

#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/ip_address.h"
#include "base/result.h"
#include "base/socket_layer.h"
#include "base/unique_fd.h"
#include "bench/query_stream.h"

namespace meshdns::bench {
namespace {

constexpr int kSocketBufferBytes = 4 << 20;

Instant arrival_of(msghdr& message) {
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_TIMESTAMPNS) {
      timespec at{};
      std::memcpy(&at, CMSG_DATA(header), sizeof at);
      return Instant(std::chrono::seconds(at.tv_sec) + std::chrono::nanoseconds(at.tv_nsec));
    }
  }
  return Clock::now();
}

}  // namespace

Result<LoadSocket> LoadSocket::open(const SocketAddress& server, std::size_t slots,
                                    Arrivals arrivals) {
  PosixSocketLayer layer;
  sockaddr_storage storage{};
  const auto length = static_cast<socklen_t>(server.to_sockaddr(storage));
  UniqueFd fd(layer.socket(storage.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) {
    return tl::unexpected(errno_error(errno, "socket"));
  }
  for (const int name : {SO_RCVBUF, SO_SNDBUF}) {
    layer.setsockopt(fd.get(), SOL_SOCKET, name, &kSocketBufferBytes, sizeof kSocketBufferBytes);
  }
  const int on = 1;
  if (arrivals == Arrivals::kTold &&
      layer.setsockopt(fd.get(), SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on) != 0) {
    return tl::unexpected(errno_error(errno, "SO_TIMESTAMPNS"));
  }
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): how sockets take addresses.
  if (layer.connect(fd.get(), reinterpret_cast<const sockaddr*>(&storage), length) != 0) {
    return tl::unexpected(errno_error(errno, "connect to " + server.to_string()));
  }
  return LoadSocket(std::move(fd), slots, arrivals);
}

LoadSocket::LoadSocket(UniqueFd fd, std::size_t slots, Arrivals arrivals)
    : fd_(std::move(fd)),
      slots_(slots),
      buffers_(std::min(slots, kReceiveBatch)),
      controls_(arrivals == Arrivals::kTold ? buffers_.size() : 0) {
  for (std::size_t i = slots; i > 0; --i) {
    free_.push_back(static_cast<std::uint16_t>(i - 1));
    slots_[i - 1].id = static_cast<std::uint16_t>(i - 1);
  }
}

bool LoadSocket::send(QueryBatch& batch, Instant asked_at) {
  for (std::size_t i = 0; i < batch.count; ++i) {
    const Slot& slot = slots_[free_[free_.size() - 1 - i]];
    const auto query = batch.query(i);
    query[0] = static_cast<std::uint8_t>(slot.id >> 8U);
    query[1] = static_cast<std::uint8_t>(slot.id & 0xffU);
  }
  iovec vector{.iov_base = batch.octets.data(), .iov_len = batch.count * batch.query_octets};
  alignas(cmsghdr) std::array<std::uint8_t, CMSG_SPACE(sizeof(std::uint16_t))> control{};
  msghdr message{};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  if (batch.count > 1) {
    // One system call, `count` datagrams: udp(7), UDP_SEGMENT.
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_UDP;
    header->cmsg_type = UDP_SEGMENT;
    header->cmsg_len = CMSG_LEN(sizeof(std::uint16_t));
    const auto segment = static_cast<std::uint16_t>(batch.query_octets);
    std::memcpy(CMSG_DATA(header), &segment, sizeof segment);
  }
  if (sendmsg(fd_.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
    return false;
  }
  for (std::size_t i = 0; i < batch.count; ++i) {
    Slot& slot = slots_[free_.back()];
    free_.pop_back();
    slot.busy = true;
    slot.kind = batch.kinds[i];
    slot.name = batch.names[i];
    slot.size = static_cast<std::uint16_t>(batch.query_octets);
    slot.asked_at = asked_at;
    std::ranges::copy(batch.query(i), slot.octets.begin());
  }
  return true;
}

std::size_t LoadSocket::receive_datagrams() {
  std::array<iovec, kReceiveBatch> vectors;  // as many as there are buffers are set
  std::array<mmsghdr, kReceiveBatch> messages;
  for (std::size_t i = 0; i < buffers_.size(); ++i) {
    vectors[i] = {.iov_base = buffers_[i].data(), .iov_len = kDatagramOctets};
    messages[i] = {};
    messages[i].msg_hdr.msg_iov = &vectors[i];
    messages[i].msg_hdr.msg_iovlen = 1;
    if (!controls_.empty()) {
      messages[i].msg_hdr.msg_control = controls_[i].octets.data();
      messages[i].msg_hdr.msg_controllen = controls_[i].octets.size();
    }
  }
  const int received = recvmmsg(fd_.get(), messages.data(), static_cast<unsigned>(buffers_.size()),
                                MSG_DONTWAIT, nullptr);
  const std::size_t count = received > 0 ? static_cast<std::size_t>(received) : 0;
  for (std::size_t i = 0; i < count; ++i) {
    sizes_[i] = static_cast<std::uint16_t>(messages[i].msg_len);
    if (!controls_.empty()) {
      came_at_[i] = arrival_of(messages[i].msg_hdr);
    }
  }
  return count;
}

std::span<const std::uint8_t> LoadSocket::datagram(std::size_t i) const {
  return std::span(buffers_[i]).first(sizes_[i]);
}

LoadSocket::Slot* LoadSocket::awaited(std::span<const std::uint8_t> answer) {
  if (answer.size() < 2) {
    return nullptr;
  }
  const std::size_t id = static_cast<std::size_t>(answer[0]) << 8U | answer[1];
  Slot& slot = slots_[id % slots_.size()];
  return slot.busy && slot.id == id ? &slot : nullptr;
}

void LoadSocket::release(Slot& slot) {
  free_.push_back(static_cast<std::uint16_t>(slot.id % slots_.size()));
  slot.id = static_cast<std::uint16_t>(slot.id + slots_.size());
  slot.busy = false;
}

std::size_t LoadSocket::expire(Instant limit) {
  std::size_t expired = 0;
  for (Slot& slot : slots_) {
    if (slot.busy && slot.asked_at < limit) {
      release(slot);
      ++expired;
    }
  }
  return expired;
}

}  // namespace meshdns::bench
