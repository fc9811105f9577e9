// A client of one type that follows the xDS rules by the book, driven by bytes: whatever requests,
// changes, lost connections and late answers those spell, in the end it must hold exactly what it
// asked for, in the form for its zone. Used with random bytes by a test and with hostile ones by a
// fuzz target.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "discovery/xds/request.h"
#include "discovery/xds/resource.h"
#include "discovery/xds/subscription.h"
#include "discovery/xds/type_table.h"
#include "discovery/xds/type_urls.h"
#include "envoy/service/discovery/v3/discovery.pb.h"

namespace meshdns::discovery {

class SubscriptionModel {
 public:
  SubscriptionModel(XdsVariant variant, std::string_view type_url)
      : variant_(variant), type_url_(type_url), table_(type_url_, kTombstones) {
    connect();
  }

  // Two bytes are one step.
  void run(std::span<const std::uint8_t> bytes) {
    for (std::size_t i = 0; i + 1 < bytes.size() && fault_.empty(); i += 2) {
      step(bytes[i], bytes[i + 1]);
      receive(bytes[i] >= 128 ? 64 : kBigResponse);
    }
    settle();
  }

  // What went wrong, empty if nothing did.
  [[nodiscard]] const std::string& fault() const { return fault_; }

 private:
  static constexpr std::size_t kBigResponse = 1UL << 20U;
  static constexpr std::size_t kTombstones = 2;  // so few that they are soon forgotten
  static constexpr std::string_view kNames = "abcdef";
  static constexpr std::string_view kByName = "ef";  // that a wildcard does not cover
  static constexpr const char* kZone = "east";       // the client's

  [[nodiscard]] bool full_state() const { return is_full_state(type_url_); }

  // Bits 0 to 5 are names, bit 6 is "*".
  static std::vector<std::string> names_in(std::uint8_t mask) {
    std::vector<std::string> names;
    for (std::size_t i = 0; i < kNames.size(); ++i) {
      if ((static_cast<unsigned>(mask) >> i & 1U) != 0) {
        names.emplace_back(1, kNames[i]);
      }
    }
    if ((static_cast<unsigned>(mask) >> kNames.size() & 1U) != 0) {
      names.emplace_back("*");
    }
    return names;
  }

  void step(std::uint8_t what, std::uint8_t argument) {
    switch (what % 8) {
      case 0:
      case 1:
        put(kNames.substr(argument % kNames.size(), 1), argument / 8);
        break;
      case 2:
        table_.remove(kNames.substr(argument % kNames.size(), 1));
        break;
      case 3:
        request(argument, 0, pending_nonce_.value_or(""));
        break;
      case 4:
        request(argument, 0, "stale");
        break;
      case 5:
        request(0, argument, argument >= 128 ? "" : pending_nonce_.value_or(""));
        break;
      case 6:
        answer(argument % 2 == 0);
        break;
      default:
        connect();
        request(argument, 0, "");
    }
  }

  static Listing listing_of(std::string_view name) {
    return kByName.find(name) == std::string_view::npos ? Listing::kListed : Listing::kByNameOnly;
  }

  // Values begin with the name, as real resources contain theirs. Odd ones have forms for zones.
  void put(std::string_view name, int value) {
    const std::string text = std::string(name) + std::to_string(value);
    const ZoneValues zones =
        value % 2 == 0 ? ZoneValues{} : ZoneValues{{kZone, text + "e"}, {"west", text + "w"}};
    table_.update(name, text, zones, listing_of(name));
  }

  void connect() {
    subscription_.emplace(variant_, full_state(), kZone);
    started_ = false;
    wildcard_ = false;
    legacy_ = true;
    names_.clear();
    pending_nonce_.reset();
    if (variant_ == XdsVariant::kSotw) {
      held_.clear();  // it asks as if it held nothing
    }
  }

  void request(std::uint8_t subscribe, std::uint8_t unsubscribe, const std::string& nonce) {
    if (variant_ == XdsVariant::kSotw) {
      request_sotw(names_in(subscribe), nonce);
    } else {
      request_delta(names_in(subscribe), names_in(unsubscribe), nonce);
    }
    if (nonce == pending_nonce_) {
      pending_nonce_.reset();
    }
  }

  void request_sotw(const std::vector<std::string>& names, const std::string& nonce) {
    names_ = {names.begin(), names.end()};
    const bool star = names_.erase("*") > 0;
    legacy_ = legacy_ && names.empty();
    wildcard_ = star || (legacy_ && full_state());
    drop_unasked();
    SotwRequest message;
    message.names = names;
    message.nonce = nonce;
    subscription_->handle(message);
    started_ = true;
    last_names_ = names;
  }

