#include "resolver/server/event_ring.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "resolver/server/dns_event.h"

namespace meshdns::dns {
namespace {

constexpr std::size_t kOctets = 4096;

DnsEvent event_number(std::size_t number) {
  DnsEvent event;
  event.at = std::chrono::nanoseconds(number);
  return event;
}

// A message whose length and octets follow from its number.
std::vector<std::uint8_t> message_number(std::size_t number) {
  return std::vector<std::uint8_t>(number * 37 % 500, static_cast<std::uint8_t>(number));
}

bool is_number(const EventRing::Entry& entry, std::size_t number) {
  const auto want = message_number(number);
  return entry.event.at.count() == static_cast<std::int64_t>(number) &&
         std::vector<std::uint8_t>(entry.message.begin(), entry.message.end()) == want;
}

TEST(EventRing, GivesWhatWasPushedInItsOrderHoweverOftenItGoesRound) {
  EventRing ring(kOctets);
  EXPECT_FALSE(ring.front().has_value());
  std::size_t next = 0;
  for (std::size_t number = 0; number < 1000; ++number) {
    ring.push(event_number(number), message_number(number));
    if (number % 3 != 2) {
      continue;  // up to three wait
    }
    while (const auto entry = ring.front()) {
      ASSERT_TRUE(is_number(*entry, next)) << next;
      ring.pop();
      ++next;
    }
  }
  EXPECT_EQ(next, 999U);
  EXPECT_EQ(ring.dropped(), 0U);
}

TEST(EventRing, DropsAndCountsWhatHasNoRoomAndKeepsWhatItHas) {
  EventRing ring(kOctets);
  for (std::size_t number = 0; number < 1000; ++number) {
    ring.push(event_number(number), message_number(1));
  }
  std::size_t kept = 0;
  while (const auto entry = ring.front()) {
    EXPECT_EQ(entry->event.at.count(), static_cast<std::int64_t>(kept));
    ring.pop();
    ++kept;
  }
  EXPECT_GT(kept, 10U);
  EXPECT_EQ(kept + ring.dropped(), 1000U);
  ring.push(event_number(7), {});
  ASSERT_TRUE(ring.front().has_value());
  EXPECT_EQ(ring.front()->event.at.count(), 7);
}

TEST(EventRing, TakesNoMessageThatIsLongerThanItself) {
  EventRing ring(kOctets);
  ring.push(event_number(1), std::vector<std::uint8_t>(kOctets));
  EXPECT_FALSE(ring.front().has_value());
  EXPECT_EQ(ring.dropped(), 1U);
}

TEST(EventRing, IsForTwoThreads) {
  EventRing ring(kOctets);
  constexpr std::size_t kCount = 20'000;
  std::thread pusher([&ring] {
    for (std::size_t number = 0; number < kCount; ++number) {
      ring.push(event_number(number), message_number(number));
    }
    ring.push(event_number(kCount), {});
  });
  std::size_t taken = 0;
  std::int64_t last = -1;
  bool joined = false;
  while (true) {
    const auto entry = ring.front();
    if (!entry) {
      if (joined) {
        break;
      }
      std::this_thread::yield();
      if (ring.dropped() + taken >= kCount + 1) {
        pusher.join();
        joined = true;
      }
      continue;
    }
    const std::int64_t number = entry->event.at.count();
    ASSERT_GT(number, last);
    ASSERT_TRUE(number == static_cast<std::int64_t>(kCount) ||
                is_number(*entry, static_cast<std::size_t>(number)));
    last = number;
    ring.pop();
    ++taken;
  }
  EXPECT_EQ(taken + ring.dropped(), kCount + 1);
}

}  // namespace
}  // namespace meshdns::dns
