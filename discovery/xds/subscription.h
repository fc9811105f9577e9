// The server's view of one type on one stream: what the client asked for, what it holds, and so
// what to send next. Pure state: no I/O, no thread of its own, no clock.
//
// The rules, for both variants (xDS protocol, "How the client specifies what resources to return"
// and "ACK/NACK"):
// 1. An empty first request means everything (legacy wildcard) for full-state types, nothing for
//    the others; "*" means everything for all. In state of the world the names of a request are the
//    whole subscription, and an empty list after any name was seen means nothing. In delta the
//    wildcard stays until "*" is unsubscribed.
// 2. The subscription part of a request always counts, the ACK part only with the nonce sent last.
//    A nonce from before this stream's first response is no nonce.
// 3. One response without its ACK at a time. A NACK is not answered with the same again: what was
//    sent counts as told.
// 4. Delta: a name subscribed to is told (again), as a resource or as removed; the one exception is
//    a first request that shows it already held at this version. Under a wildcard, so is a name
//    unsubscribed from. Names in initial_resource_versions that no longer exist are removed. The
//    first request of a wildcard is answered, however little there is to say.
// 5. State of the world: a full-state type gets everything asked for whenever any of it changed; a
//    wildcard that already has this version is not answered. The other types get what changed and
//    what is newly asked for, and nothing about names that do not exist.
// 6. A wildcard covers what is listed. A resource that is not is told to those who name it, and to
//    nobody else.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "discovery/xds/request.h"
#include "discovery/xds/resource.h"
#include "discovery/xds/type_table.h"

namespace meshdns::discovery {

// What a request said about the response sent last.
enum class Acknowledgement : std::uint8_t { kNone, kAck, kNack, kStale };

class Subscription {
 public:
  // What one response carries. `resources` are entries of the response's field 2, in order.
  struct Content {
    std::vector<SharedBytes> resources;
    std::vector<std::string> removed;  // delta only
    std::string version;               // of the table
    // Full-state types only: the names of those resources that are new to a client which held some
    // of the type before. What hangs on them it may have forgotten.
    std::vector<std::string> changed;

    [[nodiscard]] std::size_t resource_bytes() const;
  };

  // `zone`: the client's, which says which form of a resource it gets.
  Subscription(XdsVariant variant, bool full_state, std::string zone = {})
      : variant_(variant), full_state_(full_state), zone_(std::move(zone)) {}

  // The next request of this type. Call the one of the variant.
  Acknowledgement handle(const SotwRequest& request);
  Acknowledgement handle(const DeltaRequest& request);

  // What to send now, if anything; the caller sends it under `nonce`. Responses that can be split
  // (all but full-state state of the world) stop after about `limit_bytes`: ask again after the
  // ACK. The table must be of the same ResourceSet each time.
  [[nodiscard]] std::optional<Content> next(const TypeTable& table, std::string_view nonce,
                                            std::size_t limit_bytes);

  // Lets go of bytes that were put together for it when the table was another: who does not take
  // what it is sent would hold a copy of each table that there ever was. next() does so, too.
  void let_go_of_old_bytes(const TypeTable& table);

  // Tells what it asks for of these names again, though nothing changed. An Envoy that warms a
  // changed cluster waits for its endpoints, and need not say so (xDS protocol, "Resource
  // warming").
  void tell_again(const std::vector<std::string>& names);

  // The next response is sent even if it has no news.
  void owe_response() { answer_owed_ = true; }
  // Rather than news alone.
  [[nodiscard]] bool tells_all_each_time() const {
    return variant_ == XdsVariant::kSotw && full_state_;
  }

  // True when the table no longer knows every removal since the client was last told: only a new
  // stream, with its initial versions, can bring it up to date.
  [[nodiscard]] bool fell_behind(const TypeTable& table) const;

  // How many changes of the table there are since the client was told, whatever they are of: 0 when
  // it holds all that it asks for, or has it on its way.
  [[nodiscard]] std::uint64_t lag(const TypeTable& table) const;

  [[nodiscard]] bool wildcard() const { return wildcard_; }
  // That it asks for, beside everything.
  [[nodiscard]] std::size_t names() const { return names_.size(); }
  [[nodiscard]] bool awaits_ack() const { return awaits_ack_; }
  // Names this subscription remembers, beside those of the first request's initial versions.
  [[nodiscard]] std::size_t size() const { return names_.size() + untold_.size(); }
  // What is kept of the client's words takes about so much memory.
  [[nodiscard]] std::size_t held_octets() const {
    return (size() + initial_versions_.size()) * (kEntryOctets + longest_entry_);
  }

 private:
  using Entry = TypeTable::Entry;
  class Filler;
  static constexpr std::size_t kEntryOctets = 128;  // beside its text

  Acknowledgement acknowledge(const std::string& nonce, bool rejected);
  void set_wildcard(bool wildcard);
  void note_length(const std::vector<std::string>& names);
  void subscribe_first(const DeltaRequest& request);
  void subscribe(const std::string& name);
  void unsubscribe(const std::string& name);

  [[nodiscard]] bool covers(const Entry& entry) const;
  [[nodiscard]] bool has_changes(const TypeTable& table) const;
  // Calls `visit` with the entries asked for that changed since the client was told, oldest change
  // first, as long as it returns true; returns what it returned last.
  template <typename Visit>
  bool visit_changes(const TypeTable& table, Visit visit) const;
  [[nodiscard]] std::optional<Content> next_full_state(const TypeTable& table);
  [[nodiscard]] Content whole_state(const TypeTable& table) const;
  // Of the changes those that are no removals.
  [[nodiscard]] std::vector<std::string> changed_names(const TypeTable& table) const;
  [[nodiscard]] bool is_same_for_all_zones(const TypeTable& table) const;
  [[nodiscard]] std::optional<Content> next_parts(const TypeTable& table, std::size_t limit_bytes);
  [[nodiscard]] std::optional<Content> next_chunk(const TypeTable& table);
  void retell_what_is_forgotten(const TypeTable& table);
  // Each returns false when the response is full; what it told is then remembered.
  bool tell_untold(const TypeTable& table, Filler& filler);
  bool tell_changes(const TypeTable& table, Filler& filler);
  bool tell_entry(const Entry& entry, Filler& filler);
  bool tell_initial_rest(Filler& filler);

  XdsVariant variant_;
  bool full_state_;
  std::string zone_;

  // What is asked for.
  bool started_ = false;
  bool wildcard_ = false;
  bool legacy_wildcard_allowed_ = true;  // state of the world: no name was seen yet
  std::set<std::string, std::less<>> names_;

  // What the client holds: everything it asked for as of `synced_`, but for the names in `untold_`,
  // which are told whatever their age, unless it holds the given version.
  std::uint64_t synced_ = 0;
  std::map<std::string, std::optional<std::string>, std::less<>> untold_;
  bool answer_owed_ = false;
  // Of the first pass: whether it has begun. Of a wildcard's: the head at that time, up to which
  // removals are no news; what the client said it holds; its version of the table.
  bool pass_begun_ = false;
  std::uint64_t pass_head_ = 0;
  std::unordered_map<std::string, std::string> initial_versions_;
  std::string initial_table_version_;
  std::shared_ptr<const TypeTable::Body> body_;  // while the pass is being sent in chunks

  std::size_t longest_entry_ = 0;  // of the client's words: octets
  std::string sent_nonce_;
  bool awaits_ack_ = false;
};

}  // namespace meshdns::discovery
