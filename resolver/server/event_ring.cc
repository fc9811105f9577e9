#include "resolver/server/event_ring.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>

#include "resolver/server/dns_event.h"

namespace meshdns::dns {

EventRing::EventRing(std::size_t octets)
    : size_(octets),
      // NOLINTNEXTLINE(modernize-avoid-c-arrays): not zeroed
      octets_(std::make_unique_for_overwrite<std::uint8_t[]>(octets)) {}

bool EventRing::has_room(std::uint64_t written, std::size_t octets) {
  if (written + octets - known_read_ <= size_) {
    return true;
  }
  known_read_ = read_.load(std::memory_order_acquire);
  return written + octets - known_read_ <= size_;
}

void EventRing::push(const DnsEvent& event, std::span<const std::uint8_t> message) {
  constexpr std::size_t kUnit = sizeof(Header);
  const std::size_t octets =
      (sizeof(Header) + sizeof(DnsEvent) + message.size() + kUnit - 1) / kUnit * kUnit;
  std::uint64_t written = written_.load(std::memory_order_relaxed);
  const std::size_t to_end = size_ - (written & (size_ - 1));
  const std::size_t filler = octets > to_end ? to_end : 0;
  if (!has_room(written, filler + octets)) {
    // One writer: no read-modify-write, which would lock the bus.
    dropped_.store(dropped_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    return;
  }
  if (filler != 0) {
    const Header header{.octets = static_cast<std::uint32_t>(filler), .message_octets = kFiller};
    std::memcpy(at(written), &header, sizeof header);
    written += filler;
  }
  const Header header{.octets = static_cast<std::uint32_t>(octets),
                      .message_octets = static_cast<std::uint32_t>(message.size())};
  std::uint8_t* const place = at(written);
  std::memcpy(place, &header, sizeof header);
  std::memcpy(place + sizeof header, &event, sizeof event);
  if (!message.empty()) {
    std::memcpy(place + sizeof header + sizeof event, message.data(), message.size());
  }
  written_.store(written + octets, std::memory_order_release);
}

std::optional<EventRing::Entry> EventRing::front() {
  std::uint64_t read = read_.load(std::memory_order_relaxed);
  const std::uint64_t written = written_.load(std::memory_order_acquire);
  while (read != written) {
    Header header;
    std::memcpy(&header, at(read), sizeof header);
    if (header.message_octets == kFiller) {
      read += header.octets;
      read_.store(read, std::memory_order_release);
      continue;
    }
    const std::uint8_t* const place = at(read) + sizeof header;
    Entry entry;
    std::memcpy(&entry.event, place, sizeof entry.event);
    entry.message = {place + sizeof entry.event, header.message_octets};
    return entry;
  }
  return std::nullopt;
}

void EventRing::pop() {
  const std::uint64_t read = read_.load(std::memory_order_relaxed);
  Header header;
  std::memcpy(&header, at(read), sizeof header);
  read_.store(read + header.octets, std::memory_order_release);
}

}  // namespace meshdns::dns
