// A DnsServer on free ports with a table of its own, for tests that talk to it through sockets.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/clock.h"
#include "base/ip_address.h"
#include "base/log.h"
#include "base/metrics.h"
#include "resolver/cache/answer_cache.h"
#include "resolver/forward/metrics.h"
#include "resolver/resolve/metrics.h"
#include "resolver/server/dns_server.h"
#include "resolver/server/listener.h"
#include "resolver/server/metrics.h"
#include "resolver/snapshot/snapshot_builder.h"
#include "resolver/snapshot/snapshot_holder.h"
#include "tests/support/dns_client.h"
#include "tests/support/faulty_socket_layer.h"
#include "tests/support/manual_clock.h"

namespace meshdns::dns {

// The zone mesh. holds backend.mesh (244.0.0.1) and many.mesh (100 addresses).
class ServerFixture : public ::testing::Test {
 protected:
  ServerFixture();

  // Quick to notice timeouts; the clock itself stands still until a test moves it.
  [[nodiscard]] static DnsServer::Options default_options();
  void start(const DnsServer::Options& options = default_options(),
             const std::vector<std::string>& addresses = {"127.0.0.1"});
  // Publishes name -> address.
  void publish(const std::string& name, const std::string& address);

  // The first listen address, or with another IP.
  [[nodiscard]] SocketAddress server() const { return server_->addresses().at(0); }
  [[nodiscard]] SocketAddress server_at(const std::string& ip) const;
  [[nodiscard]] std::string metrics() const { return registry_.render(); }

  // The addresses in the answer to an A question, "rcode" when there are none, "silence" without
  // a reply.
  [[nodiscard]] std::string ask(
      const std::string& name, support::DnsTransport transport = support::DnsTransport::kUdp) const;

  // Instead of one per worker.
  std::size_t sockets_to_bind_ = 0;
  // For faults, which the server meets until it is gone.
  std::atomic<int> fault_error_{0};
  std::atomic<int> fault_count_{0};
  support::FaultySocketLayer sockets_;
  support::ManualClock clock_;
  std::unique_ptr<Logs> logs_;
  MetricRegistry registry_;
  ServerMetrics server_metrics_{registry_};
  ForwardMetrics forward_metrics_{registry_};
  ResolveMetrics resolve_metrics_{registry_};
  AnswerCache cache_{{}, HashKey{}};
  std::unique_ptr<SnapshotBuilder> builder_;
  std::unique_ptr<SnapshotHolder> snapshots_;
  std::unique_ptr<OwnListeners> listeners_;
  std::unique_ptr<DnsServer> server_;
};

}  // namespace meshdns::dns
