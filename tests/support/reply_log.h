// The replies that the clients of a test program took, and a second decoder that reads them all.
//
// Clients call log_reply() with every reply of ours; it keeps each message once, from any thread,
// and only where a SecondDecoder was installed.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace meshdns::support {

void log_reply(std::span<const std::uint8_t> message);

// What dnspython finds wrong with these messages, each with its octets; empty when nothing.
[[nodiscard]] std::string dnspython_on(const std::vector<std::vector<std::uint8_t>>& messages);

// Has dnspython decode all replies once the program's tests have run, and fails the program where
// it cannot: testing::AddGlobalTestEnvironment(new SecondDecoder).
class SecondDecoder : public testing::Environment {
 public:
  // NOLINTBEGIN(readability-identifier-naming): GoogleTest's names
  void SetUp() override;
  void TearDown() override;
  // NOLINTEND(readability-identifier-naming)
};

}  // namespace meshdns::support
