// Where the table comes from: a control plane, or a file.
//
// Control thread only. What it tells goes to whoever made it, as deltas of its feeds.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "discovery/feeds/kuma_feed.h"
#include "discovery/service.h"
#include "discovery/xds/ads_client.h"
#include "discovery/xds/held_versions.h"

namespace meshdns::dns {

// Decodes what the log of one of a source's feeds says; what cannot be taken any more is left out.
// From any thread.
using FeedReader = std::function<discovery::ServiceDelta(const std::string& feed,
                                                         const discovery::ResponseView& log)>;

class TableSource {
 public:
  TableSource() = default;
  TableSource(const TableSource&) = delete;
  TableSource& operator=(const TableSource&) = delete;
  virtual ~TableSource() = default;

  // Never fails: what cannot be had is tried again for ever. `held`: what whoever gets the deltas
  // has from before, by feed.
  virtual void start(std::map<std::string, discovery::HeldVersions> held) = 0;
  // No callback during or after. A second call does nothing.
  virtual void stop() = 0;

  // Looks at the files it was made with again: at a reload.
  virtual void refresh() {}

  // Whether what it told is what there is.
  [[nodiscard]] virtual bool is_connected() const = 0;
  // The feeds that deliver here; the first tells which services and records there are.
  [[nodiscard]] virtual std::vector<std::string> feeds() const = 0;
  // For people: how it stands, and what it is.
  [[nodiscard]] virtual std::string state() const = 0;
  [[nodiscard]] virtual std::string what() const = 0;
  // What is wrong beside that, for people; empty: nothing.
  [[nodiscard]] virtual std::string note() const { return {}; }
  // Null unless it is a control plane of Kuma's that was found.
  [[nodiscard]] virtual const discovery::KumaFeed* kuma_feed() const { return nullptr; }
};

}  // namespace meshdns::dns
