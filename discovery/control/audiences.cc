#include "discovery/control/audiences.h"

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/log.h"
#include "base/result.h"
#include "discovery/xds/resource_set.h"

namespace meshdns::discovery {

void Audiences::set_common(std::vector<ResourceUpdate> updates) { common_ = std::move(updates); }

void Audiences::set_of_nothing(std::vector<ResourceUpdate> updates) {
  of_nothing_ = std::move(updates);
}

std::shared_ptr<ResourceSet> Audiences::make() const {
  auto set = std::make_shared<ResourceSet>();
  set->apply(common_, {});
  return set;
}

std::shared_ptr<ResourceSet> Audiences::find_or_make(const std::string& mesh) {
  const std::lock_guard lock(mutex_);
  const auto [place, is_new] = made_.try_emplace(mesh);
  if (is_new) {
    if (const auto awaited = awaited_.find(mesh); awaited != awaited_.end()) {
      place->second = awaited->second.set.lock();
      if (place->second) {
        let_go_.serialisations -= awaited->second.counted.serialisations;
        let_go_.commits -= awaited->second.counted.commits;
      }
      awaited_.erase(awaited);
    }
    if (!place->second) {
      place->second = make();
    }
  }
  return place->second;
}

void Audiences::let_go_if_empty(const std::string& mesh) {
  const std::lock_guard lock(mutex_);
  const auto place = made_.find(mesh);
  if (place == made_.end()) {
    return;
  }
  const ResourceSet::Stats stats = place->second->stats();
  if (stats.resources > common_.size() + of_nothing_.size()) {
    return;
  }
  let_go_.serialisations += stats.serialisations;
  let_go_.commits += stats.commits;
  const std::weak_ptr<ResourceSet> set = place->second;
  made_.erase(place);
  if (!set.expired()) {
    awaited_.insert_or_assign(mesh, Awaited{.set = set, .counted = stats});
  }
}

Result<std::shared_ptr<ResourceSet>> Audiences::find_or_await(const std::string& mesh) {
  const std::lock_guard lock(mutex_);
  if (const auto made = made_.find(mesh); made != made_.end()) {
    return made->second;
  }
  if (const auto awaited = awaited_.find(mesh); awaited != awaited_.end()) {
    if (auto set = awaited->second.set.lock()) {
      return set;
    }
  }
  if (awaited_.size() >= kMaxAwaited) {
    // NOLINTNEXTLINE(misc-include-cleaner): it knows only the erase_if of <vector>.
    std::erase_if(awaited_, [](const auto& entry) { return entry.second.set.expired(); });
  }
  if (awaited_.size() >= kMaxAwaited) {
    return fail(ErrorCode::kExhausted,
                fmt::format("the mesh '{}' does not exist, and {} others are waited for already",
                            escape_name(mesh), kMaxAwaited));
  }
  auto set = make();
  set->apply(of_nothing_, {});
  awaited_.insert_or_assign(mesh, Awaited{.set = set});
  return set;
}

ResourceSet::Stats Audiences::stats() {
  const std::lock_guard lock(mutex_);
  ResourceSet::Stats sum = let_go_;
  for (const auto& [mesh, set] : made_) {
    const ResourceSet::Stats of_mesh = set->stats();
    sum.resources += of_mesh.resources;
    sum.serialisations += of_mesh.serialisations;
    sum.commits += of_mesh.commits;
  }
  return sum;
}

}  // namespace meshdns::discovery
