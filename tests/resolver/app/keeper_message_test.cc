#include "resolver/app/keeper_message.h"

#include <cstddef>
#include <string>

#include <gtest/gtest.h>

#include "base/ip_address.h"
#include "resolver/app/descriptor_channel.h"

namespace meshdns::dns {
namespace {

KeeperMessage full() {
  return {.kind = MessageKind::kListener,
          .number = 0x01020304,
          .configured = SocketAddress::parse("127.0.0.1:53").value(),
          .bound = {.ip = IpAddress::parse("fe80::1").value(), .port = 5353, .scope_id = 7},
          .text = "why not"};
}

TEST(KeeperMessage, IsReadAsItWasWritten) {
  const KeeperMessage message = full();
  const auto read = decode_keeper_message(encode(message));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(*read, message);
}

// What hello and its refusal are made of stays, so that any two versions understand each other.
TEST(KeeperMessage, HelloIsTheseOctetsForGood) {
  std::string octets("\x01\x00\x00\x00\x01", 5);
  for (int i = 0; i < 2; ++i) {
    octets += std::string("\x04\0\0\0\0\0\0\0\0\0\0", 11);
  }
  octets += std::string("\0\0", 2);
  EXPECT_EQ(encode({.kind = MessageKind::kHello, .number = 1}), octets);
}

TEST(KeeperMessage, IsRefusedWhenCutOrLonger) {
  const std::string whole = encode(full());
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(decode_keeper_message(whole.substr(0, size))) << size;
  }
  EXPECT_FALSE(decode_keeper_message(whole + "x"));
}

TEST(KeeperMessage, IsRefusedWithAKindOrAFamilyThatIsNone) {
  for (const char kind : {'\0', '\x09', '\x0f', '\x19', '\x1f', '\x23', '\xff'}) {
    std::string octets = encode(full());
    octets[0] = kind;
    EXPECT_FALSE(decode_keeper_message(octets)) << static_cast<int>(kind);
  }
  std::string octets = encode(full());
  octets[5] = '\x05';
  EXPECT_FALSE(decode_keeper_message(octets));
}

TEST(KeeperMessage, FitsIntoAPacketWhateverItsText) {
  KeeperMessage message = full();
  message.text.assign(100'000, 'x');
  const std::string octets = encode(message);
  EXPECT_LE(octets.size(), kMaxPacketOctets);
  EXPECT_TRUE(decode_keeper_message(octets));
}

}  // namespace
}  // namespace meshdns::dns
