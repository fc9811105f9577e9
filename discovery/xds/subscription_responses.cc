// The half of Subscription that decides what to send.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "discovery/xds/request.h"
#include "discovery/xds/resource.h"
#include "discovery/xds/subscription.h"
#include "discovery/xds/type_table.h"

namespace meshdns::discovery {

// Fills one response up to its limit; the first entry always fits.
class Subscription::Filler {
 public:
  Filler(XdsVariant variant, std::size_t limit_bytes)
      : variant_(variant), limit_bytes_(limit_bytes) {}

  // All return false when there is no room left.
  bool add(const ResourcePtr& resource) {
    const std::string_view bytes =
        variant_ == XdsVariant::kDelta ? resource->delta_entry() : resource->sotw_entry();
    if (!take(resource->name(), bytes.size())) {
      return false;
    }
    content_.resources.push_back({resource, bytes});
    names_.emplace_back(resource->name());
    return true;
  }
  bool remove(std::string_view name) {
    if (!take(name, name.size())) {
      return false;
    }
    content_.removed.emplace_back(name);
    return true;
  }

  // A name may stand in a response once only.
  [[nodiscard]] bool has(std::string_view name) const { return told_.contains(name); }
  [[nodiscard]] bool empty() const { return told_.empty(); }
  [[nodiscard]] Content take_content() { return std::move(content_); }
  // Of the resources added.
  [[nodiscard]] std::vector<std::string> take_names() { return std::move(names_); }

 private:
  bool take(std::string_view name, std::size_t size) {
    if (!told_.empty() && bytes_ + size > limit_bytes_) {
      return false;
    }
    bytes_ += size;
    told_.emplace(name);
    return true;
  }