  void request_delta(const std::vector<std::string>& subscribe,
                     const std::vector<std::string>& unsubscribe, const std::string& nonce) {
    DeltaRequest message;
    message.subscribe = subscribe;
    message.unsubscribe = unsubscribe;
    message.nonce = nonce;
    if (!std::exchange(started_, true)) {
      wildcard_ = subscribe.empty() && full_state();
      for (const auto& [name, value] : held_) {
        message.initial_versions.emplace(name, Resource(type_url_, name, value).version());
      }
    }
    for (const std::string& name : subscribe) {
      name == "*" ? void(wildcard_ = true) : void(names_.insert(name));
    }
    for (const std::string& name : unsubscribe) {
      if (name == "*") {
        wildcard_ = false;
      } else {
        names_.erase(name);
        held_.erase(name);  // under a wildcard it will be told again
      }
    }
    drop_unasked();
    subscription_->handle(message);
  }

  [[nodiscard]] bool asks_for(const std::string& name) const {
    return (wildcard_ && listing_of(name) == Listing::kListed) || names_.contains(name);
  }
  void drop_unasked() {
    std::erase_if(held_, [this](const auto& entry) { return !asks_for(entry.first); });
  }

  // An ACK, or a NACK of a client that applied what it could.
  void answer(bool ack) {
    if (!pending_nonce_) {
      return;
    }
    const std::string nonce = *std::exchange(pending_nonce_, std::nullopt);
    if (variant_ == XdsVariant::kSotw) {
      SotwRequest message;
      message.names = last_names_;
      message.nonce = nonce;
      message.error = ack ? std::nullopt : std::optional<std::string>("no");
      subscription_->handle(message);
      return;
    }
    DeltaRequest message;
    message.nonce = nonce;
    message.error = ack ? std::nullopt : std::optional<std::string>("no");
    subscription_->handle(message);
  }

  bool receive(std::size_t limit_bytes) {
    if (subscription_->fell_behind(table_)) {
      begin_again();
    }
    const std::string nonce = std::to_string(++nonces_);
    const auto content = subscription_->next(table_, nonce, limit_bytes);
    if (!content) {
      return false;
    }
    if (pending_nonce_) {
      fault_ = "a response before the ACK of the one before";
    }
    pending_nonce_ = nonce;
    std::string bytes;
    for (const SharedBytes& part : content->resources) {
      bytes += part.bytes;
    }
    variant_ == XdsVariant::kSotw ? apply_sotw(bytes) : apply_delta(bytes, content->removed);
    return true;
  }

  // The server ended the stream; the client asks for the same on a new one.
  void begin_again() {
    std::vector<std::string> same(names_.begin(), names_.end());
    same.emplace_back("*");
    connect();
    request_delta(same, {}, "");
  }

  void apply_delta(const std::string& bytes, const std::vector<std::string>& removed) {
    envoy::service::discovery::v3::DeltaDiscoveryResponse response;
    if (!response.ParseFromString(bytes)) {
      fault_ = "a response that does not decode";
    }
    std::set<std::string> told;
    for (const auto& resource : response.resources()) {
      if (!told.insert(resource.name()).second) {
        fault_ = "a name twice in one response";
      }
      if (asks_for(resource.name())) {
        held_[resource.name()] = resource.resource().value();
      }
    }
    for (const std::string& name : removed) {
      if (!told.insert(name).second) {
        fault_ = "a name removed and sent, or removed twice";
      }
      held_.erase(name);
    }
  }

  void apply_sotw(const std::string& bytes) {
    envoy::service::discovery::v3::DiscoveryResponse response;
    if (!response.ParseFromString(bytes)) {
      fault_ = "a response that does not decode";
    }
    if (full_state()) {
      held_.clear();
    }
    for (const auto& any : response.resources()) {
      const std::string name = any.value().substr(0, 1);
      if (asks_for(name)) {
        held_[name] = any.value();
      }
    }
  }

  // Acknowledges until there is no more to tell, then compares.
  void settle() {
    for (int i = 0; i < 100; ++i) {
      answer(true);
      if (!receive(kBigResponse)) {
        break;
      }
    }
    for (const char letter : kNames) {
      const std::string name(1, letter);
      const TypeTable::Entry* const entry = table_.find(name);
      const bool exists = entry != nullptr && entry->resource != nullptr;
      const auto held = held_.find(name);
      if (exists && started_ && asks_for(name) &&
          (held == held_.end() || held->second != entry->form_for(kZone)->value())) {
        fault_ = "not told of " + name;
      }
      const bool may_linger = variant_ == XdsVariant::kSotw && !full_state();
      if (!exists && held != held_.end() && started_ && !may_linger) {
        fault_ = "not told that " + name + " is gone";
      }
    }
  }

  XdsVariant variant_;
  std::string type_url_;
  TypeTable table_;
  std::optional<Subscription> subscription_;

  bool started_ = false;
  bool wildcard_ = false;
  bool legacy_ = true;
  std::set<std::string> names_;
  std::vector<std::string> last_names_;
  std::map<std::string, std::string> held_;
  std::optional<std::string> pending_nonce_;
  int nonces_ = 0;
  std::string fault_;
};

}  // namespace meshdns::discovery
