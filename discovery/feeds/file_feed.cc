#include "discovery/feeds/file_feed.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/file_system.h"
#include "base/folder_watch.h"
#include "base/log.h"
#include "base/result.h"
#include "discovery/feeds/endpoints_feed.h"
#include "discovery/feeds/mesh_feed.h"
#include "discovery/feeds/name_records.h"
#include "discovery/feeds/resource_encoding.h"
#include "discovery/feeds/service_file.h"
#include "discovery/feeds/service_yaml.h"
#include "discovery/feeds/yaml_entity.h"
#include "discovery/service.h"
#include "discovery/xds/ads_client.h"

namespace meshdns::discovery {
namespace {

// Whether a file that could not be read may be readable the next time though it is the same file.
bool may_pass(ErrorCode code) {
  return code != ErrorCode::kExhausted && code != ErrorCode::kInvalidArgument &&
         code != ErrorCode::kPermissionDenied && code != ErrorCode::kNotFound;
}

std::string_view name_within(std::string_view path) { return path.substr(path.rfind('/') + 1); }

// Of either feed's log: a record's name has no slash.
bool is_record(const ResponseItem& item) { return item.name.find('/') == std::string::npos; }

}  // namespace

FileFeed::FileFeed(std::string path, ServiceFileDefaults defaults, FileSystem& files,
                   const Clock& clock)
    : path_(std::move(path)),
      name_(name_within(path_)),
      files_(files),
      clock_(clock),
      watch_(directory_of(path_), files, [this](std::string_view name) { return name == name_; }),
      content_(std::move(defaults)) {}

void FileFeed::note_events(TimePoint now) {
  // Events of a folder that is watched from now on are missing, and nobody knows what is open.
  const bool is_lost = watch_.follow();
  const FolderEvents events = watch_.take();
  if (events.written.contains(name_)) {
    is_open_ = true;
    complete_at_.reset();
  }
  if (const auto complete = events.complete.find(name_); complete != events.complete.end()) {
    is_open_ = false;
    complete_at_ = complete->second == Written::kWhole ? now : now + kGrace;
  }
  if (events.is_everything && !is_open_) {
    complete_at_ = now;
  }
  if (is_lost || events.is_overflow) {
    complete_at_ = now + kGrace;
  }
}

bool FileFeed::is_complete(TimePoint now) const {
  if (complete_at_) {
    return now >= *complete_at_;
  }
  return now - seen_at_ >= (is_open_ ? TimePoint::duration(kOpenRest) : kRest);
}

std::optional<FileFeed::Update> FileFeed::look() {
  const TimePoint now = clock_.now();
  looked_at_ = now;
  note_events(now);
  const FileSignature signature = FileSignature::of(path_);
  if (signature != seen_) {
    seen_ = signature;
    seen_at_ = now;
  }
  const bool is_first = !read_;
  if (!is_first && *read_ == seen_) {
    if (complete_at_ && now >= *complete_at_) {
      complete_at_.reset();
    }
    return std::nullopt;
  }
  if (!is_first && !is_complete(now)) {
    return std::nullopt;
  }
  complete_at_.reset();
  is_open_ = false;
  seen_at_ = now;
  return read_file();
}

TimePoint FileFeed::wake_at() const {
  const TimePoint next = looked_at_ + kLookInterval;
  return complete_at_ ? std::min(*complete_at_, next) : next;
}

FileFeed::Update FileFeed::read_file() {
  FileSignature version;
  auto text = read_version(files_, path_, kMaxFileBytes, version);
  Update update;
  if (!text) {
    update.problems.push_back(escape_text(text.error().message));
    update.is_unreadable = true;
    // One that may pass is tried again when the file has rested once more.
    read_ = may_pass(text.error().code) ? FileSignature{.size = -2} : version;
  } else {
    read_ = version;
    ServiceFile::Outcome outcome = content_.update(*std::move(text));
    for (const YamlProblem& problem : outcome.problems) {
      update.problems.push_back(
          fmt::format("{}:{}: {}", escape_text(path_), problem.line, problem.reason));
    }
    update.parsed = outcome.change.parsed;
    if (outcome.problems.empty()) {
      update.deltas = deltas_of(std::move(outcome.change));
    }
  }
  update.services = content_.services();
  update.records = content_.records();
  return update;
}

std::vector<ServiceDelta> FileFeed::deltas_of(ServiceFile::Change change) {
  const bool full_state = !std::exchange(has_delivered_, true);
  ServiceDelta endpoints{.feed = kEndpointsName};
  for (const ServiceEndpoints& each : change.endpoints) {
    const std::string name = each.service.to_string();
    endpoints.accepted.push_back(
        {.name = name, .version = {}, .value = encode_endpoints(name, each.endpoints)});
  }
  endpoints.endpoints = std::move(change.endpoints);
  ServiceDelta gone{.feed = kEndpointsName, .full_state = full_state};
  gone.removed_endpoints = std::move(change.removed_endpoints);
  if (full_state) {
    gone.endpoints = endpoints.endpoints;
  }
  ServiceDelta services{.feed = kName, .full_state = full_state};
  for (const Service& each : change.services) {
    services.accepted.push_back(
        {.name = each.id.to_string(), .version = {}, .value = encode_service(each)});
  }
  for (const NameRecord& each : change.records) {
    services.accepted.push_back(
        {.name = each.name, .version = {}, .value = encode_name_record(each)});
  }
  services.services = std::move(change.services);
  services.removed_services = std::move(change.removed_services);
  services.records = std::move(change.records);
  services.removed_records = std::move(change.removed_records);
  // A service that answers endpoints has them when it comes, and as long as it is there.
  std::vector<ServiceDelta> deltas;
  deltas.push_back(std::move(endpoints));
  deltas.push_back(std::move(services));
  deltas.push_back(std::move(gone));
  return deltas;
}

ServiceDelta FileFeed::read(const std::string& feed, const ResponseView& response,
                            const std::string& mesh, std::vector<Rejection>& rejections) {
  if (feed == kEndpointsName) {
    ServiceDelta delta = EndpointsFeed::read(response, mesh, rejections);
    delta.feed = feed;
    return delta;
  }
  ResponseView services;
  services.full_state = response.full_state;
  ServiceDelta delta{.feed = feed, .full_state = response.full_state};
  for (const ResponseItem& item : response.resources) {
    if (!is_record(item)) {
      services.resources.push_back(item);
      continue;
    }
    if (read_name_record(item, delta, rejections)) {
      delta.accepted.push_back({item.name, item.version, std::string(item.value)});
    }
  }
  ServiceDelta of_services = MeshFeed::read(services, mesh, rejections);
  delta.services = std::move(of_services.services);
  std::ranges::move(of_services.accepted, std::back_inserter(delta.accepted));
  delta.full_state = response.full_state && rejections.empty();
  return delta;
}

}  // namespace meshdns::discovery
