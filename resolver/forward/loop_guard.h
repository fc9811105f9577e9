// Finds upstream servers that lead back to us: two resolvers that name each other, a chain of them,
// or a packet redirect that catches our own questions too.
//
// A question that went round comes back changed: another id, port and case, maybe other flags, from
// any address. So when one stays without an answer and was asked again meanwhile, the server is
// asked for a name below it that nobody can guess. If that name arrives here as a question, it went
// round, however it did so. The name lies below the question's, so that whatever forwards by domain
// treats both alike.
//
// But whoever serves the question's domain sees that name, too, and may have somebody ask us for
// it, a web page say. So this ends the question and nothing else. What takes the server out for a
// while is a second name that came back, in no domain at all: of that nobody hears but the servers
// on the way, and those of the root.
//
// Thread-safe. One per process.
#pragma once

#include <cstdint>
#include <list>
#include <mutex>

#include "base/clock.h"
#include "base/log.h"
#include "resolver/forward/metrics.h"
#include "resolver/forward/server_health.h"
#include "resolver/wire/name.h"

namespace meshdns::dns {

class LoopGuard {
 public:
  LoopGuard(const Clock& clock, Logger& log, ForwardMetrics& metrics)
      : clock_(clock), log_(log), metrics_(metrics) {}
  LoopGuard(const LoopGuard&) = delete;
  LoopGuard& operator=(const LoopGuard&) = delete;
  ~LoopGuard() = default;

  enum class Domain : std::uint8_t { kOfQuestion, kNone };

  // A probe of one server under way, as long as the object lives.
  class Probe {
   public:
    Probe(LoopGuard& guard, NameView question, Domain domain, ServerHealth& server);
    Probe(const Probe&) = delete;
    Probe& operator=(const Probe&) = delete;
    ~Probe();
    // What to ask the server for.
    [[nodiscard]] const Name& name() const { return place_->name; }
    [[nodiscard]] bool came_back() const;

   private:
    friend class LoopGuard;
    struct Entry {
      Name name;
      Domain domain = Domain::kOfQuestion;
      ServerHealth& server;
      bool came_back = false;
    };
    LoopGuard& guard_;
    std::list<Entry>::iterator place_;
  };

  // Whether a client's question is a probe under way. Its server is then held and named in the log,
  // if it is one in no domain. `name` is folded.
  [[nodiscard]] bool catches(NameView name);

 private:
  const Clock& clock_;
  Logger& log_;
  ForwardMetrics& metrics_;
  mutable std::mutex mutex_;  // guards probes_
  std::list<Probe::Entry> probes_;
};

}  // namespace meshdns::dns
