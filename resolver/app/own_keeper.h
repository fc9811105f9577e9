// OwnKeeper: this process holds its sockets itself (`--no-supervise`), as under a service manager
// that restarts it. It tells the service manager what happens, and that every thread is well.
//
// Control thread, but for beat().
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/ip_address.h"
#include "base/result.h"
#include "base/socket_layer.h"
#include "resolver/app/keeper.h"
#include "resolver/app/service_manager.h"
#include "resolver/server/listener.h"

namespace meshdns::dns {

class OwnKeeper final : public Keeper {
 public:
  OwnKeeper(KeptSockets sockets, SocketLayer& layer, ServiceManager manager);

  [[nodiscard]] KeptSockets take_sockets() override;
  [[nodiscard]] Beginning beginning() const override { return Beginning::kAtOnce; }
  [[nodiscard]] std::chrono::milliseconds beat_interval() const override;
  void beat(std::size_t thread) override;
  void tell(Event event) override;
  void keep_resolv_conf(const std::string& /*text*/) override {}  // nobody comes after it
  [[nodiscard]] int descriptor() const override { return -1; }
  [[nodiscard]] std::optional<Request> next_request() override { return std::nullopt; }
  void tell_frozen(const Result<void>& /*result*/, Table /*table*/) override {}
  [[nodiscard]] Result<BoundListeners> bind(std::span<const ListenAddress> addresses) override;
  void release(const SocketAddress& configured) override;

 private:
  KeptSockets sockets_;
  OwnListeners own_;
  ServiceManager manager_;
  std::vector<std::atomic<std::uint32_t>> beats_;  // since the last word to the service manager
};

// Gives the sockets to the service manager, which keeps them over a restart.
void store(const ServiceManager& manager, const Listener& listener);

}  // namespace meshdns::dns
