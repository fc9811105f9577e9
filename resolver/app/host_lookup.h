// HostLookup: the addresses of a host name, for the control plane's address alone. Asks the same
// servers as forwarding does, by UDP or TCP as that does, but for those of TLS, and never this
// resolver; /etc/hosts counts, search lists do not.
//
// Control thread. The asking runs on a thread of its own (c-ares, a few seconds at most), since it
// happens at start and after losses only; the answer comes back as a task of the control loop.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/ip_address.h"
#include "base/result.h"
#include "resolver/app/control_loop.h"
#include "resolver/forward/upstream_server.h"

namespace meshdns::dns {

class HostLookup {
 public:
  using OnAddresses = std::function<void(Result<std::vector<IpAddress>>)>;

  explicit HostLookup(ControlLoop& loop);
  HostLookup(const HostLookup&) = delete;
  HostLookup& operator=(const HostLookup&) = delete;
  ~HostLookup();  // ends the thread within a tenth of a second; no callback afterwards

  // One at a time: a call while one is under way is ignored. `done` is called once, never from
  // within start(). No addresses is an error.
  void start(const std::string& host, const std::vector<UpstreamServer>& servers, OnAddresses done);
  [[nodiscard]] bool is_running() const { return task_ != nullptr; }

 private:
  struct Task;
  ControlLoop& loop_;
  std::shared_ptr<Task> task_;
  std::thread thread_;
};

}  // namespace meshdns::dns
