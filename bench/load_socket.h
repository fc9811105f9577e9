// One connected UDP socket of the load generator, with the queries whose answers it awaits.
//
// An id is generation * slots + slot, so that an answer is matched without a search and a late one
// of an earlier generation is told apart. One thread.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <span>
#include <vector>

#include <sys/socket.h>

#include "base/ip_address.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "bench/answer_check.h"
#include "bench/query_stream.h"

namespace meshdns::bench {

// Of the clock that the kernel's arrival times are of; a run in which it is set is spoilt.
using Clock = std::chrono::system_clock;
using Instant = Clock::time_point;

// Whether the kernel tells when a datagram has come (socket(7), SO_TIMESTAMPNS).
enum class Arrivals : std::uint8_t { kUntold, kTold };

class LoadSocket {
 public:
  // `slots`, a power of two up to 4096, bounds the queries in flight.
  [[nodiscard]] static Result<LoadSocket> open(const SocketAddress& server, std::size_t slots,
                                               Arrivals arrivals);

  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] std::size_t free_slots() const { return free_.size(); }
  [[nodiscard]] std::size_t in_flight() const { return slots_.size() - free_.size(); }

  // Sends the whole batch in one system call and remembers it as asked at `asked_at`. The caller
  // has made sure of free slots. False: the socket did not take it, nothing was sent.
  [[nodiscard]] bool send(QueryBatch& batch, Instant asked_at);

  // Takes one batch of datagrams off the socket; on_answer(AskedQuery, Instant asked_at, Instant
  // came_at, octets) for each that is awaited. `came_at` is nothing where arrivals are not told.
  // Returns how many datagrams there were.
  template <typename OnAnswer>
  std::size_t receive(const OnAnswer& on_answer) {
    const std::size_t count = receive_datagrams();
    for (std::size_t i = 0; i < count; ++i) {
      const std::span<const std::uint8_t> answer = datagram(i);
      if (Slot* slot = awaited(answer); slot != nullptr) {
        on_answer(slot->asked(), slot->asked_at, came_at_[i], answer);
        release(*slot);
      }
    }
    return count;
  }

  // Gives up on what was asked before `limit`; returns how many.
  std::size_t expire(Instant limit);

 private:
  static constexpr std::size_t kReceiveBatch = 64;
  static constexpr std::size_t kDatagramOctets = 2048;

  struct Slot {
    std::uint16_t id = 0;
    bool busy = false;
    QueryKind kind = QueryKind::kA;
    std::uint16_t size = 0;
    std::uint32_t name = kNoName;
    Instant asked_at;
    std::array<std::uint8_t, kMaxQueryOctets> octets{};

    [[nodiscard]] AskedQuery asked() const {
      return {.kind = kind, .name = name, .octets = std::span(octets).first(size)};
    }
  };

  struct Control {
    alignas(cmsghdr) std::array<std::uint8_t, CMSG_SPACE(sizeof(timespec))> octets;
  };

  LoadSocket(UniqueFd fd, std::size_t slots, Arrivals arrivals);

  std::size_t receive_datagrams();
  [[nodiscard]] std::span<const std::uint8_t> datagram(std::size_t i) const;
  [[nodiscard]] Slot* awaited(std::span<const std::uint8_t> answer);
  void release(Slot& slot);

  UniqueFd fd_;
  std::vector<Slot> slots_;
  std::vector<std::uint16_t> free_;  // indices, used as a stack
  std::vector<std::array<std::uint8_t, kDatagramOctets>> buffers_;
  std::vector<Control> controls_;  // as many as buffers, or none where arrivals are not told
  std::array<std::uint16_t, kReceiveBatch> sizes_{};
  std::array<Instant, kReceiveBatch> came_at_{};
};

}  // namespace meshdns::bench
