// Dataplanes that register themselves: the workload's end of a stream brings its Dataplane in its
// node's metadata (`dataplane.resource`, as Kuma's does), and it counts for as long as the stream
// lasts, and a while longer, in which another stream may take its place.
//
// admit() and what it returns belong to any thread; everything else, the store included, to the
// control thread.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/log.h"
#include "base/result.h"
#include "discovery/control/dataplane_store.h"
#include "discovery/dataplane.h"
#include "discovery/xds/node.h"

namespace meshdns::discovery {

class Registrations {
 public:
  struct Options {
    std::string zone;  // the control plane's
    // How long a dataplane stays that has no stream any more.
    std::chrono::milliseconds deregistration_delay{10'000};
  };

  // References outlive the object, which outlives every stream. `on_change` is called after each
  // commit.
  Registrations(Options options, boost::asio::io_context& io, DataplaneStore& store, Logger& logger,
                std::function<void()> on_change);
  Registrations(const Registrations&) = delete;
  Registrations& operator=(const Registrations&) = delete;
  ~Registrations() = default;

  // Registers the node's dataplane, until what is returned is let go of; null where it brings none.
  // kInvalidArgument, as "dataplane.resource: ...", names each field that is wrong: a dataplane is
  // the node's own, and of the control plane's zone; without `kuma.io/zone` it gets that.
  [[nodiscard]] Result<std::shared_ptr<void>> admit(const NodeInfo& node);

  [[nodiscard]] std::size_t size() const { return registered_.size(); }

 private:
  struct Registration {
    std::uint64_t stream = 0;
    std::unique_ptr<boost::asio::steady_timer> removal;  // null: the stream lasts
  };

  void join(std::uint64_t stream, const std::shared_ptr<const Dataplane>& dataplane);
  void leave(std::uint64_t stream, const DataplaneId& id);
  void forget(const DataplaneId& id);

  const Options options_;
  boost::asio::io_context& io_;
  DataplaneStore& store_;
  Logger& logger_;
  std::function<void()> on_change_;
  std::atomic<std::uint64_t> last_stream_{0};
  std::map<DataplaneId, Registration> registered_;
};

}  // namespace meshdns::discovery
