#include "resolver/app/upstream_selection.h"

#include <span>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/file_system.h"
#include "base/ip_address.h"
#include "base/result.h"
#include "resolver/app/config.h"
#include "resolver/forward/own_address.h"
#include "resolver/forward/resolv_conf.h"

namespace meshdns::dns {
namespace {

std::string join(std::span<const SocketAddress> addresses) {
  std::string text;
  for (const SocketAddress& address : addresses) {
    text += (text.empty() ? "" : ", ") + address.to_string();
  }
  return text;
}

}  // namespace

Result<UpstreamSelection> select_upstreams(const Config& config, FileSystem& files,
                                           std::span<const SocketAddress> listening,
                                           std::span<const IpAddress> host) {
  UpstreamSelection selection;
  if (!config.upstreams.servers.empty()) {
    auto choice = part_own_addresses(config.upstreams.servers, listening, host);
    if (!choice.refused.empty()) {
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("upstreams.servers: {} is this resolver itself, listening on {}: a "
                              "question to it would go round for ever (write another server)",
                              join(choice.refused), join(listening)));
    }
    selection.servers = std::move(choice.usable);
    return selection;
  }
  auto file = load_resolv_conf(files, config.upstreams.resolv_conf);
  if (!file) {
    selection.warnings.push_back(file.error().message);
    return selection;
  }
  for (const std::string& warning : file->warnings) {
    selection.warnings.push_back(config.upstreams.resolv_conf + ": " + warning);
  }
  auto choice = part_own_addresses(file->servers, listening, host);
  selection.servers = std::move(choice.usable);
  selection.refused = choice.refused.size();
  if (!choice.refused.empty()) {
    selection.warnings.push_back(fmt::format(
        "{}: {} is this resolver itself and is not asked{}", config.upstreams.resolv_conf,
        join(choice.refused), selection.servers.empty() ? "; set upstreams.servers" : ""));
  }
  return selection;
}

UpstreamSelection keep_servers(UpstreamSelection now, const UpstreamSelection& before,
                               std::span<const SocketAddress> listening,
                               std::span<const IpAddress> host) {
  if (!now.servers.empty()) {
    return now;
  }
  now.servers = part_own_addresses(before.servers, listening, host).usable;
  if (!now.servers.empty()) {
    now.warnings.push_back(
        fmt::format("until the next start {} is asked, as before", join(now.servers)));
  }
  return now;
}

}  // namespace meshdns::dns
