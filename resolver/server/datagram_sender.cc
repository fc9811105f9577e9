#include "resolver/server/datagram_sender.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/socket_layer.h"

namespace meshdns::dns {
namespace {

bool are_equal(const void* left, std::size_t left_size, const void* right, std::size_t right_size) {
  return left_size == right_size && (left_size == 0 || std::memcmp(left, right, left_size) == 0);
}

// To the same client from the same address of ours.
bool go_one_way(const msghdr& left, const msghdr& right) {
  return are_equal(left.msg_name, left.msg_namelen, right.msg_name, right.msg_namelen) &&
         are_equal(left.msg_control, left.msg_controllen, right.msg_control, right.msg_controllen);
}

// Calls `refused` for a message that the kernel refuses, and goes on behind it.
template <typename Refused>
DatagramSender::Result send_each(SocketLayer& sockets, int fd, std::span<mmsghdr> messages,
                                 Refused refused) {
  DatagramSender::Result result;
  for (std::size_t at = 0; at < messages.size();) {
    const auto rest = messages.subspan(at);
    const int sent = sockets.sendmmsg(fd, rest.data(), static_cast<unsigned>(rest.size()),
                                      MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0) {
      for (const mmsghdr& message : rest.first(static_cast<std::size_t>(sent))) {
        result.sent += message.msg_hdr.msg_iovlen;
      }
      at += static_cast<std::size_t>(sent);
    } else if (errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM) {
      for (const mmsghdr& message : rest) {
        result.no_room += message.msg_hdr.msg_iovlen;  // waiting would hold up all other clients
      }
      return result;
    } else if (errno != EINTR) {
      const DatagramSender::Result apart = refused(at++);
      result.sent += apart.sent;
      result.no_room += apart.no_room;
      result.failed += apart.failed;
    }
  }
  return result;
}

DatagramSender::Result send_each(SocketLayer& sockets, int fd, std::span<mmsghdr> messages) {
  return send_each(sockets, fd, messages,
                   [](std::size_t /*at*/) { return DatagramSender::Result{.failed = 1}; });
}

// A kernel that does not would send a group as one datagram.
bool knows_segments(SocketLayer& sockets, int fd) {
  const int none = 0;
  return sockets.setsockopt(fd, SOL_UDP, UDP_SEGMENT, &none, sizeof none) == 0;
}

}  // namespace

DatagramSender::Result DatagramSender::send(SocketLayer& sockets, int fd,
                                            std::span<mmsghdr> messages) {
  if (grouping_ == Grouping::kNone || messages.size() < 2 || !group(messages)) {
    return send_each(sockets, fd, messages);
  }
  if (!segments_) {
    segments_ = knows_segments(sockets, fd);
  }
  if (!*segments_) {
    return send_each(sockets, fd, messages);
  }
  write_groups(messages);
  return send_each(sockets, fd, std::span(grouped_).first(count_),
                   [&](std::size_t index) { return send_apart(sockets, fd, messages, index); });
}

bool DatagramSender::group(std::span<const mmsghdr> messages) {
  count_ = 0;
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const std::size_t place = group_of(messages, i);
    if (place == count_) {
      groups_[count_++] = {.first = i, .octets = messages[i].msg_hdr.msg_iov->iov_len};
    }
    ++groups_[place].count;
    membership_[i] = static_cast<std::uint8_t>(place);
  }
  return count_ < messages.size();
}

// count_ where it begins one.
std::size_t DatagramSender::group_of(std::span<const mmsghdr> messages, std::size_t index) {
  const msghdr& message = messages[index].msg_hdr;
  const std::size_t octets = message.msg_iov->iov_len;
  if (octets == 0 || octets > kMaxSegmentOctets || message.msg_controllen > kMaxControlOctets) {
    return count_;
  }
  const auto known = std::span(groups_).first(count_);
  const auto found = std::ranges::find_if(known, [&](const Group& group) {
    return group.octets == octets && go_one_way(messages[group.first].msg_hdr, message);
  });
  return static_cast<std::size_t>(found - known.begin());
}

void DatagramSender::write_groups(std::span<const mmsghdr> messages) {
  std::size_t end = 0;
  for (std::size_t i = 0; i < count_; ++i) {
    grouped_[i] = messages[groups_[i].first];
    msghdr& header = grouped_[i].msg_hdr;
    header.msg_iov = &parts_[end];
    header.msg_iovlen = 0;
    end += groups_[i].count;
    if (groups_[i].count > 1) {
      add_segment_size(i);
    }
  }
  for (std::size_t i = 0; i < messages.size(); ++i) {
    msghdr& header = grouped_[membership_[i]].msg_hdr;
    header.msg_iov[header.msg_iovlen++] = *messages[i].msg_hdr.msg_iov;
  }
}

void DatagramSender::add_segment_size(std::size_t index) {
  Group& group = groups_[index];
  msghdr& header = grouped_[index].msg_hdr;
  const std::size_t before = header.msg_controllen == 0 ? 0 : CMSG_ALIGN(header.msg_controllen);
  if (header.msg_controllen != 0) {
    std::memcpy(group.control.data(), header.msg_control, header.msg_controllen);
  }
  const cmsghdr control{
      .cmsg_len = CMSG_LEN(sizeof(std::uint16_t)), .cmsg_level = SOL_UDP, .cmsg_type = UDP_SEGMENT};
  const auto size = static_cast<std::uint16_t>(group.octets);
  std::memcpy(group.control.data() + before, &control, sizeof control);
  std::memcpy(group.control.data() + before + CMSG_LEN(0), &size, sizeof size);
  header.msg_control = group.control.data();
  header.msg_controllen = before + CMSG_SPACE(sizeof size);
}

DatagramSender::Result DatagramSender::send_apart(SocketLayer& sockets, int fd,
                                                  std::span<mmsghdr> messages, std::size_t index) {
  std::array<mmsghdr, kMaxDatagrams> members{};
  std::size_t count = 0;
  for (std::size_t i = 0; i < messages.size(); ++i) {
    if (membership_[i] == index) {
      members[count++] = messages[i];
    }
  }
  return count == 1 ? Result{.failed = 1} : send_each(sockets, fd, std::span(members).first(count));
}

}  // namespace meshdns::dns
