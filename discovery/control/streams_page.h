// The admin page /streams: who is connected, what each asked for, was told and said.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "discovery/xds/stream_status.h"

namespace meshdns::discovery {

// JSON: {"open":N,"streams":[...]}. `open`: how many there are, with those that are not shown.
[[nodiscard]] std::string streams_page(std::span<const StreamStatus> streams, std::size_t open);

}  // namespace meshdns::discovery
