// QueryTaps: the query log and dnstap as they are configured: a drain and rings for each that is
// on. Outlives the workers, which fill the rings.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "base/file_system.h"
#include "base/log.h"
#include "resolver/app/config.h"
#include "resolver/app/event_drain.h"
#include "resolver/app/metrics.h"
#include "resolver/server/query_recorder.h"

namespace meshdns::dns {

class QueryTaps {
 public:
  struct Environment {
    FileSystem& files;
    Logger& log;
    AppMetrics& metrics;
  };

  QueryTaps(const Config& config, std::size_t workers, const Environment& environment);

  // What each worker is to record; empty while all is off.
  [[nodiscard]] std::vector<QueryRecorder::Options> recorders() const;
  void reopen();

 private:
  std::size_t workers_;
  std::uint32_t sample_;
  std::unique_ptr<EventDrain> log_;
  std::unique_ptr<EventDrain> dnstap_;
};

}  // namespace meshdns::dns
