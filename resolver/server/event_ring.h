// EventRing: events and their messages on the way from one worker to the thread that writes them.
// Hot path.
//
// A ring of octets, in which each entry lies in one piece: its size, the event, the message. One
// thread pushes, one takes; neither waits for the other nor allocates. Where there is no room, what
// comes is dropped and counted.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "resolver/server/dns_event.h"

namespace meshdns::dns {

class EventRing {
 public:
  struct Entry {
    DnsEvent event;
    std::span<const std::uint8_t> message;
  };

  // `octets` is a power of two. An entry takes its message and some 120 octets.
  explicit EventRing(std::size_t octets);
  EventRing(const EventRing&) = delete;
  EventRing& operator=(const EventRing&) = delete;
  ~EventRing() = default;

  // The worker's thread.
  void push(const DnsEvent& event, std::span<const std::uint8_t> message);

  // The other thread: the oldest entry, whose message is valid until pop(); nothing while empty.
  [[nodiscard]] std::optional<Entry> front();
  void pop();

  // Any thread.
  [[nodiscard]] std::uint64_t dropped() const { return dropped_.load(std::memory_order_relaxed); }

 private:
  // Before every entry; entries begin at multiples of its size.
  struct Header {
    std::uint32_t octets = 0;          // of the entry with its header, rounded up
    std::uint32_t message_octets = 0;  // kFiller: nothing, up to the ring's end
  };
  static constexpr std::uint32_t kFiller = UINT32_MAX;
  static constexpr std::size_t kLine = 64;  // of the processor's cache: one thread's each

  [[nodiscard]] std::uint8_t* at(std::uint64_t position) const {
    return octets_.get() + (position & (size_ - 1));
  }
  [[nodiscard]] bool has_room(std::uint64_t written, std::size_t octets);

  // Octets so far; places in the ring are these modulo its size.
  alignas(kLine) std::atomic<std::uint64_t> written_{0};
  const std::size_t size_;
  const std::unique_ptr<std::uint8_t[]> octets_;  // NOLINT(modernize-avoid-c-arrays): not zeroed
  std::uint64_t known_read_ = 0;                  // the pusher's last look at read_
  std::atomic<std::uint64_t> dropped_{0};
  alignas(kLine) std::atomic<std::uint64_t> read_{0};
};

}  // namespace meshdns::dns
