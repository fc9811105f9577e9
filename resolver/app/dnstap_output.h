// DnstapOutput: every message of clients and upstream servers as dnstap (proto/dnstap/dnstap.proto)
// in a frame stream. What the stream does not take is dropped and counted.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/metrics.h"
#include "resolver/app/event_drain.h"
#include "resolver/app/frame_stream.h"
#include "resolver/server/event_ring.h"

namespace meshdns::dns {

class DnstapOutput final : public EventSink {
 public:
  struct Environment {
    Logger& log;
    Counter& frames;   // written
    Counter& dropped;  // not to be written
  };

  // `target` as of FrameStream.
  DnstapOutput(const std::string& target, std::string identity, const Environment& environment);

  void take(const EventRing::Entry& entry) override;
  void flush() override;
  void reopen() override { stream_.close(); }

 private:
  std::string identity_;
  FrameStream stream_;
  Counter& frames_;
  Counter& dropped_;
  std::vector<std::string> waiting_;  // frames; kept for their memory
  std::size_t waiting_count_ = 0;
};

// The frame of an event.
void encode_dnstap(const EventRing::Entry& entry, const std::string& identity, std::string& frame);

}  // namespace meshdns::dns
