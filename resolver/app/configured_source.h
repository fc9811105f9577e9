// The source of the table that the configuration names, and what its traces on disk are called.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/file_system.h"
#include "base/log.h"
#include "discovery/feeds/metrics.h"
#include "discovery/feeds/service_yaml.h"
#include "discovery/service.h"
#include "discovery/xds/metrics.h"
#include "resolver/app/config.h"
#include "resolver/app/control_loop.h"
#include "resolver/app/metrics.h"
#include "resolver/app/table_source.h"
#include "resolver/forward/upstream_server.h"

namespace meshdns::dns {

struct SourceMetrics {
  AppMetrics& app;
  discovery::XdsClientMetrics& xds;
  discovery::KumaPollMetrics& socket;
};

// References outlive the source.
struct SourceEnvironment {
  ControlLoop& loop;
  Clock& clock;
  Logs& logs;
  FileSystem& files;
  SourceMetrics metrics;
  std::function<void(const discovery::ServiceDelta&)> on_delta;  // of any feed
  // The servers to look a control plane's name up with, at that moment.
  std::function<std::vector<UpstreamServer>()> name_servers;
};

[[nodiscard]] std::unique_ptr<TableSource> make_source(const Config& config,
                                                       SourceEnvironment environment);

// The names of its feeds, as TableSource::feeds() has them.
[[nodiscard]] std::vector<std::string> feeds_of(const Config& config);

[[nodiscard]] FeedReader feed_reader(const Config& config);

// What the feeds on disk depend on, as text.
[[nodiscard]] std::string feed_fingerprint(const Config& config);

[[nodiscard]] discovery::ServiceFileDefaults file_defaults(const Config& config);

}  // namespace meshdns::dns
