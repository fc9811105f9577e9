#include "discovery/feeds/cluster_endpoints.h"

#include <cstddef>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/log.h"
#include "base/result.h"
#include "discovery/feeds/cluster.h"
#include "discovery/feeds/held_assignment.h"
#include "discovery/feeds/load_assignment.h"
#include "discovery/feeds/resource_encoding.h"
#include "discovery/service.h"
#include "discovery/xds/ads_client.h"
#include "discovery/xds/held_versions.h"
#include "discovery/xds/type_urls.h"

namespace meshdns::discovery {

ClusterEndpoints::ClusterEndpoints(AdsClient& client, std::string mesh, OnDelta on_delta,
                                   const Assignments& kept, HeldVersions held)
    : client_(client), mesh_(std::move(mesh)), on_delta_(std::move(on_delta)) {
  AdsClient::Interest interest;
  for (const auto& [cluster, assignment] : kept) {
    join(cluster, assignment, Membership::kService);
  }
  for (const auto& [assignment, asked] : asked_) {
    interest.names.push_back(assignment);
    if (held.contains(assignment)) {
      awaited_.erase(assignment);
    }
  }
  new_.clear();
  client.subscribe(
      kClusterLoadAssignmentTypeUrl, interest,
      [this](const ResponseView& response) { return on_response(response); }, std::move(held));
}

void ClusterEndpoints::tell_brought(const std::vector<Cluster>& changed) {
  // More comes: what is asked for.
  ServiceDelta delta{.feed = kName, .awaits_more = true};
  for (const Cluster& cluster : changed) {
    if (cluster.endpoints && cluster.left_out.empty()) {
      const ServiceId& id = cluster.service.id;
      delta.accepted.push_back({.name = id.to_string(),
                                .version = {},
                                .value = encode_endpoints({}, *cluster.endpoints)});
      delta.endpoints.push_back({id, *cluster.endpoints});
    }
  }
  if (!delta.endpoints.empty()) {
    on_delta_(std::move(delta));
  }
}

void ClusterEndpoints::follow(const std::vector<Cluster>& changed,
                              const std::vector<std::string>& gone) {
  ServiceDelta delta{.feed = kName};
  for (const std::string& cluster : gone) {
    leave(cluster);
    delta.removed_endpoints.push_back(id_of(cluster));
  }
  for (const Cluster& cluster : changed) {
    const std::string& name = cluster.service.id.name;
    const auto had = of_cluster_.find(name);
    if (had != of_cluster_.end() && had->second == cluster.assignment) {
      continue;
    }
    leave(name);
    if (!cluster.assignment.empty()) {
      join(name, cluster.assignment,
           cluster.left_out.empty() ? Membership::kService : Membership::kLeftOut);
    } else if (!cluster.endpoints && cluster.left_out.empty()) {
      delta.removed_endpoints.push_back(id_of(name));
    }
  }
  ask();
  if (!has_delivered_ || !delta.removed_endpoints.empty()) {
    tell(std::move(delta));
  }
}

void ClusterEndpoints::join(const std::string& cluster, const std::string& assignment,
                            Membership membership) {
  of_cluster_[cluster] = assignment;
  const auto [place, is_new] = asked_.try_emplace(assignment);
  if (is_new) {
    new_.insert(assignment);
  }
  if (membership == Membership::kLeftOut) {
    place->second.left_out.insert(cluster);
    return;
  }
  place->second.clusters.insert(cluster);
  if (awaited_.insert(assignment).second && !new_.contains(assignment)) {
    // It was told already, and what it said is not kept here.
    ask_again_.insert(assignment);
    place->second.digest.reset();
  }
}

void ClusterEndpoints::leave(const std::string& cluster) {
  const auto had = of_cluster_.find(cluster);
  if (had == of_cluster_.end()) {
    return;
  }
  Asked& asked = asked_.at(had->second);
  if (asked.clusters.erase(cluster) > 0) {
    // Each that is left but the first has as many as this one had.
    const std::size_t left = asked.clusters.size();
    set_shared(asked, left == 0 ? 0 : asked.shared / left * (left - 1));
  }
  asked.left_out.erase(cluster);
  if (asked.clusters.empty()) {
    awaited_.erase(had->second);
  }
  left_.insert(had->second);
  of_cluster_.erase(had);
}

void ClusterEndpoints::set_shared(Asked& asked, std::size_t shared) {
  shared_ += shared - asked.shared;
  asked.shared = shared;
}

void ClusterEndpoints::ask() {
  std::erase_if(left_, [&](const std::string& name) {
    const Asked& asked = asked_.at(name);
    return !asked.clusters.empty() || !asked.left_out.empty();
  });
  for (const std::string& name : left_) {
    asked_.erase(name);
    ask_again_.erase(name);
  }
  if (new_.empty() && left_.empty() && ask_again_.empty()) {
    return;
  }
  AdsClient::Interest interest;
  for (const auto& [assignment, asked] : asked_) {
    interest.names.push_back(assignment);
  }
  if (!ask_again_.empty()) {
    // Who asks for a name that it did not ask for is told, whatever it was told before.
    AdsClient::Interest others = interest;
    std::erase_if(others.names, [&](const std::string& name) { return ask_again_.contains(name); });
    client_.set_interest(kClusterLoadAssignmentTypeUrl, others);
  }
  client_.set_interest(kClusterLoadAssignmentTypeUrl, interest);
  new_.clear();
  ask_again_.clear();
  left_.clear();
}

std::vector<Rejection> ClusterEndpoints::on_response(const ResponseView& response) {
  ServiceDelta delta{.feed = kName};
  std::vector<Rejection> rejections;
  for (const ResponseItem& item : response.resources) {
    std::string reason = take(item, delta);
    if (!reason.empty()) {
      rejections.push_back({item.name, std::move(reason)});
    }
  }
  for (const std::string& name : response.removed) {
    const auto place = asked_.find(name);
    if (place == asked_.end()) {
      continue;
    }
    awaited_.erase(name);
    place->second.digest.reset();
    set_shared(place->second, 0);
    for (const std::string& cluster : place->second.clusters) {
      delta.removed_endpoints.push_back(id_of(cluster));
    }
  }
  tell(std::move(delta));
  return rejections;
}

std::string ClusterEndpoints::take(const ResponseItem& item, ServiceDelta& delta) {
  const auto place = asked_.find(item.name);
  if (place == asked_.end()) {
    return "nobody asked for it";
  }
  Asked& asked = place->second;
  if (asked.clusters.empty()) {
    return {};  // of clusters that are left out
  }
  const std::size_t digest = std::hash<std::string_view>{}(item.value);
  if (item.version.empty() && asked.digest == digest) {
    return {};  // in state of the world what has not changed is told again and again
  }
  auto read = decode_load_assignment(item.value, HostNames::kRefused);
  if (!read) {
    return std::move(read.error().message);
  }
  if (read->name != item.name) {
    return fmt::format("the resource says it is '{}'", escape_name(read->name));
  }
  const std::size_t shared = read->endpoints.size() * (asked.clusters.size() - 1);
  if (shared_ - asked.shared + shared > kMaxShared) {
    return fmt::format(
        "{} clusters share its {} endpoints: with those of other assignments that clusters share, "
        "more than {}",
        asked.clusters.size(), read->endpoints.size(), kMaxShared);
  }
  set_shared(asked, shared);
  asked.digest = digest;
  awaited_.erase(item.name);
  for (const std::string& cluster : asked.clusters) {
    const ServiceId id = id_of(cluster);
    if (read->is_elsewhere) {
      delta.removed_endpoints.push_back(id);
      continue;
    }
    delta.accepted.push_back({.name = id.to_string(),
                              .version = item.version,
                              .value = encode_endpoints(read->name, read->endpoints)});
    delta.endpoints.push_back({id, read->endpoints});
  }
  return {};
}

void ClusterEndpoints::tell(ServiceDelta delta) {
  delta.awaits_more = !awaited_.empty();
  has_delivered_ = has_delivered_ || !delta.awaits_more;
  on_delta_(std::move(delta));
}

ServiceDelta ClusterEndpoints::read(const ResponseView& log, std::vector<Rejection>& rejections) {
  ServiceDelta delta{.feed = kName};
  for (const ResponseItem& item : log.resources) {
    auto id = ServiceId::parse(item.name);
    auto read = decode_load_assignment(item.value, HostNames::kRefused);
    if (!id || !read) {
      rejections.push_back({item.name, id ? read.error().message : "is no MESH/CLUSTER"});
      continue;
    }
    delta.accepted.push_back(
        {.name = item.name,
         .version = HeldAssignment{.version = item.version, .assignment = read->name}.to_text(),
         .value = {}});
    delta.endpoints.push_back({*std::move(id), std::move(read->endpoints)});
  }
  return delta;
}

}  // namespace meshdns::discovery
