#include "resolver/app/upstream_selection.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <iterator>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/file_system.h"
#include "base/ip_address.h"
#include "base/result.h"
#include "resolver/app/config.h"
#include "resolver/app/route_text.h"
#include "resolver/forward/forward_plan.h"
#include "resolver/forward/own_address.h"
#include "resolver/forward/resolv_conf.h"
#include "resolver/forward/route_table.h"
#include "resolver/forward/server_order.h"
#include "resolver/forward/upstream_server.h"
#include "resolver/wire/name.h"

namespace meshdns::dns {
namespace {

std::string join(std::span<const SocketAddress> addresses) {
  std::string text;
  for (const SocketAddress& address : addresses) {
    text += (text.empty() ? "" : ", ") + address.to_string();
  }
  return text;
}

std::string join_labels(std::span<const UpstreamServer> servers) {
  std::string text;
  for (const UpstreamServer& server : servers) {
    text += (text.empty() ? "" : ", ") + server.label();
  }
  return text;
}

// As part_own_addresses() does.
struct ServerChoice {
  std::vector<UpstreamServer> usable;
  std::vector<SocketAddress> refused;
};
ServerChoice part(std::span<const UpstreamServer> servers, std::span<const SocketAddress> listening,
                  std::span<const IpAddress> host) {
  ServerChoice choice;
  for (const UpstreamServer& server : servers) {
    auto parted = part_own_addresses(std::span(&server.address, 1), listening, host);
    if (parted.refused.empty()) {
      choice.usable.push_back(server);
    } else {
      choice.refused.push_back(server.address);
    }
  }
  return choice;
}

// With each route's group by its place in `plan`. A route that says none has that of the longest
// suffix around it which leads to one.
std::vector<Route> resolve_routes(std::span<const ConfiguredRoute> configured,
                                  const ForwardPlan& plan) {
  std::vector<Route> routes;
  std::vector<Route> to_groups;
  for (const ConfiguredRoute& route : configured) {
    Route made{.suffix = Name::from_text(route.suffix).value_or(Name()), .answer = route.answer};
    made.suffix.fold();
    const auto group = std::ranges::find(plan.groups, route.group, &ServerGroup::name);
    if (group != plan.groups.end()) {
      made.group = static_cast<std::size_t>(group - plan.groups.begin());
      to_groups.push_back(made);
    }
    routes.push_back(made);
  }
  const RouteTable known(to_groups);
  for (std::size_t i = 0; i < routes.size(); ++i) {
    if (configured[i].group.empty()) {
      routes[i].group = known.find(routes[i].suffix).group;
    }
  }
  return routes;
}

DefaultManners manners_of(const ResolvConf& conf) {
  DefaultManners manners;
  manners.policy = conf.rotate ? ForwardPolicy::kRoundRobin : ForwardPolicy::kSequential;
  if (conf.timeout) {
    manners.longest_turn = *conf.timeout;
  }
  manners.no_aaaa = conf.no_aaaa;
  manners.trusts_ad = conf.trust_ad;
  return manners;
}

// What `file`, read from `path`, says of the default group.
void choose_named(UpstreamSelection& selection, const ResolvConf& file, const std::string& path,
                  std::span<const SocketAddress> listening, std::span<const IpAddress> host) {
  for (const std::string& warning : file.warnings) {
    selection.warnings.push_back(fmt::format("{}: {}", path, warning));
  }
  for (const std::string& note : file.notes) {
    selection.notes.push_back(fmt::format("{}: {}", path, note));
  }
  auto named = plain_servers(file.servers);
  for (UpstreamServer& server : named) {
    server.transport = file.use_vc ? UpstreamTransport::kTcp : UpstreamTransport::kUdp;
  }
  auto choice = part(named, listening, host);
  selection.servers = std::move(choice.usable);
  selection.manners = manners_of(file);
  selection.refused = choice.refused.size();
  if (!choice.refused.empty()) {
    selection.warnings.push_back(
        fmt::format("{}: {} is this resolver itself and is not asked{}", path, join(choice.refused),
                    selection.servers.empty() ? "; set upstreams.servers" : ""));
  }
}

}  // namespace

bool UpstreamSelection::names_files() const {
  const auto names_file = [](const UpstreamServer& server) { return !server.tls.ca_file.empty(); };
  return std::ranges::any_of(servers, names_file) ||
         std::ranges::any_of(groups, [&](const ConfiguredGroup& group) {
           return std::ranges::any_of(group.servers, names_file);
         });
}

std::vector<UpstreamServer> UpstreamSelection::servers_without_tls() const {
  std::vector<UpstreamServer> plain;
  std::ranges::copy_if(servers, std::back_inserter(plain), [](const UpstreamServer& server) {
    return server.transport != UpstreamTransport::kTls;
  });
  return plain;
}

UpstreamSelection select_configured(const Config& config, std::span<const SocketAddress> listening,
                                    std::span<const IpAddress> host) {
  UpstreamSelection selection;
  const auto choose = [&](std::string_view where, const std::vector<UpstreamServer>& servers) {
    auto choice = part(servers, listening, host);
    if (!choice.refused.empty()) {
      selection.refused += choice.refused.size();
      selection.warnings.push_back(
          fmt::format("{}: {} is this resolver itself, listening on {}: a question to it would go "
                      "round for ever (write another server)",
                      where, join(choice.refused), join(listening)));
    }
    return choice.usable;
  };
  selection.servers = choose("upstreams.servers", config.upstreams.servers);
  for (ConfiguredGroup group : config.upstreams.groups) {
    group.servers = choose("upstreams.groups", group.servers);
    selection.groups.push_back(std::move(group));
  }
  selection.routes = config.upstreams.routes;
  return selection;
}

Result<UpstreamSelection> select_upstreams(const Config& config, FileSystem& files,
                                           std::span<const SocketAddress> listening,
                                           std::span<const IpAddress> host) {
  UpstreamSelection selection = select_configured(config, listening, host);
  if (selection.refused != 0) {
    return fail(ErrorCode::kInvalidArgument, selection.warnings.front());
  }
  if (!config.upstreams.servers.empty()) {
    return selection;
  }
  const auto file = load_resolv_conf(files, config.upstreams.resolv_conf);
  if (file) {
    choose_named(selection, *file, config.upstreams.resolv_conf, listening, host);
  } else {
    selection.warnings.push_back(file.error().message);
  }
  return selection;
}

UpstreamSelection select_by_resolv_conf(const Config& config, std::string_view text,
                                        std::span<const SocketAddress> listening,
                                        std::span<const IpAddress> host) {
  UpstreamSelection selection = select_configured(config, listening, host);
  choose_named(selection, parse_resolv_conf(text), config.upstreams.resolv_conf, listening, host);
  return selection;
}

std::string to_resolv_conf(const UpstreamSelection& selection) {
  std::string text;
  bool over_tcp = false;
  for (const UpstreamServer& server : selection.servers) {
    text += fmt::format("nameserver {}\n", server.address.to_string());
    over_tcp = server.transport == UpstreamTransport::kTcp;  // all of them, or none
  }
  const DefaultManners& manners = selection.manners;
  const auto option = [&text](bool is_set, const std::string& word) {
    text += is_set ? fmt::format("options {}\n", word) : "";
  };
  option(over_tcp, "use-vc");
  option(manners.policy == ForwardPolicy::kRoundRobin, "rotate");
  option(manners.no_aaaa, "no-aaaa");
  option(manners.trusts_ad, "trust-ad");
  if (manners.longest_turn) {
    const auto turn = std::chrono::duration_cast<std::chrono::seconds>(*manners.longest_turn);
    option(true, fmt::format("timeout:{}", turn.count()));
  }
  return text;
}

UpstreamSelection keep_servers(UpstreamSelection now, const UpstreamSelection& before,
                               std::span<const SocketAddress> listening,
                               std::span<const IpAddress> host) {
  if (!now.servers.empty()) {
    return now;
  }
  now.servers = part(before.servers, listening, host).usable;
  now.manners = before.manners;
  if (!now.servers.empty()) {
    now.warnings.push_back(
        fmt::format("until the next start {} is asked, as before", join_labels(now.servers)));
  }
  return now;
}

Result<std::shared_ptr<const ForwardPlan>> make_plan(const UpstreamSelection& selection) {
  auto plan = std::make_shared<ForwardPlan>();
  plan->groups.clear();
  const auto add = [&plan](ServerGroup group,
                           const std::vector<UpstreamServer>& servers) -> Result<void> {
    for (const UpstreamServer& server : servers) {
      auto prepared = prepare(server);
      if (!prepared) {
        return fail("upstreams", std::move(prepared.error()));
      }
      group.servers.push_back(*std::move(prepared));
    }
    plan->groups.push_back(std::move(group));
    return {};
  };
  const DefaultManners& manners = selection.manners;
  if (auto added = add({.name = std::string(kDefaultGroup),
                        .policy = manners.policy,
                        .longest_turn = manners.longest_turn,
                        .trusts_ad = manners.trusts_ad},
                       selection.servers);
      !added) {
    return tl::unexpected(std::move(added.error()));
  }
  for (const ConfiguredGroup& group : selection.groups) {
    if (auto added = add({.name = group.name, .policy = group.policy}, group.servers); !added) {
      return tl::unexpected(std::move(added.error()));
    }
  }
  auto routes = resolve_routes(selection.routes, *plan);
  if (manners.no_aaaa) {
    routes.push_back({.answer = RouteAnswer::kNoAaaa});  // of the root, if it has no route
  }
  plan->routes = RouteTable(routes);
  return plan;
}

}  // namespace meshdns::dns
