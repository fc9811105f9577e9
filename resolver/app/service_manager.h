// ServiceManager: what systemd, or whoever speaks its protocols, hands over and is told:
// sd_listen_fds(3) and sd_notify(3). Without NOTIFY_SOCKET every word is lost, which is fine.
//
// The thread of main.
#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/ip_address.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace meshdns::dns {

// A socket that was open when the program started.
struct InheritedSocket {
  UniqueFd fd;
  std::string name;  // of LISTEN_FDNAMES; may be empty
  SocketAddress address;
  bool is_stream = false;
};

// Those of LISTEN_FDS, if LISTEN_PID is this process. kInvalidArgument names a descriptor that is
// no UDP socket and no listening TCP socket, or takes IPv4 on an IPv6 wildcard address.
[[nodiscard]] Result<std::vector<InheritedSocket>> take_inherited_sockets();

class ServiceManager {
 public:
  // By NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID.
  [[nodiscard]] static ServiceManager from_environment();

  // Nobody is there.
  ServiceManager() = default;

  [[nodiscard]] bool is_there() const { return !path_.empty(); }
  // Lines such as "READY=1"; never waits.
  void tell(const std::string& lines, std::span<const int> descriptors = {}) const;
  void tell_reloading() const;
  // Keeps the sockets over a restart of this program, under a name that means `address`.
  void store(const SocketAddress& address, std::span<const int> descriptors) const;
  void forget(const SocketAddress& address) const;
  // Under which name store() keeps them.
  [[nodiscard]] static std::string store_name(const SocketAddress& address);
  [[nodiscard]] static bool is_store_name(const std::string& name);

  // How often it has to hear tell("WATCHDOG=1"): half of what it allows. Nothing: never.
  [[nodiscard]] std::optional<std::chrono::milliseconds> watchdog() const { return watchdog_; }

 private:
  std::string path_;  // '@' stands for an abstract one
  std::optional<std::chrono::milliseconds> watchdog_;
};

}  // namespace meshdns::dns
