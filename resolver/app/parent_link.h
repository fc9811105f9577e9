// ParentLink: the resolver's end of the channel to its parent process.
//
// Control thread, but for beat(). A parent that does not answer within some seconds makes bind()
// fail; one that has gone takes the resolver with it (PR_SET_PDEATHSIG).
#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <optional>
#include <span>
#include <string>

#include "base/ip_address.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "resolver/app/keeper.h"
#include "resolver/app/keeper_message.h"
#include "resolver/server/listener.h"

namespace meshdns::dns {

class ParentLink final : public Keeper {
 public:
  struct Options {
    KeptSockets sockets;
    Beginning beginning = Beginning::kAtOnce;
    std::chrono::milliseconds beat_interval{0};
  };

  ParentLink(Options options, UniqueFd channel);

  [[nodiscard]] KeptSockets take_sockets() override;
  [[nodiscard]] Beginning beginning() const override { return options_.beginning; }
  [[nodiscard]] std::chrono::milliseconds beat_interval() const override {
    return options_.beat_interval;
  }
  void beat(std::size_t thread) override;
  void tell(Event event) override;
  void keep_resolv_conf(const std::string& text) override;
  [[nodiscard]] int descriptor() const override { return channel_.get(); }
  [[nodiscard]] std::optional<Request> next_request() override;
  void tell_frozen(const Result<void>& result, Table table) override;
  [[nodiscard]] Result<BoundListeners> bind(std::span<const ListenAddress> addresses) override;
  void release(const SocketAddress& configured) override;

 private:
  void send(const KeeperMessage& message);
  [[nodiscard]] Result<Listener> bind_one(const SocketAddress& address);

  Options options_;
  UniqueFd channel_;
  std::deque<Request> requests_;  // that came while bind() waited
};

}  // namespace meshdns::dns
