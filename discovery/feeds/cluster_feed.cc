#include "discovery/feeds/cluster_feed.h"

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/log.h"
#include "base/result.h"
#include "discovery/feeds/cluster.h"
#include "discovery/feeds/cluster_endpoints.h"
#include "discovery/feeds/held_assignment.h"
#include "discovery/service.h"
#include "discovery/xds/ads_client.h"
#include "discovery/xds/held_versions.h"
#include "discovery/xds/type_urls.h"

namespace meshdns::discovery {
namespace {

// The part of `held`, which goes by "MESH/CLUSTER", that is of `mesh`; by cluster.
std::map<std::string, HeldAssignment> held_of(const HeldVersions& held, const std::string& mesh) {
  std::map<std::string, HeldAssignment> all;
  held.for_each([&](std::string_view name, std::string_view text) {
    const auto id = ServiceId::parse(name);
    auto parsed = HeldAssignment::parse(text);
    if (id && id->mesh == mesh && parsed) {
      all.emplace(id->name, *std::move(parsed));
    }
  });
  return all;
}

// The versions of assignments: one counts where it is held for each cluster that goes by it.
HeldVersions versions_of(const ClusterEndpoints::Assignments& assignments,
                         const std::map<std::string, HeldAssignment>& endpoints) {
  HeldVersions versions;
  std::set<std::string> doubtful;
  for (const auto& [cluster, assignment] : assignments) {
    const auto held = endpoints.find(cluster);
    const bool is_held = held != endpoints.end() && held->second.assignment == assignment &&
                         !held->second.version.empty();
    if (!is_held ||
        versions.find(assignment).value_or(held->second.version) != held->second.version) {
      doubtful.insert(assignment);
    } else {
      versions.set(assignment, held->second.version);
    }
  }
  for (const std::string& assignment : doubtful) {
    versions.erase(assignment);
  }
  return versions;
}

}  // namespace

ClusterFeed::ClusterFeed(AdsClient& client, Logger& logger, Options options,
                         const OnDelta& on_delta, const Held& held)
    : logger_(logger), options_(std::move(options)), on_delta_(on_delta) {
  const std::string& mesh = options_.naming.mesh;
  HeldVersions versions;
  ClusterEndpoints::Assignments assignments;
  for (const auto& [cluster, kept] : held_of(held.clusters, mesh)) {
    known_.try_emplace(cluster);
    versions.set(cluster, kept.version);
    if (!kept.assignment.empty()) {
      assignments.emplace(cluster, kept.assignment);
    }
  }
  client.subscribe(
      kClusterTypeUrl, {.wildcard = true, .names = {}},
      [this](const ResponseView& response) { return on_response(response); }, std::move(versions));
  if (options_.endpoints) {
    endpoints_ =
        std::make_unique<ClusterEndpoints>(client, mesh, on_delta, assignments,
                                           versions_of(assignments, held_of(held.endpoints, mesh)));
  }
}

std::vector<Rejection> ClusterFeed::on_response(const ResponseView& response) {
  Round round{.delta = {.feed = kName}, .changed = {}, .gone = {}, .left_out = {}};
  std::vector<Rejection> rejections;
  for (const ResponseItem& item : response.resources) {
    std::string reason = take(item, round);
    if (!reason.empty()) {
      rejections.push_back({item.name, std::move(reason)});
    }
  }
  for (const std::string& name : response.removed) {
    remove(name, round);
  }
  // A full state with a cluster that cannot be read does not say that what it held is gone.
  if (response.full_state && rejections.empty()) {
    remove_unlisted(response, round);
    round.delta.full_state = !has_delivered_;  // only the first one lists them all
  }
  if (!round.left_out.empty()) {
    logger_.info("clusters that are no services are left out count={} first=\"{}\"",
                 round.left_out.size(), escape_text(round.left_out.front()));
  }
  has_delivered_ = true;
  if (endpoints_) {
    endpoints_->tell_brought(round.changed);
  }
  on_delta_(std::move(round.delta));
  if (endpoints_) {
    endpoints_->follow(round.changed, round.gone);
  }
  return rejections;
}

std::string ClusterFeed::take(const ResponseItem& item, Round& round) {
  const std::size_t digest = std::hash<std::string_view>{}(item.value);
  const auto had = known_.find(item.name);
  if (item.version.empty() && had != known_.end() && had->second.digest == digest) {
    return {};
  }
  auto cluster = decode_cluster(item.value, options_.naming);
  if (!cluster) {
    return std::move(cluster.error().message);
  }
  const ServiceId& id = cluster->service.id;
  if (id.name != item.name) {
    return fmt::format("the resource says it is '{}'", escape_name(id.name));
  }
  if (!cluster->left_out.empty()) {
    remove(item.name, round);
    known_[item.name] = {.digest = digest, .is_service = false};
    round.left_out.push_back(cluster->left_out);
    round.changed.push_back(*std::move(cluster));
    return {};
  }
  known_[item.name] = {.digest = digest, .is_service = true};
  round.delta.accepted.push_back(
      {.name = id.to_string(), .version = item.version, .value = std::move(cluster->stored)});
  round.delta.services.push_back(cluster->service);
  round.changed.push_back(*std::move(cluster));
  return {};
}

void ClusterFeed::remove(const std::string& name, Round& round) {
  const auto had = known_.find(name);
  if (had == known_.end()) {
    return;
  }
  if (had->second.is_service) {
    round.delta.removed_services.push_back({options_.naming.mesh, name});
  }
  round.gone.push_back(name);
  known_.erase(had);
}

void ClusterFeed::remove_unlisted(const ResponseView& response, Round& round) {
  std::set<std::string_view> listed;
  for (const ResponseItem& item : response.resources) {
    listed.insert(item.name);
  }
  std::vector<std::string> unlisted;
  for (const auto& [name, known] : known_) {
    if (!listed.contains(name)) {
      unlisted.push_back(name);
    }
  }
  for (const std::string& name : unlisted) {
    remove(name, round);
  }
}

ServiceDelta ClusterFeed::read(const ResponseView& log, const ClusterNaming& naming,
                               std::vector<Rejection>& rejections) {
  ServiceDelta delta{.feed = kName};
  for (const ResponseItem& item : log.resources) {
    auto cluster = decode_cluster(item.value, naming);
    if (!cluster || !cluster->left_out.empty() || cluster->service.id.to_string() != item.name) {
      rejections.push_back({item.name, cluster ? "is no service of this resolver"
                                               : std::move(cluster.error().message)});
      continue;
    }
    delta.accepted.push_back(
        {.name = item.name,
         .version =
             HeldAssignment{.version = item.version, .assignment = cluster->assignment}.to_text(),
         .value = {}});
    delta.services.push_back(std::move(cluster->service));
  }
  return delta;
}

}  // namespace meshdns::discovery
