// Reads resolv.conf(5): which servers to ask, and how. Input is as untrusted as a packet.
//
// Ours rather than c-ares': an empty file means no servers and never 127.0.0.1 (which may be us), a
// scope (`fe80::1%eth0`) is kept, and only whole addresses count (`1.2.3` is none). What is not
// understood is skipped with a warning; nothing fails.
//
// `options` are read and checked, but they steer a stub: how a forwarder asks is its own
// configuration's to say (upstreams.timeout and so on), whatever file the servers stand in.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file_system.h"
#include "base/ip_address.h"
#include "base/result.h"

namespace meshdns::dns {

struct ResolvConf {
  // In the file's order, without duplicates; the port is 53 unless given as `[ADDRESS]:PORT`.
  std::vector<SocketAddress> servers;
  // `options`, within the bounds of resolv.conf(5).
  std::optional<std::chrono::seconds> timeout;
  std::optional<unsigned> attempts;
  std::optional<unsigned> ndots;
  bool rotate = false;
  bool edns0 = false;
  bool trust_ad = false;
  // One sentence each, with the line's number; at most kMaxResolvConfWarnings and a last one that
  // counts the rest.
  std::vector<std::string> warnings;
};

inline constexpr std::size_t kMaxResolvConfBytes = std::size_t{1} << 20U;
inline constexpr std::size_t kMaxResolvConfLineBytes = 4096;
inline constexpr std::size_t kMaxResolvConfServers = 8;
inline constexpr std::size_t kMaxResolvConfWarnings = 16;

// Text longer than kMaxResolvConfBytes is not looked at: no servers and a warning.
[[nodiscard]] ResolvConf parse_resolv_conf(std::string_view text);

// Reads and parses a file. Fails when it cannot be read or names no usable server; the message then
// holds the parser's warnings.
[[nodiscard]] Result<ResolvConf> load_resolv_conf(FileSystem& files, const std::string& path);

}  // namespace meshdns::dns
