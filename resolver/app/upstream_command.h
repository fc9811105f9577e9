// The verb `upstream`: shows what a running resolver knows of its upstream servers, or asks those
// of a configuration.
#pragma once

#include <cstdint>
#include <string>

#include "base/file_system.h"
#include "base/result.h"
#include "base/socket_layer.h"
#include "resolver/app/config.h"
#include "resolver/app/upstream_trial.h"

namespace meshdns::dns {

enum class UpstreamAction : std::uint8_t { kList, kTest };

struct UpstreamCommand {
  UpstreamAction action = UpstreamAction::kList;
  TrialQuestion question;    // test
  bool names_admin = false;  // list: the command line says which admin HTTP to read from
};

// Of `upstream list`.
[[nodiscard]] Result<std::string> run_upstream_list(const UpstreamCommand& command,
                                                    const Config& config);
// Of `upstream test`: without a resolver, by what it would ask.
[[nodiscard]] Result<TrialResult> run_upstream_test(const UpstreamCommand& command,
                                                    const Config& config, FileSystem& files,
                                                    SocketLayer& sockets);

}  // namespace meshdns::dns
