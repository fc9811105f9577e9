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
      place->second = awaited->second.lock();
      awaited_.erase(awaited);
    }
    if (!place->second) {
      place->second = make();
    }
  }
  return place->second;
}

Result<std::shared_ptr<ResourceSet>> Audiences::find_or_await(const std::string& mesh) {
  const std::lock_guard lock(mutex_);
  if (const auto made = made_.find(mesh); made != made_.end()) {
    return made->second;
  }
  if (const auto awaited = awaited_.find(mesh); awaited != awaited_.end()) {
    if (auto set = awaited->second.lock()) {
      return set;
    }
  }
  if (awaited_.size() >= kMaxAwaited) {
    // NOLINTNEXTLINE(misc-include-cleaner): it knows only the erase_if of <vector>.
    std::erase_if(awaited_, [](const auto& entry) { return entry.second.expired(); });
  }
  if (awaited_.size() >= kMaxAwaited) {
    return fail(ErrorCode::kExhausted,
                fmt::format("the mesh '{}' does not exist, and {} others are waited for already",
                            escape_name(mesh), kMaxAwaited));
  }
  auto set = make();
  set->apply(of_nothing_, {});
  awaited_.insert_or_assign(mesh, set);
  return set;
}

ResourceSet::Stats Audiences::stats() {
  const std::lock_guard lock(mutex_);
  ResourceSet::Stats sum;
  for (const auto& [mesh, set] : made_) {
    const ResourceSet::Stats of_mesh = set->stats();
    sum.resources += of_mesh.resources;
    sum.serialisations += of_mesh.serialisations;
    sum.commits += of_mesh.commits;
  }
  return sum;
}

}  // namespace meshdns::discovery
