// Dataplanes that register themselves: the workload's end of a stream brings its Dataplane in its
// node's metadata (`dataplane.resource`, as Kuma's does), and it counts for as long as the stream
// lasts, and a while longer, in which another stream may take its place. A workload may have
// several streams (gRPC's clients have one for each target): what the newest of them brought
// counts, and the Dataplane lasts as long as any of them.
//
// Where there is a state folder it outlives the program: what was registered when that ended counts
// when it starts again, as if its stream had ended when others can come.
//
// admit() and what it returns belong to any thread; everything else, the store included, to the
// control thread. A thread of its own writes, so that a slow disk holds up nobody.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>

#include "base/file_system.h"
#include "base/log.h"
#include "base/result.h"
#include "discovery/control/dataplane_store.h"
#include "discovery/control/registration_file.h"
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
  // Waits for the write that is under way. What it says is not heard.
  ~Registrations() { disk_.join(); }

  // Registers the node's dataplane, until what is returned is let go of; null where it brings none.
  // kInvalidArgument, as "dataplane.resource: ...", names each field that is wrong: a dataplane is
  // the node's own, and of the control plane's zone; without `kuma.io/zone` it gets that.
  [[nodiscard]] Result<std::shared_ptr<void>> admit(const NodeInfo& node);

  // Keeps them in the folder from now on, and takes what it holds, to be committed by the caller.
  // Where that cannot be used there is a note, and they are kept nowhere. Once, before anything
  // else. `files` outlives the object.
  void load(const std::string& folder, FileSystem& files);
  // From now on streams can come: what load() took goes after the delay, unless one brings it.
  void await_streams();
  // Begins to write what is not written yet. Changes are written a second later by themselves.
  void write();
  // The end: waits for the disk, and writes what is not written yet.
  void finish();
  // What is wrong with the folder, for people; empty when nothing is.
  [[nodiscard]] const std::string& note() const { return note_; }

  [[nodiscard]] std::size_t size() const { return registered_.size(); }

 private:
  // What a stream brought: immutable.
  struct Brought {
    std::shared_ptr<const Dataplane> dataplane;
    std::string text;  // as it came
  };
  using BroughtPtr = std::shared_ptr<const Brought>;
  struct Registration {
    std::uint64_t stream = 0;                     // that counts; 0: of an earlier process
    std::string text;                             // that it brought
    std::map<std::uint64_t, BroughtPtr> lasting;  // by stream, the one that counts included
    // Null: the stream that counts lasts, or none can have come yet.
    std::unique_ptr<boost::asio::steady_timer> removal;
  };

  void join(std::uint64_t stream, const BroughtPtr& brought);
  void leave(std::uint64_t stream, const DataplaneId& id);
  void count(const std::shared_ptr<const Dataplane>& dataplane);
  // From now on this stream of the registration counts.
  void count_stream(Registration& registration, std::uint64_t stream, const Brought& brought);
  void begin_removal(Registration& registration, const DataplaneId& id);
  void end_delay(const DataplaneId& id);
  void note_change();
  void write_later();
  [[nodiscard]] std::vector<std::string> texts() const;
  void on_written(const Result<void>& written);
  void forget(const DataplaneId& id);

  const Options options_;
  boost::asio::io_context& io_;
  DataplaneStore& store_;
  Logger& logger_;
  std::function<void()> on_change_;
  std::atomic<std::uint64_t> last_stream_{0};
  std::map<DataplaneId, Registration> registered_;
  std::unique_ptr<RegistrationFile> file_;  // null: they are kept nowhere
  boost::asio::steady_timer write_timer_{io_};
  bool is_changed_ = false;  // since the last write began
  bool is_writing_ = false;
  std::string note_;
  boost::asio::thread_pool disk_{1};  // last: it ends first
};

}  // namespace meshdns::discovery
