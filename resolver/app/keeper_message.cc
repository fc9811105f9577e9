#include "resolver/app/keeper_message.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/ip_address.h"
#include "base/result.h"

namespace meshdns::dns {
namespace {

constexpr std::size_t kMaxTextOctets = 2048;
constexpr std::uint8_t kFamilyV4 = 4;
constexpr std::uint8_t kFamilyV6 = 6;
constexpr std::size_t kOctetsV4 = 4;
constexpr std::size_t kOctetsV6 = 16;

template <typename Number>
void put(std::string& out, Number number) {
  for (int shift = std::numeric_limits<Number>::digits - 8; shift >= 0; shift -= 8) {
    out.push_back(static_cast<char>(static_cast<std::uint8_t>(number >> shift)));
  }
}

void put(std::string& out, const SocketAddress& address) {
  out.push_back(static_cast<char>(address.ip.is_v4() ? kFamilyV4 : kFamilyV6));
  for (const std::uint8_t octet : address.ip.octets()) {
    out.push_back(static_cast<char>(octet));
  }
  put(out, address.port);
  put(out, address.scope_id);
}

// Takes octets from the front; a failure stays.
class Reader {
 public:
  explicit Reader(std::string_view octets) : rest_(octets) {}

  template <typename Number>
  Number number() {
    Number value = 0;
    for (const char octet : take(sizeof(Number))) {
      value = static_cast<Number>((value << 8U) | static_cast<std::uint8_t>(octet));
    }
    return value;
  }
  SocketAddress address() {
    const auto family = number<std::uint8_t>();
    if (family != kFamilyV4 && family != kFamilyV6) {
      failed_ = true;
    }
    std::array<std::uint8_t, kOctetsV6> octets{};
    const std::string_view text = take(family == kFamilyV4 ? kOctetsV4 : kOctetsV6);
    std::ranges::copy(text, octets.begin());
    SocketAddress address;
    if (!failed_) {
      address.ip = IpAddress(std::span<const std::uint8_t>(octets).first(text.size()));
    }
    address.port = number<std::uint16_t>();
    address.scope_id = number<std::uint32_t>();
    return address;
  }
  std::string text() { return std::string(take(number<std::uint16_t>())); }
  [[nodiscard]] bool is_whole() const { return !failed_ && rest_.empty(); }

 private:
  std::string_view take(std::size_t count) {
    if (failed_ || rest_.size() < count) {
      failed_ = true;
      return {};
    }
    const std::string_view taken = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return taken;
  }

  std::string_view rest_;
  bool failed_ = false;
};

std::optional<MessageKind> kind_of(std::uint8_t number) {
  const bool known = (number >= static_cast<std::uint8_t>(MessageKind::kHello) &&
                      number <= static_cast<std::uint8_t>(MessageKind::kGone)) ||
                     (number >= static_cast<std::uint8_t>(MessageKind::kBeat) &&
                      number <= static_cast<std::uint8_t>(MessageKind::kAsks)) ||
                     (number >= static_cast<std::uint8_t>(MessageKind::kBound) &&
                      number <= static_cast<std::uint8_t>(MessageKind::kBegin));
  return known ? std::optional(static_cast<MessageKind>(number)) : std::nullopt;
}

}  // namespace

std::string encode(const KeeperMessage& message) {
  std::string out;
  put(out, static_cast<std::uint8_t>(message.kind));
  put(out, message.number);
  put(out, message.configured);
  put(out, message.bound);
  const std::string_view text = std::string_view(message.text).substr(0, kMaxTextOctets);
  put(out, static_cast<std::uint16_t>(text.size()));
  out += text;
  return out;
}

Result<KeeperMessage> decode_keeper_message(std::string_view octets) {
  Reader reader(octets);
  KeeperMessage message;
  const auto kind = kind_of(reader.number<std::uint8_t>());
  message.number = reader.number<std::uint32_t>();
  message.configured = reader.address();
  message.bound = reader.address();
  message.text = reader.text();
  if (!kind || !reader.is_whole() || message.text.size() > kMaxTextOctets) {
    return fail(ErrorCode::kCorrupt, "a message that is none of ours");
  }
  message.kind = *kind;
  return message;
}

}  // namespace meshdns::dns