  XdsVariant variant_;
  std::size_t limit_bytes_;
  std::size_t bytes_ = 0;
  std::set<std::string, std::less<>> told_;
  std::vector<std::string> names_;
  Content content_;
};

std::size_t Subscription::Content::resource_bytes() const {
  std::size_t size = 0;
  for (const SharedBytes& part : resources) {
    size += part.bytes.size();
  }
  return size;
}

std::optional<Subscription::Content> Subscription::next(const TypeTable& table,
                                                        std::string_view nonce,
                                                        std::size_t limit_bytes) {
  let_go_of_old_bytes(table);
  if (!started_ || awaits_ack_) {
    return std::nullopt;
  }
  std::optional<Content> content =
      tells_all_each_time() ? next_full_state(table) : next_parts(table, limit_bytes);
  if (content) {
    content->version = table.version();
    sent_nonce_ = nonce;
    awaits_ack_ = true;
    answer_owed_ = false;
  }
  return content;
}

void Subscription::let_go_of_old_bytes(const TypeTable& table) {
  if (body_ != nullptr && body_->chunks.back().end != table.head()) {
    body_.reset();
  }
}

bool Subscription::fell_behind(const TypeTable& table) const {
  return variant_ == XdsVariant::kDelta && wildcard_ && pass_begun_ &&
         std::max(synced_, pass_head_) < table.horizon();
}

std::uint64_t Subscription::lag(const TypeTable& table) const {
  return started_ ? table.head() - synced_ + untold_.size() : 0;
}

// Whether the client asks for an entry. A name unsubscribed from under a wildcard is covered no
// more when it is not listed.
bool Subscription::covers(const Entry& entry) const {
  return (wildcard_ && entry.listing == Listing::kListed) || names_.contains(entry.name);
}

// Whether anything asked for may have changed since the client was told. Behind the horizon a name
// may have gone without a trace.
bool Subscription::has_changes(const TypeTable& table) const {
  return synced_ < table.horizon() || !visit_changes(table, [](const Entry&) { return false; });
}

template <typename Visit>
bool Subscription::visit_changes(const TypeTable& table, Visit visit) const {
  if (!wildcard_ && names_.size() < table.head() - synced_) {
    std::vector<const Entry*> changed;
    for (const std::string& name : names_) {
      const Entry* const entry = table.find(name);
      if (entry != nullptr && entry->sequence > synced_) {
        changed.push_back(entry);
      }
    }
    std::ranges::sort(changed, {}, &Entry::sequence);
    return std::ranges::all_of(changed, [&](const Entry* entry) { return visit(*entry); });
  }
  for (auto at = table.log().upper_bound(synced_); at != table.log().end(); ++at) {
    if (covers(*at->second) && !visit(*at->second)) {
      return false;
    }
  }
  return true;
}

std::optional<Subscription::Content> Subscription::next_full_state(const TypeTable& table) {
  const bool told_version = wildcard_ && names_.empty() && !pass_begun_ &&
                            !initial_table_version_.empty() &&
                            initial_table_version_ == table.version();
  const bool has_news = answer_owed_ || !untold_.empty() || has_changes(table);
  std::vector<std::string> changed =
      pass_begun_ ? changed_names(table) : std::vector<std::string>();
  synced_ = table.head();
  pass_begun_ = true;
  untold_.clear();
  if (told_version || !has_news) {
    answer_owed_ = false;
    return std::nullopt;
  }
  Content content = whole_state(table);
  content.changed = std::move(changed);
  return content;
}

std::vector<std::string> Subscription::changed_names(const TypeTable& table) const {
  std::vector<std::string> names;
  visit_changes(table, [&](const Entry& entry) {
    if (entry.resource != nullptr) {
      names.emplace_back(entry.name);
    }
    return true;
  });
  return names;
}

Subscription::Content Subscription::whole_state(const TypeTable& table) const {
  Content content;
  const auto add = [&](const Entry& entry) {
    if (const ResourcePtr& form = entry.form_for(zone_)) {
      content.resources.push_back({form, form->sotw_entry()});
    }
  };
  if (wildcard_ && is_same_for_all_zones(table)) {
    const auto body = table.sotw_body();
    for (const TypeTable::Chunk& chunk : body->chunks) {
      content.resources.push_back(chunk.bytes);
    }
  } else if (wildcard_) {
    for (const auto& [sequence, entry] : table.log()) {
      if (entry->listing == Listing::kListed) {
        add(*entry);
      }
    }
  }
  for (const std::string& name : names_) {
    const Entry* const entry = table.find(name);
    if (entry != nullptr && !(wildcard_ && entry->listing == Listing::kListed)) {
      add(*entry);
    }
  }
  return content;
}

// Whether the bytes that are shared by all fresh streams are this client's, too.
bool Subscription::is_same_for_all_zones(const TypeTable& table) const {
  return zone_.empty() || !table.has_zone_forms();
}

std::optional<Subscription::Content> Subscription::next_parts(const TypeTable& table,
                                                              std::size_t limit_bytes) {
  if (!std::exchange(pass_begun_, true)) {
    // A wildcard walks the whole table; names are all untold yet.
    (wildcard_ ? pass_head_ : synced_) = table.head();
  }
  if (limit_bytes >= TypeTable::kChunkBytes) {
    if (auto content = next_chunk(table)) {
      return content;
    }
  }
  retell_what_is_forgotten(table);
  Filler filler(variant_, limit_bytes);
  (void)(tell_untold(table, filler) && tell_changes(table, filler) && tell_initial_rest(filler));
  if (filler.empty() && !answer_owed_) {
    return std::nullopt;
  }
  Content content = filler.take_content();
  if (full_state_) {
    content.changed = filler.take_names();
  }
  return content;
}

// The next piece of the body that all fresh wildcard streams share, while the table stands still.
std::optional<Subscription::Content> Subscription::next_chunk(const TypeTable& table) {
  const bool fresh = variant_ == XdsVariant::kDelta && wildcard_ && is_same_for_all_zones(table) &&
                     untold_.empty() && initial_versions_.empty();
  // The body holds no removals, so none may have come since the pass began.
  if (fresh && synced_ == 0 && pass_head_ == table.head() && table.size() > 0) {
    body_ = table.delta_body();
  }
  if (body_ == nullptr) {
    return std::nullopt;
  }
  const auto& chunks = body_->chunks;
  const auto chunk = std::ranges::find(chunks, synced_, &TypeTable::Chunk::begin);
  if (!fresh || chunk == chunks.end()) {
    body_.reset();
    return std::nullopt;
  }
  Content content;
  content.resources.push_back(chunk->bytes);
  synced_ = chunk->end;
  if (synced_ == table.head()) {
    body_.reset();
  }
  return content;
}

bool Subscription::tell_untold(const TypeTable& table, Filler& filler) {
  for (auto at = untold_.begin(); at != untold_.end(); at = untold_.erase(at)) {
    const auto& [name, held] = *at;
    const Entry* const entry = table.find(name);
    if (entry == nullptr || entry->resource == nullptr || !covers(*entry)) {
      if (variant_ == XdsVariant::kDelta && !filler.remove(name)) {
        return false;
      }
      initial_versions_.erase(name);
      continue;
    }
    const ResourcePtr& form = entry->form_for(zone_);
    const bool told_below =
        wildcard_ && entry->listing == Listing::kListed && entry->sequence > synced_;
    const bool held_already = held.has_value() && *held == form->version();
    if (!told_below && !held_already && !filler.add(form)) {
      return false;
    }
  }
  return true;
}

bool Subscription::tell_changes(const TypeTable& table, Filler& filler) {
  // One by one: each of a large table's chunks would else cost as much as all of them.
  const bool is_all = visit_changes(table, [&](const Entry& entry) {
    if (!tell_entry(entry, filler)) {
      return false;
    }
    synced_ = entry.sequence;
    return true;
  });
  if (is_all) {
    synced_ = table.head();
  }
  return is_all;
}

bool Subscription::tell_entry(const Entry& entry, Filler& filler) {
  if (filler.has(entry.name)) {
    return true;
  }
  const auto held = initial_versions_.find(entry.name);
  const bool holds = held != initial_versions_.end();
  bool told = true;
  if (entry.resource != nullptr) {
    const ResourcePtr& form = entry.form_for(zone_);
    told = (holds && held->second == form->version()) || filler.add(form);
  } else if (variant_ == XdsVariant::kDelta) {
    const bool no_news = wildcard_ && !holds && entry.sequence <= pass_head_;
    told = no_news || filler.remove(entry.name);
  }
  if (told && holds) {
    initial_versions_.erase(held);
  }
  return told;
}

// Named subscriptions remember no versions. What may have happened to a name before the horizon is
// no longer known, so it is told again.
void Subscription::retell_what_is_forgotten(const TypeTable& table) {
  if (wildcard_ || synced_ >= table.horizon()) {
    return;
  }
  for (const std::string& name : names_) {
    const Entry* const entry = table.find(name);
    if (entry == nullptr || (entry->sequence > synced_ && entry->sequence <= table.horizon())) {
      untold_.emplace(name, std::nullopt);
    }
  }
  synced_ = table.horizon();
}

// After the whole table was compared, what the client still claims to hold does not exist.
bool Subscription::tell_initial_rest(Filler& filler) {
  while (!initial_versions_.empty()) {
    const auto at = initial_versions_.begin();
    if (!filler.has(at->first) && !filler.remove(at->first)) {
      return false;
    }
    initial_versions_.erase(at);
  }
  return true;
}

}  // namespace meshdns::discovery
