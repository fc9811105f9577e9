#include "resolver/app/upstream_command.h"

#include <string>

#include "base/file_system.h"
#include "base/result.h"
#include "base/socket_layer.h"
#include "resolver/app/cache_command.h"
#include "resolver/app/config.h"
#include "resolver/app/upstream_selection.h"
#include "resolver/app/upstream_trial.h"

namespace meshdns::dns {

Result<std::string> run_upstream_list(const UpstreamCommand& command, const Config& config) {
  return read_admin("/upstreams", command.names_admin, config);
}

Result<TrialResult> run_upstream_test(const UpstreamCommand& command, const Config& config,
                                      FileSystem& files, SocketLayer& sockets) {
  const auto selection = select_upstreams(config, files, {}, {});
  if (!selection) {
    return tl::unexpected(selection.error());
  }
  const auto plan = make_plan(*selection);
  if (!plan) {
    return tl::unexpected(plan.error());
  }
  auto result = try_upstreams(command.question, **plan, config.upstreams.timeout, sockets);
  if (result) {
    for (const std::string& warning : selection->warnings) {
      result->text += "note: " + warning + "\n";
    }
  }
  return result;
}

}  // namespace meshdns::dns
