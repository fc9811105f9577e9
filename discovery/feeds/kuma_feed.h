// KumaFeed: the names and addresses of a Kuma control plane, as its listeners tell them to a
// sidecar, or as the sidecar tells them on. Kuma gives the addresses: nothing is allocated here.
//
// Belongs to the control thread. Each table is compared with the one before it and only the
// difference is told. A table that cannot be read is refused and the one before it stays, as it
// does when the control plane takes the table away (a sidecar without transparent proxying has
// none).
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/result.h"
#include "discovery/feeds/kuma_mark.h"
#include "discovery/feeds/kuma_table.h"
#include "discovery/service.h"
#include "discovery/xds/ads_client.h"
#include "discovery/xds/held_versions.h"

namespace meshdns::discovery {

class KumaFeed {
 public:
  static constexpr const char* kName = "kuma";
  using OnDelta = std::function<void(ServiceDelta)>;

  // The first table is told as a full state: what an earlier process kept is compared by whoever
  // has it. `held`: what the log on disk has; when Kuma says that this is still so, an empty delta
  // says it. `logger` outlives the feed.
  KumaFeed(Logger& logger, OnDelta on_delta, const HeldVersions& held = {});
  KumaFeed(const KumaFeed&) = delete;
  KumaFeed& operator=(const KumaFeed&) = delete;
  ~KumaFeed() = default;

  // Looks for the table in every listener of the control plane. The feed outlives the client's
  // callbacks.
  void subscribe(AdsClient& client);
  // The table as it is now, wherever it comes from. An error: it cannot be read, and the one before
  // it stays.
  [[nodiscard]] Result<void> take_table(const KumaTableText& text) { return take_table(text, {}); }
  // That the table of etag() is the one that is.
  void confirm();
  // Of the table that there is, or that was kept; empty: it has none.
  [[nodiscard]] const std::string& etag() const { return etag_; }
  // That there is none now. Said once in the log: what was known stays in use.
  void note_gone();

  // What a log on disk says: each resource is one record, or the mark, which is told as accepted.
  [[nodiscard]] static ServiceDelta read(const ResponseView& response,
                                         std::vector<Rejection>& rejections);

  // Whether a table has come.
  [[nodiscard]] bool has_delivered() const { return has_delivered_; }
  [[nodiscard]] std::size_t names() const { return mark_.names; }
  // Of the first table: what kuma-dp's metrics are labelled with. Empty before it.
  [[nodiscard]] const std::map<std::string, std::string>& labels() const { return labels_; }

 private:
  std::vector<Rejection> on_response(const ResponseView& response);
  struct Source {
    std::string listener;
    std::string version;
  };
  // The reason when the listener's table was refused; empty when it was taken, or has none.
  [[nodiscard]] std::string take(const ResponseItem& listener);
  [[nodiscard]] Result<void> take_table(const KumaTableText& text, const Source& source);
  void apply(KumaTable table, KumaMark mark);
  void note_left_out(const KumaTable& table);

  Logger& logger_;
  OnDelta on_delta_;
  bool has_delivered_ = false;
  bool is_missing_ = false;  // there is no table any more, and that was said
  std::string listener_;     // that had the table; empty: none has
  std::string etag_;
  KumaMark mark_;         // of the latest table, or of the one that was kept
  bool is_kept_ = false;  // nothing but that is known of the table
  std::string left_out_;  // of the latest table, as it was said; empty: nothing
  std::vector<NameRecord> records_;
  std::map<std::string, std::string> labels_;
};

}  // namespace meshdns::discovery
