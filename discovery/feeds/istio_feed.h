// IstioFeed: the names and addresses of an Istio control plane, as its name table tells them to a
// sidecar. Istio gives the addresses: nothing is allocated here.
//
// Belongs to the control thread. istiod sends the whole table at each change; it is compared with
// the one before it and only the difference is told, over restarts, too. A table that cannot be
// read is refused and the one before it stays, as it does when there is none any more.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/log.h"
#include "discovery/feeds/name_table.h"
#include "discovery/service.h"
#include "discovery/xds/ads_client.h"
#include "discovery/xds/held_versions.h"

namespace meshdns::discovery {

class IstioFeed {
 public:
  static constexpr const char* kName = "istio";
  using OnDelta = std::function<void(const ServiceDelta&)>;

  // `held`: what the log on disk has, and whoever gets the deltas. `logger` outlives the feed.
  IstioFeed(Logger& logger, NameTableScope scope, OnDelta on_delta, HeldVersions held = {});
  IstioFeed(const IstioFeed&) = delete;
  IstioFeed& operator=(const IstioFeed&) = delete;
  ~IstioFeed() = default;

  // Asks for the name table. The feed outlives the client's callbacks.
  void subscribe(AdsClient& client);

  // What a log on disk says: each resource is one record.
  [[nodiscard]] static ServiceDelta read(const ResponseView& response,
                                         std::vector<Rejection>& rejections);

  // Whether a table has come.
  [[nodiscard]] bool has_delivered() const { return has_delivered_; }

 private:
  std::vector<Rejection> on_response(const ResponseView& response);
  void apply(const NameTable& table);
  void note_left_out(const NameTable& table);
  void note_gone();

  Logger& logger_;
  NameTableScope scope_;
  OnDelta on_delta_;
  bool has_delivered_ = false;
  bool is_missing_ = false;  // there is no table any more, and that was said
  std::string left_out_;     // of the latest table, as it was said; empty: nothing
  HeldVersions told_;        // of each record, its checksum as text
};

}  // namespace meshdns::discovery
