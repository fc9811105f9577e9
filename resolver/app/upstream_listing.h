// What is known of the upstream servers in use, as text for people.
//
// Control thread.
#pragma once

#include <chrono>
#include <string>

#include "base/clock.h"
#include "resolver/app/upstream_selection.h"
#include "resolver/forward/metrics.h"
#include "resolver/forward/server_health.h"

namespace meshdns::dns {

// A line for each server of each group: whether it is up, down for so many seconds more, or held as
// a loop; what its replies take, smoothed and for 95 of 100; questions sent, those that it did not
// answer in time, and those that it answered with an error or that did not reach it. Then a line
// for each route.
[[nodiscard]] std::string list_upstreams(const UpstreamSelection& selection, HealthBook& health,
                                         ForwardMetrics& metrics, TimePoint now);

// "850us", "12.3ms".
[[nodiscard]] std::string print_milliseconds(std::chrono::nanoseconds duration);

}  // namespace meshdns::dns
