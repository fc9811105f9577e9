// Supervisor: the parent process. It holds the sockets, forks the resolver, and does nothing but
// watch over it: it starts it again when it dies, ends it when it hangs, binds what a reload adds,
// and hands everything to a successor.
//
// One thread, no gRPC, no Asio: what cannot crash, mostly. Questions wait in its sockets while
// there is no resolver. Two resolvers are there for a moment when one replaces the other.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include <sys/types.h>

#include "base/clock.h"
#include "base/exit_code.h"
#include "base/file_system.h"
#include "base/log.h"
#include "base/result.h"
#include "base/socket_layer.h"
#include "base/unique_fd.h"
#include "resolver/app/config_loader.h"
#include "resolver/app/handover.h"
#include "resolver/app/heartbeats.h"
#include "resolver/app/keeper.h"
#include "resolver/app/keeper_message.h"
#include "resolver/app/launch.h"
#include "resolver/app/restart_policy.h"
#include "resolver/app/static_files.h"

namespace meshdns::dns {

class Supervisor final : public HandoverServer::Host {
 public:
  struct Environment {
    FileSystem& files;
    SocketLayer& sockets;
    Clock& clock;
  };
  // What the resolver runs with, in the process that is to be it. Signals are blocked still.
  struct Resolver {
    LoadedConfig loaded;
    std::unique_ptr<Keeper> keeper;
    // What the files of static records held, and of resolv.conf what was in use, where it is not
    // the first: these may have gone.
    std::optional<FileTexts> kept;
  };

  Supervisor(LoadedConfig loaded, ConfigSources sources, Launch launch,
             const Environment& environment);
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;
  ~Supervisor() override;

  // Returns once in this process, with its exit code, and once in each resolver that it forks.
  [[nodiscard]] std::variant<ExitCode, Resolver> run();

  void freeze() override;
  [[nodiscard]] const KeptSockets& sockets() const override { return launch_.sockets; }
  [[nodiscard]] int lock() const override { return launch_.lock.get(); }
  void hand_over() override;
  void go_on(const std::string& reason) override;

 private:
  struct Child {
    pid_t pid;
    UniqueFd channel;
    TimePoint started;
    Heartbeats beats;
    std::optional<std::uint64_t> oom_kills;  // when it started
    std::optional<TimePoint> begin_at{};     // when it reads the sockets, table or not
    std::optional<TimePoint> kill_at{};
    bool serving = false;
    bool frozen = false;
    bool ending = false;  // told to
  };

  [[nodiscard]] Result<void> prepare();
  // Nothing in the parent.
  [[nodiscard]] std::optional<Resolver> spawn(TimePoint now);
  [[nodiscard]] Resolver become_resolver(UniqueFd channel, pid_t parent);
  [[nodiscard]] std::optional<TimePoint> wake_at() const;
  void wait(TimePoint now);
  [[nodiscard]] TimePoint listen();
  void on_signals();
  void reap();
  void on_death(const Child& child, int status);
  void start_again(const Child& child, const std::string& how);
  void on_channel(Child& child);
  void on_message(Child& child, const KeeperMessage& message);
  void on_serving(Child& child);
  void on_predecessor();
  void open_handover();
  void bind_for(const Child& child, const SocketAddress& address);
  void release(const SocketAddress& configured);
  void take_reload();
  void keep_records();
  void on_time(TimePoint now);
  void watch(Child& child, TimePoint now);
  void end_child(Child& child, TimePoint now);
  void tell(const Child& child, MessageKind kind);
  [[nodiscard]] Child* current();
  [[nodiscard]] bool anybody_answers() const;

  LoadedConfig loaded_;
  FileTexts records_;        // of loaded_, when it was last good
  std::string resolv_conf_;  // as the resolver goes by it, or empty
  ConfigSources sources_;
  Launch launch_;
  Environment environment_;
  std::unique_ptr<Logs> logs_;
  Logger* log_ = nullptr;
  UniqueFd signals_;
  HandoverServer handover_{*this};
  std::vector<Child> children_;  // the last is the newest
  RestartPolicy policy_;
  std::optional<TimePoint> spawn_at_;
  std::optional<TimePoint> manager_at_;
  std::optional<ExitCode> end_;
  bool reload_waits_ = false;  // for a resolver that can
  bool ever_served_ = false;
  bool stopping_ = false;     // told to end
  bool handed_over_ = false;  // to a successor
};

}  // namespace meshdns::dns
