// Addresses as plain values: IpAddress, IpPrefix, SocketAddress. No socket is touched here.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

struct sockaddr;
struct sockaddr_storage;  // NOLINT(readability-identifier-naming): of the system

namespace meshdns {

enum class IpFamily : std::uint8_t { kV4, kV6 };

// One IPv4 or IPv6 address. IPv4-mapped IPv6 addresses stay what they are until unmapped() is
// called.
class IpAddress {
 public:
  IpAddress() = default;  // 0.0.0.0
  // `octets` in network order: 4 for IPv4, 16 for IPv6. Any other length is a defect of the caller.
  explicit IpAddress(std::span<const std::uint8_t> octets);

  // Accepts what inet_pton accepts, nothing else (no scope, no brackets, no port).
  [[nodiscard]] static std::optional<IpAddress> parse(std::string_view text);

  [[nodiscard]] IpFamily family() const { return family_; }
  [[nodiscard]] bool is_v4() const { return family_ == IpFamily::kV4; }
  // Network order: 4 or 16 octets, valid as long as the address.
  [[nodiscard]] std::span<const std::uint8_t> octets() const {
    return {octets_.data(), is_v4() ? 4U : 16U};
  }
  [[nodiscard]] bool is_loopback() const;     // 127.0.0.0/8, ::1
  [[nodiscard]] bool is_unspecified() const;  // 0.0.0.0, ::
  // ::ffff:a.b.c.d as a.b.c.d; every other address unchanged.
  [[nodiscard]] IpAddress unmapped() const;
  [[nodiscard]] std::string to_string() const;  // RFC 5952 form

  friend auto operator<=>(const IpAddress&, const IpAddress&) = default;

 private:
  IpFamily family_ = IpFamily::kV4;
  std::array<std::uint8_t, 16> octets_{};  // unused octets are zero, so that comparison is plain
};

// An address block, e.g. 244.0.0.0/6. Host bits are always zero.
class IpPrefix {
 public:
  IpPrefix() = default;
  // Fails when `length` exceeds the family's bits or host bits are set.
  [[nodiscard]] static Result<IpPrefix> create(const IpAddress& base, unsigned length);
  // "ADDRESS/LENGTH", or a bare address as a block of one.
  [[nodiscard]] static Result<IpPrefix> parse(std::string_view text);

  [[nodiscard]] const IpAddress& base() const { return base_; }
  [[nodiscard]] unsigned length() const { return length_; }
  [[nodiscard]] bool contains(const IpAddress& address) const;
  [[nodiscard]] std::string to_string() const;

  friend auto operator<=>(const IpPrefix&, const IpPrefix&) = default;

 private:
  IpAddress base_;
  unsigned length_ = 32;
};

// Where a socket is or sends: address, port and, for link-local IPv6, the interface index.
struct SocketAddress {
  IpAddress ip;
  std::uint16_t port = 0;
  std::uint32_t scope_id = 0;

  // "1.2.3.4:53", "[::1]:53", "[fe80::1%eth0]:53". Without a port, `default_port` is taken; 0 makes
  // it required. A scope is kept only where it means something, at link-local addresses.
  [[nodiscard]] static Result<SocketAddress> parse(std::string_view text,
                                                   std::uint16_t default_port = 0);
  [[nodiscard]] static std::optional<SocketAddress> from_sockaddr(const sockaddr& address);
  // Fills `storage` and returns the length for bind() and friends.
  [[nodiscard]] std::size_t to_sockaddr(sockaddr_storage& storage) const;
  [[nodiscard]] std::string to_string() const;

  friend auto operator<=>(const SocketAddress&, const SocketAddress&) = default;
};

}  // namespace meshdns

template <>
struct std::hash<meshdns::IpAddress> {
  std::size_t operator()(const meshdns::IpAddress& address) const noexcept;
};
