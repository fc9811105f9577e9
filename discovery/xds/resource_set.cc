#include "discovery/xds/resource_set.h"

#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "discovery/xds/type_table.h"
#include "discovery/xds/type_urls.h"

namespace meshdns::discovery {

void ResourceSet::apply(const std::vector<ResourceUpdate>& updates,
                        const std::vector<ResourceRemoval>& removals) {
  {
    const std::lock_guard lock(mutex_);
    bool changed = false;
    for (const ResourceUpdate& update : updates) {
      const bool is_news =
          table(update.type_url)
              .update(update.name, update.value, update.zone_values, update.listing);
      changed = is_news || changed;
    }
    for (const ResourceRemoval& removal : removals) {
      changed = table(removal.type_url).remove(removal.name) || changed;
    }
    if (!changed) {
      return;
    }
    ++commits_;
  }
  const std::lock_guard lock(listeners_mutex_);
  for (const auto& [token, listener] : listeners_) {
    listener();
  }
}

TypeTable& ResourceSet::table(const std::string& type_url) {
  return tables_.try_emplace(type_url, type_url).first->second;
}

ResourceSet::Stats ResourceSet::stats() const {
  const std::lock_guard lock(mutex_);
  Stats stats;
  stats.commits = commits_;
  for (const auto& [type_url, table] : tables_) {
    stats.resources += table.size();
    stats.serialisations += table.serialisations();
  }
  return stats;
}

bool ResourceSet::read(std::string_view type_url,
                       const std::function<void(const TypeTable&)>& reader) const {
  const std::lock_guard lock(mutex_);
  const auto at = tables_.find(type_url);
  if (at != tables_.end()) {
    reader(at->second);
    return true;
  }
  if (!is_known_type(type_url)) {
    return false;
  }
  reader(TypeTable{std::string(type_url)});
  return true;
}

std::uint64_t ResourceSet::add_listener(std::function<void()> listener) {
  const std::lock_guard lock(listeners_mutex_);
  listeners_.emplace(next_token_, std::move(listener));
  return next_token_++;
}

void ResourceSet::remove_listener(std::uint64_t token) {
  const std::lock_guard lock(listeners_mutex_);
  listeners_.erase(token);
}

}  // namespace meshdns::discovery
