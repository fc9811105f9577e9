#include "resolver/server/datagram_batch.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <utility>

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/ip_address.h"
#include "base/socket_layer.h"
#include "resolver/server/datagram_sender.h"
#include "resolver/wire/protocol.h"
#include "resolver/wire/query.h"

namespace meshdns::dns {
namespace {

// Turns the "sent to" of a received datagram into the "send from" of its reply, in place.
void prepare_control(msghdr& header) {
  cmsghdr* const control = CMSG_FIRSTHDR(&header);
  if (control == nullptr) {
    return;
  }
  if (control->cmsg_level == IPPROTO_IP && control->cmsg_type == IP_PKTINFO) {
    in_pktinfo info{};
    std::memcpy(&info, CMSG_DATA(control), sizeof info);
    info.ipi_ifindex = 0;  // routing decides; ipi_spec_dst is the source
    std::memcpy(CMSG_DATA(control), &info, sizeof info);
  } else if (control->cmsg_level == IPPROTO_IPV6 && control->cmsg_type == IPV6_PKTINFO) {
    in6_pktinfo info{};
    std::memcpy(&info, CMSG_DATA(control), sizeof info);
    if (!IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr)) {
      info.ipi6_ifindex = 0;
    }
    std::memcpy(CMSG_DATA(control), &info, sizeof info);
  } else {
    header.msg_controllen = 0;
  }
}

}  // namespace

struct DatagramBatch::Slot {
  std::array<std::uint8_t, kMaxOctets> octets;
  DatagramPeer peer;
  iovec part;
  Query query;
};

DatagramBatch::DatagramBatch(DatagramSender::Grouping grouping)
    : slots_(std::make_unique<std::array<Slot, kMaxDatagrams>>()), sender_(grouping) {
  for (std::size_t i = 0; i < kMaxDatagrams; ++i) {
    Slot& slot = (*slots_)[i];
    msghdr& header = received_[i].msg_hdr;
    header.msg_name = &slot.peer.address;
    header.msg_iov = &slot.part;
    header.msg_iovlen = 1;
    header.msg_control = slot.peer.control.data();
    slot.part.iov_base = slot.octets.data();
  }
}

DatagramBatch::~DatagramBatch() = default;

std::size_t DatagramBatch::receive(SocketLayer& sockets, int fd) {
  make_room();
  const int count = sockets.recvmmsg(fd, received_.data(), kMaxDatagrams, MSG_DONTWAIT);
  received_count_ = count > 0 ? static_cast<std::size_t>(count) : 0;
  return received_count_;
}

// Only where the last batch was: what lies behind has kept its room, and one that comes alone, as
// most do where little is asked, costs no walk over all.
void DatagramBatch::make_room() {
  reply_count_ = 0;
  for (std::size_t i = 0; i < received_count_; ++i) {
    msghdr& header = received_[i].msg_hdr;
    header.msg_namelen = sizeof(sockaddr_storage);
    header.msg_controllen = DatagramPeer::kControlOctets;
    (*slots_)[i].part.iov_len = kMaxOctets;
  }
}

std::span<const std::uint8_t> DatagramBatch::request(std::size_t index) const {
  return std::span((*slots_)[index].octets).first(received_[index].msg_len);
}

SocketAddress DatagramPeer::socket_address() const {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): the socket API's own idiom.
  return SocketAddress::from_sockaddr(reinterpret_cast<const sockaddr&>(address))
      .value_or(SocketAddress{});
}

SocketAddress DatagramBatch::client(std::size_t index) const {
  return (*slots_)[index].peer.socket_address();
}

const DatagramPeer& DatagramBatch::peer(std::size_t index) {
  msghdr& header = received_[index].msg_hdr;
  prepare_control(header);
  DatagramPeer& peer = (*slots_)[index].peer;
  peer.address_size = header.msg_namelen;
  peer.control_size = header.msg_controllen;
  return peer;
}

Query& DatagramBatch::query(std::size_t index) { return (*slots_)[index].query; }

std::span<std::uint8_t> DatagramBatch::response_buffer(std::size_t index) {
  return (*slots_)[index].octets;
}

void DatagramBatch::add_reply(std::size_t index, std::size_t size) {
  (*slots_)[index].part.iov_len = size;
  mmsghdr& reply = replies_[reply_count_++];
  reply = received_[index];
  prepare_control(reply.msg_hdr);
}

std::span<const std::uint8_t> DatagramBatch::last_reply() const {
  const iovec& part = *replies_[reply_count_ - 1].msg_hdr.msg_iov;
  return {static_cast<const std::uint8_t*>(part.iov_base), part.iov_len};
}

DatagramSender::Result DatagramBatch::send(SocketLayer& sockets, int fd) {
  const std::size_t count = reply_count_;
  reply_count_ = 0;
  return sender_.send(sockets, fd, std::span(replies_).first(count));
}

DatagramQueue::DatagramQueue() : octets_(kMaxMessageOctets) {
  for (std::size_t i = 0; i < kMaxDatagrams; ++i) {
    msghdr& header = messages_[i].msg_hdr;
    header.msg_name = &slots_[i].peer.address;
    header.msg_iov = &slots_[i].part;
    header.msg_iovlen = 1;
  }
}

DatagramQueue::~DatagramQueue() = default;

bool DatagramQueue::add(const DatagramPeer& peer, std::span<const std::uint8_t> octets) {
  if (count_ == kMaxDatagrams || octets.size() > octets_.size() - used_) {
    return false;
  }
  Slot& slot = slots_[count_];
  slot.peer = peer;
  slot.part = {.iov_base = octets_.data() + used_, .iov_len = octets.size()};
  std::memcpy(slot.part.iov_base, octets.data(), octets.size());
  used_ += octets.size();
  msghdr& header = messages_[count_++].msg_hdr;
  header.msg_namelen = peer.address_size;
  header.msg_control = peer.control_size == 0 ? nullptr : slot.peer.control.data();
  header.msg_controllen = peer.control_size;
  return true;
}

DatagramSender::Result DatagramQueue::send(SocketLayer& sockets, int fd) {
  used_ = 0;
  return sender_.send(sockets, fd, std::span(messages_).first(std::exchange(count_, 0)));
}

}  // namespace meshdns::dns
