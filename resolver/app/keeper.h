// Keeper: who holds the sockets of the resolver and watches over it. With a supervisor that is the
// parent process (ParentLink), without one this process itself (OwnKeeper).
//
// Control thread, but for beat().
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "resolver/server/listener.h"

namespace meshdns::dns {

// The sockets that a resolver begins with. They are open before it starts.
struct KeptSockets {
  std::vector<Listener> listeners;  // never empty when the resolver starts
  std::vector<std::string> notes;   // on addresses left out
  UniqueFd admin;                   // listens; nothing where admin HTTP is off
  unsigned workers = 1;
};

class Keeper : public ListenerSource {
 public:
  enum class Request : std::uint8_t { kFreeze, kBegin };
  enum class Event : std::uint8_t { kServing, kReloading, kReloaded, kNotReloaded, kStopping };

  // Once, at the start.
  [[nodiscard]] virtual KeptSockets take_sockets() = 0;
  // When to read the sockets first.
  enum class Beginning : std::uint8_t {
    kAtOnce,     // with a table or without
    kWithTable,  // with any table, or at kBegin: questions wait in the sockets meanwhile
    kInTurn,     // the same, but not before the start has succeeded: somebody else answers still
  };
  [[nodiscard]] virtual Beginning beginning() const = 0;

  // How often each thread has to say that it is well; 0: never.
  [[nodiscard]] virtual std::chrono::milliseconds beat_interval() const = 0;
  // Any thread. 0 is the control thread, then the workers.
  virtual void beat(std::size_t thread) = 0;
  virtual void tell(Event event) = 0;
  // Which servers of resolv.conf are asked now, in that file's form: who comes after this process
  // may find a file that names none.
  virtual void keep_resolv_conf(const std::string& text) = 0;

  // Readable when there may be a request; -1: there never is.
  [[nodiscard]] virtual int descriptor() const = 0;
  // Nothing: none is there. Never waits.
  [[nodiscard]] virtual std::optional<Request> next_request() = 0;
  // The answer to kFreeze.
  enum class Table : bool { kNone, kWhole };
  virtual void tell_frozen(const Result<void>& result, Table table) = 0;
};

}  // namespace meshdns::dns
