#include "resolver/app/route_text.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/log.h"
#include "base/refuse.h"
#include "base/result.h"
#include "resolver/app/setting_text.h"
#include "resolver/app/upstream_text.h"
#include "resolver/forward/route_table.h"
#include "resolver/forward/server_order.h"

namespace meshdns::dns {
namespace {

constexpr std::size_t kMaxGroupName = 63;
constexpr std::size_t kMaxGroupServers = 32;
constexpr std::string_view kBlanks = " \t";

constexpr std::array<std::pair<std::string_view, ForwardPolicy>, 5> kPolicies{
    {{"sequential", ForwardPolicy::kSequential},
     {"random", ForwardPolicy::kRandom},
     {"round-robin", ForwardPolicy::kRoundRobin},
     {"fastest", ForwardPolicy::kFastest},
     {"hedged", ForwardPolicy::kHedged}}};

constexpr std::array<std::pair<std::string_view, RouteAnswer>, 3> kAnswers{
    {{"refuse", RouteAnswer::kRefuse},
     {"nxdomain", RouteAnswer::kNoName},
     {"no-aaaa", RouteAnswer::kNoAaaa}}};

template <typename Words>
auto find_word(const Words& words, std::string_view word) {
  return std::ranges::find(words, word, [](const auto& entry) { return entry.first; });
}

std::vector<std::string> split_words(std::string_view text) {
  std::vector<std::string> words;
  for (std::size_t begin = text.find_first_not_of(kBlanks); begin != std::string_view::npos;) {
    const std::size_t end = std::min(text.find_first_of(kBlanks, begin), text.size());
    words.emplace_back(text.substr(begin, end - begin));
    begin = text.find_first_not_of(kBlanks, end);
  }
  return words;
}

// What stands on both sides of the first '=': one word, and any number of them.
struct Assignment {
  std::string left;
  std::vector<std::string> right;
};
Result<Assignment> split_assignment(const std::string& text, std::string_view example) {
  const std::size_t equals = text.find('=');
  const auto left = split_words(std::string_view(text).substr(0, equals));
  if (equals == std::string::npos || left.size() != 1) {
    return refuse(
        fmt::format("'{}' is not understood (write such as {})", escape_name(text), example));
  }
  return Assignment{.left = left.front(),
                    .right = split_words(std::string_view(text).substr(equals + 1))};
}

bool is_within(std::string_view name, std::string_view zone) {
  return name == zone || (name.size() > zone.size() && name.ends_with(zone) &&
                          name[name.size() - zone.size() - 1] == '.');
}

}  // namespace

std::string_view policy_word(ForwardPolicy policy) {
  return std::ranges::find(kPolicies, policy, [](const auto& entry) { return entry.second; })
      ->first;
}

Result<ConfiguredGroup> parse_group(const std::string& text) {
  auto assignment = split_assignment(text, "corp = random 192.0.2.1 192.0.2.2");
  if (!assignment) {
    return tl::unexpected(std::move(assignment.error()));
  }
  auto name = parse_word(assignment->left, kMaxGroupName);
  if (!name) {
    return tl::unexpected(std::move(name.error()));
  }
  if (*name == kDefaultGroup || find_word(kAnswers, *name) != kAnswers.end()) {
    return refuse(fmt::format("'{}' means something else (write another name)", *name));
  }
  ConfiguredGroup group{.name = *std::move(name)};
  std::vector<std::string>& words = assignment->right;
  if (!words.empty()) {
    if (const auto* const policy = find_word(kPolicies, words.front()); policy != kPolicies.end()) {
      group.policy = policy->second;
      words.erase(words.begin());
    }
  }
  for (const std::string& word : words) {
    auto server = parse_upstream_server(word);
    if (!server) {
      return tl::unexpected(std::move(server.error()));
    }
    if (std::ranges::find(group.servers, server->label(), &UpstreamServer::label) !=
        group.servers.end()) {
      return refuse(fmt::format("{} is in the group twice (keep one of the two)", server->label()));
    }
    group.servers.push_back(*std::move(server));
  }
  if (group.servers.empty() || group.servers.size() > kMaxGroupServers) {
    return refuse(fmt::format("group {} has {} servers (write 1 to {})", group.name,
                              group.servers.size(), kMaxGroupServers));
  }
  return group;
}

std::string print_group(const ConfiguredGroup& group) {
  std::string text = fmt::format("{} = {}", group.name, policy_word(group.policy));
  for (const UpstreamServer& server : group.servers) {
    text += " " + print_upstream_server(server);
  }
  return text;
}

Result<ConfiguredRoute> parse_route(const std::string& text) {
  constexpr std::string_view kExample = "corp.example = corp, or ads.example = refuse";
  auto assignment = split_assignment(text, kExample);
  if (!assignment) {
    return tl::unexpected(std::move(assignment.error()));
  }
  ConfiguredRoute route;
  auto suffix = assignment->left == "." ? Result<std::string>(".") : parse_zone(assignment->left);
  if (!suffix) {
    return tl::unexpected(std::move(suffix.error()));
  }
  route.suffix = *std::move(suffix);
  std::vector<std::string>& words = assignment->right;
  if (!words.empty()) {
    if (const auto* const answer = find_word(kAnswers, words.front()); answer != kAnswers.end()) {
      route.answer = answer->second;
      words.erase(words.begin());
    }
  }
  const bool may_have_group =
      route.answer == RouteAnswer::kForward || route.answer == RouteAnswer::kNoAaaa;
  const bool is_whole =
      words.size() == 1 ? may_have_group : words.empty() && route.answer != RouteAnswer::kForward;
  if (!is_whole) {
    return refuse(fmt::format(
        "'{}' leads nowhere (write a group, refuse, nxdomain, or no-aaaa and maybe a group)",
        escape_name(text)));
  }
  if (!words.empty()) {
    auto group = parse_word(words.front(), kMaxGroupName);
    if (!group) {
      return tl::unexpected(std::move(group.error()));
    }
    route.group = *std::move(group);
  }
  return route;
}

std::string print_route(const ConfiguredRoute& route) {
  std::string text = route.suffix + " =";
  for (const auto& [word, answer] : kAnswers) {
    text += answer == route.answer ? fmt::format(" {}", word) : "";
  }
  return text + (route.group.empty() ? "" : " " + route.group);
}

std::vector<RouteProblem> check_routes(const std::vector<ConfiguredGroup>& groups,
                                       const std::vector<ConfiguredRoute>& routes,
                                       const std::vector<std::string>& owned) {
  std::vector<RouteProblem> problems;
  std::set<std::string, std::less<>> names{std::string(kDefaultGroup)};
  for (const ConfiguredGroup& group : groups) {
    if (!names.insert(group.name).second) {
      problems.push_back(
          {true, fmt::format("{} is there twice (keep one of the two)", group.name)});
    }
  }
  std::set<std::string_view> suffixes;
  for (const ConfiguredRoute& route : routes) {
    if (!suffixes.insert(route.suffix).second) {
      problems.push_back(
          {false, fmt::format("{} is there twice (keep one of the two)", route.suffix)});
    }
    if (!route.group.empty() && !names.contains(route.group)) {
      problems.push_back({false, fmt::format("{} leads to {}, which is no group (write one of {})",
                                             route.suffix, route.group, fmt::join(names, ", "))});
    }
    for (const std::string& zone : owned) {
      if (is_within(route.suffix, zone)) {
        problems.push_back(
            {false, fmt::format("{} lies in {}, which is answered here and never forwarded (remove "
                                "the route)",
                                route.suffix, zone)});
      }
    }
  }
  return problems;
}

}  // namespace meshdns::dns
