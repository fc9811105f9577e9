#include "bench/replayed_sockets.h"

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <utility>

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "bench/answer_check.h"

namespace meshdns::bench {
namespace {

constexpr std::size_t kFirstPort = 20'000;

}  // namespace

int ReplayedSockets::recvmmsg(int fd, mmsghdr* messages, unsigned count, int flags) {
  if (asked_ >= options_.queries) {
    // What woke the server is taken off now, so that it sleeps.
    std::array<std::uint8_t, 1> octet{};
    real_.recvfrom(fd, octet.data(), octet.size(), flags, nullptr, nullptr);
    if (!std::exchange(is_done_, true)) {
      done_.set_value();
    }
    errno = EAGAIN;
    return -1;
  }
  for (mmsghdr& message : std::span(messages, count)) {
    put_query(message);
  }
  asked_ += count;
  return static_cast<int>(count);
}

// The id is the query's place in the series.
void ReplayedSockets::put_query(mmsghdr& message) {
  const auto query = series_[index_].octets;
  auto* const octets = static_cast<std::uint8_t*>(message.msg_hdr.msg_iov->iov_base);
  std::memcpy(octets, query.data(), query.size());
  octets[0] = static_cast<std::uint8_t>(index_ >> 8U);
  octets[1] = static_cast<std::uint8_t>(index_);
  message.msg_len = static_cast<unsigned>(query.size());
  message.msg_hdr.msg_controllen = 0;
  sockaddr_in client{};
  client.sin_family = AF_INET;
  client.sin_port = htons(static_cast<std::uint16_t>(kFirstPort + client_));
  client.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::memcpy(message.msg_hdr.msg_name, &client, sizeof client);
  message.msg_hdr.msg_namelen = sizeof client;
  index_ = index_ + 1 == series_.size() ? 0 : index_ + 1;
  if (++of_burst_ == options_.burst) {
    of_burst_ = 0;
    client_ = client_ + 1 == options_.clients ? 0 : client_ + 1;
  }
}

int ReplayedSockets::sendmmsg(int /*fd*/, mmsghdr* messages, unsigned count, int /*flags*/) {
  for (const mmsghdr& message : std::span(messages, count)) {
    if (answered_ < options_.judged) {
      judge(message);
    }
    answered_ += message.msg_hdr.msg_iovlen;  // a datagram each, however they are grouped
  }
  return static_cast<int>(count);
}

void ReplayedSockets::judge(const mmsghdr& message) {
  for (const iovec& part : std::span(message.msg_hdr.msg_iov, message.msg_hdr.msg_iovlen)) {
    const std::span answer(static_cast<const std::uint8_t*>(part.iov_base), part.iov_len);
    const std::size_t index =
        answer.size() < 2 ? series_.size() : static_cast<std::size_t>(answer[0]) << 8U | answer[1];
    check_.judge(index < series_.size() ? series_[index] : AskedQuery{}, answer);
  }
}

}  // namespace meshdns::bench
