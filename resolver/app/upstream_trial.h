// Asks each configured upstream server the same question, by the drivers that forwarding uses, and
// says what came of it.
#pragma once

#include <chrono>
#include <string>

#include "base/result.h"
#include "base/socket_layer.h"
#include "resolver/forward/forward_plan.h"

namespace meshdns::dns {

struct TrialQuestion {
  std::string name = ".";
  std::string type = "NS";
};

struct TrialResult {
  std::string text;           // a line for each server, in the plan's order
  bool any_answered = false;  // with no error but NXDOMAIN
};

// Blocks for `timeout` at most. kInvalidArgument names what is wrong with the question.
[[nodiscard]] Result<TrialResult> try_upstreams(const TrialQuestion& question,
                                                const ForwardPlan& plan,
                                                std::chrono::milliseconds timeout,
                                                SocketLayer& sockets);

}  // namespace meshdns::dns
