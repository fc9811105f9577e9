#include "discovery/xds/subscription.h"

#include <algorithm>
#include <cstddef>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "discovery/xds/request.h"

namespace meshdns::discovery {
namespace {

constexpr std::string_view kEverything = "*";
constexpr std::size_t kMaxVersionOctets = 256;

}  // namespace

Acknowledgement Subscription::acknowledge(const std::string& nonce, bool rejected) {
  if (nonce.empty() || sent_nonce_.empty()) {
    return Acknowledgement::kNone;
  }
  if (nonce != sent_nonce_) {
    return Acknowledgement::kStale;
  }
  if (!awaits_ack_) {
    return Acknowledgement::kNone;  // said before; only the names can be new
  }
  awaits_ack_ = false;
  return rejected ? Acknowledgement::kNack : Acknowledgement::kAck;
}

Acknowledgement Subscription::handle(const SotwRequest& request) {
  const Acknowledgement result = acknowledge(request.nonce, request.error.has_value());
  const bool first = !std::exchange(started_, true);

  note_length(request.names);
  std::set<std::string, std::less<>> asked(request.names.begin(), request.names.end());
  const bool star = asked.erase(std::string(kEverything)) > 0;
  if (!request.names.empty()) {
    legacy_wildcard_allowed_ = false;
  }
  const bool wildcard = star || (legacy_wildcard_allowed_ && full_state_);

  // NOLINTNEXTLINE(misc-include-cleaner): it knows only the erase_if of <vector>.
  std::erase_if(untold_, [&](const auto& untold) { return !asked.contains(untold.first); });
  for (const std::string& name : asked) {
    if (!names_.contains(name)) {
      untold_.emplace(name, std::nullopt);
    }
  }
  names_ = std::move(asked);

  if (wildcard != wildcard_) {
    set_wildcard(wildcard);
    // What is longer is none of ours.
    initial_table_version_ = first ? request.version_info.substr(0, kMaxVersionOctets) : "";
  }
  return result;
}

Acknowledgement Subscription::handle(const DeltaRequest& request) {
  const Acknowledgement result = acknowledge(request.nonce, request.error.has_value());
  note_length(request.subscribe);
  note_length(request.unsubscribe);
  if (!std::exchange(started_, true)) {
    subscribe_first(request);
  } else {
    std::ranges::for_each(request.subscribe, [&](const auto& name) { subscribe(name); });
  }
  // After the subscriptions: some clients ask for nothing by subscribing to "*" and back.
  std::ranges::for_each(request.unsubscribe, [&](const auto& name) { unsubscribe(name); });
  return result;
}

void Subscription::subscribe_first(const DeltaRequest& request) {
  if (request.subscribe.empty() && full_state_) {
    set_wildcard(true);
  }
  std::ranges::for_each(request.subscribe, [&](const auto& name) { subscribe(name); });
  for (auto& [name, held] : untold_) {
    const auto at = request.initial_versions.find(name);
    if (at != request.initial_versions.end()) {
      held = at->second;
    }
  }
  for (const auto& [name, version] : request.initial_versions) {
    longest_entry_ = std::max(longest_entry_, name.size() + version.size());
  }
  if (wildcard_) {
    initial_versions_ = request.initial_versions;
  }
}

void Subscription::note_length(const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    longest_entry_ = std::max(longest_entry_, name.size());
  }
}

void Subscription::subscribe(const std::string& name) {
  if (name == kEverything) {
    if (!wildcard_) {
      set_wildcard(true);
    }
    return;
  }
  names_.insert(name);
  untold_.insert_or_assign(name, std::nullopt);
  initial_versions_.erase(name);
}

void Subscription::unsubscribe(const std::string& name) {
  if (name == kEverything) {
    if (wildcard_) {
      set_wildcard(false);
    }
    return;
  }
  names_.erase(name);
  untold_.erase(name);
  if (wildcard_) {
    // The client dropped it, and the wildcard may still cover it.
    untold_.emplace(name, std::nullopt);
    initial_versions_.erase(name);
  }
}

void Subscription::tell_again(const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    if (names_.contains(name)) {
      untold_.insert_or_assign(name, std::nullopt);
    }
  }
}

void Subscription::set_wildcard(bool wildcard) {
  wildcard_ = wildcard;
  answer_owed_ = wildcard;
  initial_versions_.clear();
  initial_table_version_.clear();
  body_.reset();
  if (wildcard) {
    // The pass over the table tells what there is; whether a name is gone must be told by itself.
    std::ranges::for_each(names_, [&](const auto& name) { untold_.emplace(name, std::nullopt); });
    synced_ = 0;
    pass_begun_ = false;
  } else {
    // NOLINTNEXTLINE(misc-include-cleaner): it knows only the erase_if of <vector>.
    std::erase_if(untold_, [&](const auto& untold) { return !names_.contains(untold.first); });
  }
}

}  // namespace meshdns::discovery
