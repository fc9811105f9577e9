#include "discovery/xds/type_table.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "discovery/xds/resource.h"

namespace meshdns::discovery {
namespace {

using EntryOf = std::string_view (Resource::*)() const;

// Whether a wildcard is told of it in a form that depends on the zone.
bool is_zoned(const TypeTable::Entry& entry) {
  return entry.listing == Listing::kListed && !entry.zone_forms.empty();
}

// Joins the entries of all listed resources in log order, starting a new chunk past `chunk_bytes`.
std::shared_ptr<const TypeTable::Body> join(const TypeTable::Log& log, std::uint64_t head,
                                            EntryOf entry_of, std::size_t chunk_bytes) {
  auto body = std::make_shared<TypeTable::Body>();
  auto bytes = std::make_shared<std::string>();
  std::uint64_t begin = 0;
  const auto finish_chunk = [&](std::uint64_t end) {
    body->chunks.push_back({begin, end, {bytes, *bytes}});
    begin = end;
    bytes = std::make_shared<std::string>();
  };
  for (const auto& [sequence, entry] : log) {
    if (entry->resource == nullptr || entry->listing == Listing::kByNameOnly) {
      continue;
    }
    const std::string_view next = ((*entry->resource).*entry_of)();
    if (!bytes->empty() && bytes->size() + next.size() > chunk_bytes) {
      finish_chunk(sequence - 1);
    }
    bytes->append(next);
  }
  finish_chunk(head);
  return body;
}

}  // namespace

TypeTable::TypeTable(std::string type_url, std::size_t minimum_tombstones)
    : type_url_(std::move(type_url)), minimum_tombstones_(minimum_tombstones) {}

const TypeTable::Entry* TypeTable::find(std::string_view name) const {
  const auto at = entries_.find(name);
  return at == entries_.end() ? nullptr : at->second.get();
}

const ResourcePtr& TypeTable::Entry::form_for(std::string_view zone) const {
  for (const auto& [of_zone, form] : zone_forms) {
    if (of_zone == zone) {
      return form;
    }
  }
  return resource;
}

TypeTable::Entry& TypeTable::find_or_make(std::string_view name) {
  auto at = entries_.find(name);
  if (at == entries_.end()) {
    auto entry = std::make_unique<Entry>();
    entry->name = name;
    const std::string_view key = entry->name;
    at = entries_.emplace(key, std::move(entry)).first;
  }
  return *at->second;
}

bool TypeTable::update(std::string_view name, std::string_view value, const ZoneValues& zone_values,
                       Listing listing) {
  Entry& entry = find_or_make(name);
  if (entry.resource != nullptr && entry.resource->value() == value && entry.listing == listing &&
      std::ranges::equal(entry.zone_forms, zone_values, [](const auto& form, const auto& wanted) {
        return form.first == wanted.first && form.second->value() == wanted.second;
      })) {
    return false;
  }
  if (entry.resource == nullptr) {
    tombstones_.erase(entry.sequence);
  } else {
    discount(entry);
  }
  touch(entry);
  entry.resource = serialise(entry.name, value);
  entry.zone_forms.clear();
  entry.zone_forms.reserve(zone_values.size());
  for (const auto& [zone, zone_value] : zone_values) {
    entry.zone_forms.emplace_back(zone, serialise(entry.name, zone_value));
  }
  entry.listing = listing;
  count(entry);
  return true;
}

bool TypeTable::remove(std::string_view name) {
  const auto at = entries_.find(name);
  if (at == entries_.end() || at->second->resource == nullptr) {
    return false;
  }
  Entry& entry = *at->second;
  discount(entry);
  touch(entry);
  entry.resource = nullptr;
  entry.zone_forms.clear();
  tombstones_.emplace(entry.sequence, &entry);
  forget_old_tombstones();
  return true;
}

ResourcePtr TypeTable::serialise(std::string_view name, std::string_view value) {
  ++serialisations_;
  return std::make_shared<const Resource>(type_url_, name, value);
}

// What an entry with a resource adds to the table as a whole.
void TypeTable::count(const Entry& entry) {
  ++present_;
  zoned_ += is_zoned(entry) ? 1U : 0U;
  hash_ += entry.resource->hash();
  for (const auto& [zone, form] : entry.zone_forms) {
    hash_ += form->hash();
  }
}

void TypeTable::discount(const Entry& entry) {
  --present_;
  zoned_ -= is_zoned(entry) ? 1U : 0U;
  hash_ -= entry.resource->hash();
  for (const auto& [zone, form] : entry.zone_forms) {
    hash_ -= form->hash();
  }
}

// Moves the entry to the end of the log.
void TypeTable::touch(Entry& entry) {
  log_.erase(entry.sequence);
  entry.sequence = ++head_;
  log_.emplace_hint(log_.end(), entry.sequence, &entry);
}

void TypeTable::forget_old_tombstones() {
  while (tombstones_.size() > std::max(minimum_tombstones_, present_)) {
    const auto oldest = tombstones_.begin();
    horizon_ = oldest->first;
    log_.erase(oldest->first);
    // The key views the name inside the entry: take the entry out before it dies.
    const auto node = entries_.extract(oldest->second->name);
    tombstones_.erase(oldest);
  }
}

std::shared_ptr<const TypeTable::Body> TypeTable::delta_body() const {
  auto body = delta_.head == head_ ? delta_.body.lock() : nullptr;
  if (body == nullptr) {
    body = join(log_, head_, &Resource::delta_entry, kChunkBytes);
    delta_ = {head_, body};
  }
  return body;
}

std::shared_ptr<const TypeTable::Body> TypeTable::sotw_body() const {
  auto body = sotw_.head == head_ ? sotw_.body.lock() : nullptr;
  if (body == nullptr) {
    body = join(log_, head_, &Resource::sotw_entry, std::string::npos);
    sotw_ = {head_, body};
  }
  return body;
}

}  // namespace meshdns::discovery
