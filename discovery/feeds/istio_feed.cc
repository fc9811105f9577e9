#include "discovery/feeds/istio_feed.h"

#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/log.h"
#include "discovery/feeds/name_records.h"
#include "discovery/feeds/name_table.h"
#include "discovery/service.h"
#include "discovery/xds/ads_client.h"
#include "discovery/xds/held_versions.h"
#include "discovery/xds/type_urls.h"

namespace meshdns::discovery {

IstioFeed::IstioFeed(Logger& logger, NameTableScope scope, OnDelta on_delta, HeldVersions held)
    : logger_(logger),
      scope_(std::move(scope)),
      on_delta_(std::move(on_delta)),
      told_(std::move(held)) {}

void IstioFeed::subscribe(AdsClient& client) {
  client.subscribe(kNameTableTypeUrl, {.wildcard = true, .names = {}},
                   [this](const ResponseView& response) { return on_response(response); });
}

ServiceDelta IstioFeed::read(const ResponseView& response, std::vector<Rejection>& rejections) {
  ServiceDelta delta{.feed = kName, .full_state = response.full_state};
  for (const ResponseItem& item : response.resources) {
    if (read_name_record(item, delta, rejections)) {
      delta.accepted.push_back({item.name, item.version, std::string(item.value)});
    }
  }
  delta.removed_records = response.removed;
  return delta;
}

std::vector<Rejection> IstioFeed::on_response(const ResponseView& response) {
  if (response.resources.empty()) {
    if (response.full_state) {
      note_gone();
    }
    return {};
  }
  if (response.resources.size() > 1) {
    return {{"", fmt::format("there is one name table, not {}", response.resources.size())}};
  }
  const auto table = read_name_table(response.resources.front().value, scope_);
  if (!table) {
    return {{response.resources.front().name, table.error().message}};
  }
  apply(*table);
  return {};
}

void IstioFeed::apply(const NameTable& table) {
  note_left_out(table);
  is_missing_ = false;
  ServiceDelta delta{.feed = kName};
  HeldVersions next;
  for (const NameRecord& record : table.records) {
    const std::string version = fmt::format("{:016x}", checksum(record));
    const auto before = told_.find(record.name);
    if (before != version) {
      delta.accepted.push_back(
          {.name = record.name, .version = version, .value = encode_name_record(record)});
      delta.records.push_back(record);
    }
    next.set(record.name, version);
  }
  told_.for_each([&](std::string_view name, std::string_view /*version*/) {
    if (!next.contains(name)) {
      delta.removed_records.emplace_back(name);
    }
  });
  told_ = std::move(next);
  const bool is_first = !std::exchange(has_delivered_, true);
  if (is_first || !delta.records.empty() || !delta.removed_records.empty()) {
    on_delta_(delta);
  }
}

// The whole table comes at each change, with the same faults.
void IstioFeed::note_left_out(const NameTable& table) {
  std::string left_out = table.skipped == 0 ? std::string()
                                            : fmt::format("count={} first=\"{}\"", table.skipped,
                                                          fmt::join(table.reasons, "; "));
  if (!left_out.empty() && left_out != left_out_) {
    logger_.warn("parts of the name table are left out {}", left_out);
  }
  left_out_ = std::move(left_out);
}

void IstioFeed::note_gone() {
  if (!std::exchange(is_missing_, true)) {
    logger_.warn("the control plane tells no name table (is it an istiod?){}",
                 has_delivered_ ? "; the last one stays in use" : "");
  }
}

}  // namespace meshdns::discovery
