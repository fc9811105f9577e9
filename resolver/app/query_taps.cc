#include "resolver/app/query_taps.h"

#include <cstddef>
#include <memory>
#include <vector>

#include "resolver/app/config.h"
#include "resolver/app/dnstap_output.h"
#include "resolver/app/event_drain.h"
#include "resolver/app/metrics.h"
#include "resolver/app/query_log.h"
#include "resolver/server/query_recorder.h"

namespace meshdns::dns {

QueryTaps::QueryTaps(const Config& config, std::size_t workers, const Environment& environment)
    : workers_(workers), sample_(config.query_log.sample) {
  AppMetrics& metrics = environment.metrics;
  if (!config.query_log.file.empty()) {
    log_ = std::make_unique<EventDrain>(
        std::make_unique<QueryLog>(config.query_log,
                                   QueryLog::Environment{.files = environment.files,
                                                         .log = environment.log,
                                                         .lines = metrics.query_log_lines,
                                                         .dropped = metrics.query_log_dropped}),
        workers, metrics.query_log_dropped);
  }
  if (!config.dnstap.output.empty()) {
    const std::string& identity =
        config.dnstap.identity.empty() ? config.control_plane.node : config.dnstap.identity;
    dnstap_ = std::make_unique<EventDrain>(
        std::make_unique<DnstapOutput>(
            config.dnstap.output, identity,
            DnstapOutput::Environment{.log = environment.log,
                                      .frames = metrics.dnstap_frames,
                                      .dropped = metrics.dnstap_dropped}),
        workers, metrics.dnstap_dropped);
  }
}

std::vector<QueryRecorder::Options> QueryTaps::recorders() const {
  std::vector<QueryRecorder::Options> recorders;
  if (!log_ && !dnstap_) {
    return recorders;
  }
  for (std::size_t i = 0; i < workers_; ++i) {
    recorders.push_back({.log = log_ ? &log_->ring(i) : nullptr,
                         .log_sample = sample_,
                         .dnstap = dnstap_ ? &dnstap_->ring(i) : nullptr});
  }
  return recorders;
}

void QueryTaps::reopen() {
  for (const auto& drain : {log_.get(), dnstap_.get()}) {
    if (drain != nullptr) {
      drain->reopen();
    }
  }
}

}  // namespace meshdns::dns
