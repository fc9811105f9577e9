#include "discovery/feeds/kuma_feed.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/log.h"
#include "base/result.h"
#include "discovery/feeds/kuma_mark.h"
#include "discovery/feeds/kuma_table.h"
#include "discovery/feeds/name_records.h"
#include "discovery/service.h"
#include "discovery/xds/ads_client.h"
#include "discovery/xds/held_versions.h"
#include "discovery/xds/type_urls.h"

namespace meshdns::discovery {
namespace {

void tell(const NameRecord& record, ServiceDelta& delta) {
  // Without a version: the listener's says nothing of a single record.
  delta.accepted.push_back(
      {.name = record.name, .version = {}, .value = encode_name_record(record)});
  delta.records.push_back(record);
}

// What makes `after` of `before`, both ascending by name.
ServiceDelta difference(const std::vector<NameRecord>& before,
                        const std::vector<NameRecord>& after) {
  ServiceDelta delta{.feed = KumaFeed::kName};
  auto old = before.begin();
  for (const NameRecord& record : after) {
    for (; old != before.end() && old->name < record.name; ++old) {
      delta.removed_records.push_back(old->name);
    }
    const bool was_there = old != before.end() && old->name == record.name;
    if (!was_there || *old != record) {
      tell(record, delta);
    }
    old += was_there ? 1 : 0;
  }
  for (; old != before.end(); ++old) {
    delta.removed_records.push_back(old->name);
  }
  return delta;
}

}  // namespace

KumaFeed::KumaFeed(Logger& logger, OnDelta on_delta, const HeldVersions& held)
    : logger_(logger), on_delta_(std::move(on_delta)) {
  if (auto mark = KumaMark::find(held)) {
    is_kept_ = true;
    listener_ = mark->listener;
    etag_ = mark->etag;
    mark_ = *std::move(mark);
  }
}

void KumaFeed::subscribe(AdsClient& client) {
  HeldVersions held;
  if (is_kept_ && !mark_.listener.empty() && !mark_.version.empty()) {
    held.set(mark_.listener, mark_.version);
  }
  client.subscribe(
      kListenerTypeUrl, {.wildcard = true, .names = {}},
      [this](const ResponseView& response) { return on_response(response); }, std::move(held));
}

ServiceDelta KumaFeed::read(const ResponseView& response, std::vector<Rejection>& rejections) {
  ServiceDelta delta{.feed = kName, .full_state = response.full_state};
  for (const ResponseItem& item : response.resources) {
    if (item.name == KumaMark::kName) {
      delta.accepted.push_back({.name = item.name, .version = item.version, .value = {}});
      continue;
    }
    static_cast<void>(read_name_record(item, delta, rejections));
  }
  delta.removed_records = response.removed;
  return delta;
}

std::vector<Rejection> KumaFeed::on_response(const ResponseView& response) {
  std::vector<Rejection> rejections;
  const bool is_listed = std::ranges::find(response.resources, listener_, &ResponseItem::name) !=
                         response.resources.end();
  const bool is_removed = std::ranges::find(response.removed, listener_) != response.removed.end();
  if (is_removed || (response.full_state && !is_listed)) {
    listener_.clear();
  }
  for (const ResponseItem& item : response.resources) {
    std::string reason = take(item);
    if (!reason.empty()) {
      rejections.push_back({item.name, std::move(reason)});
    }
  }
  if (listener_.empty() && rejections.empty()) {
    note_gone();
  } else if (rejections.empty()) {
    confirm();
  }
  return rejections;
}

std::string KumaFeed::take(const ResponseItem& listener) {
  const auto read = find_kuma_table(listener.value);
  if (!read) {
    return read.error().message;
  }
  const std::optional<KumaTableText>& text = *read;
  if (!text) {
    if (listener.name == listener_) {
      listener_.clear();
    }
    return {};
  }
  const auto taken = take_table(*text, {.listener = listener.name, .version = listener.version});
  if (!taken) {
    return taken.error().message;
  }
  listener_ = listener.name;
  return {};
}

Result<void> KumaFeed::take_table(const KumaTableText& text, const Source& source) {
  const bool is_same = (has_delivered_ || is_kept_) && !text.etag.empty() && text.etag == etag_;
  if (!is_same) {
    auto table = parse_kuma_table(text.json);
    if (!table) {
      return tl::unexpected(std::move(table.error()));
    }
    apply(
        *std::move(table),
        {.listener = source.listener, .version = source.version, .etag = text.etag, .labels = {}});
    etag_ = text.etag;
  }
  confirm();
  return {};
}

void KumaFeed::confirm() {
  is_missing_ = false;
  if (!has_delivered_ && is_kept_) {
    has_delivered_ = true;
    labels_ = mark_.labels;
    on_delta_({.feed = kName});
  }
}

void KumaFeed::apply(KumaTable table, KumaMark mark) {
  note_left_out(table);
  ServiceDelta delta = difference(records_, table.records);
  // Of a table that was kept it is not known here what was in it.
  delta.full_state = is_kept_ || !has_delivered_;
  mark.names = table.records.size();
  mark.checksum = checksum(table.records);
  mark.labels = table.labels;
  if (!mark.etag.empty() || !mark.version.empty()) {
    delta.accepted.push_back(
        {.name = std::string(KumaMark::kName), .version = mark.to_text(), .value = {}});
  }
  records_ = std::move(table.records);
  if (!has_delivered_) {
    labels_ = std::move(table.labels);
  }
  mark_ = std::move(mark);
  has_delivered_ = true;
  is_kept_ = false;
  on_delta_(std::move(delta));
}

// Each version has the same faults as the one before it.
void KumaFeed::note_left_out(const KumaTable& table) {
  std::string left_out =
      table.skipped == 0
          ? std::string()
          : fmt::format("count={} first=\"{}\"", table.skipped,
                        escape_text(fmt::format("{}", fmt::join(table.reasons, "; "))));
  if (!left_out.empty() && left_out != left_out_) {
    logger_.warn("parts of the DNS table are left out {}", left_out);
  }
  left_out_ = std::move(left_out);
}

void KumaFeed::note_gone() {
  etag_.clear();
  if (std::exchange(is_missing_, true)) {
    return;
  }
  logger_.warn(
      "Kuma tells no DNS table to this proxy (is its transparent proxying on, is it "
      "Kuma 2.11 or later?){}",
      has_delivered_ ? "; the last one stays in use" : "");
}

}  // namespace meshdns::discovery
