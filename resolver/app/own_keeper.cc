#include "resolver/app/own_keeper.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "base/ip_address.h"
#include "base/result.h"
#include "base/socket_layer.h"
#include "resolver/app/keeper.h"
#include "resolver/app/service_manager.h"
#include "resolver/server/listener.h"

namespace meshdns::dns {

OwnKeeper::OwnKeeper(KeptSockets sockets, SocketLayer& layer, ServiceManager manager)
    : sockets_(std::move(sockets)),
      own_(layer, sockets_.workers),
      manager_(std::move(manager)),
      beats_(std::size_t{1} + sockets_.workers) {
  for (const Listener& listener : sockets_.listeners) {
    store(manager_, listener);
  }
}

KeptSockets OwnKeeper::take_sockets() { return std::exchange(sockets_, {}); }

std::chrono::milliseconds OwnKeeper::beat_interval() const {
  // Twice as often as the service manager wants to hear of all threads together.
  return manager_.watchdog().value_or(std::chrono::milliseconds(0)) / 2;
}

void OwnKeeper::beat(std::size_t thread) {
  beats_.at(thread).fetch_add(1, std::memory_order_relaxed);
  // The control thread speaks for all, once all are well.
  if (thread != 0 || std::ranges::any_of(beats_, [](const auto& count) { return count == 0; })) {
    return;
  }
  for (auto& count : beats_) {
    count = 0;
  }
  manager_.tell("WATCHDOG=1");
}

void OwnKeeper::tell(Event event) {
  switch (event) {
    case Event::kServing:
    case Event::kReloaded:
    case Event::kNotReloaded:
      manager_.tell("READY=1");
      break;
    case Event::kReloading:
      manager_.tell_reloading();
      break;
    case Event::kStopping:
      manager_.tell("STOPPING=1");
      break;
  }
}

Result<BoundListeners> OwnKeeper::bind(std::span<const ListenAddress> addresses) {
  auto bound = own_.bind(addresses);
  if (bound) {
    for (const Listener& listener : bound->listeners) {
      store(manager_, listener);
    }
  }
  return bound;
}

void OwnKeeper::release(const SocketAddress& configured) { manager_.forget(configured); }

void store(const ServiceManager& manager, const Listener& listener) {
  if (!manager.is_there()) {
    return;
  }
  std::vector<int> descriptors;
  for (const SocketPair& pair : listener.sockets) {
    descriptors.insert(descriptors.end(), {pair.udp.get(), pair.tcp.get()});
  }
  manager.store(listener.configured, descriptors);
}

}  // namespace meshdns::dns
