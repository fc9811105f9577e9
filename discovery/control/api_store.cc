#include "discovery/control/api_store.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <fmt/format.h>

#include "base/file_system.h"
#include "base/log.h"
#include "base/result.h"
#include "base/wall_clock.h"
#include "discovery/control/dataplane_store.h"
#include "discovery/control/dataplane_yaml.h"
#include "discovery/control/entity_json.h"
#include "discovery/control/entity_log.h"
#include "discovery/control/entity_source.h"
#include "discovery/dataplane.h"
#include "discovery/entity_id.h"

namespace meshdns::discovery {
namespace {

const EntitySource kSource{SourceKind::kApi, ""};

}  // namespace

ApiStore::ApiStore(boost::asio::io_context& io, DataplaneStore& store, const WallClock& clock,
                   Logger& logger)
    : io_(io), store_(store), clock_(clock), logger_(logger) {}

ApiStore::~ApiStore() { disk_.join(); }

void ApiStore::load(const std::string& folder, FileSystem& files) {
  auto opened = EntityLog::open(folder, files);
  if (!opened) {
    problems_.push_back(
        fmt::format("the API takes no changes: {}", escape_text(opened.error().message)));
    logger_.error("{}", problems_.back());
    return;
  }
  log_ = *std::move(opened);
  if (log_->cut_octets() > 0) {
    logger_.warn("the log of the API's entities was cut off octets={} copy={}/entities.log.cut",
                 log_->cut_octets(), escape_name(folder));
  }
  if (const auto& mended = log_->mended(); !mended) {
    logger_.error("the API refuses changes until its log can be written reason=\"{}\"",
                  escape_text(mended.error().message));
  }
  entities_ = log_->entities();
  take_held();
}

void ApiStore::take_held() {
  for (const auto& [key, entity] : entities_) {
    std::string reason = "is unknown";
    if (const auto id = EntityId::parse(key)) {
      const ParsedDocument parsed = parse_document(entity_json(*id, {}, entity->value));
      if (parsed.dataplane) {
        apply({*id, parsed.dataplane, {}, {}});
        continue;
      }
      reason = parsed.problem ? parsed.problem->reason : "is empty";
    }
    // An older or newer version took it. It can be removed, or put anew.
    problems_.push_back(fmt::format("the API: {}: {}", escape_name(key), reason));
    logger_.error("{}", problems_.back());
  }
  store_.commit();
}

void ApiStore::put(std::shared_ptr<const Dataplane> dataplane, std::string members, Done done) {
  EntityId id{dataplane->kind, dataplane->mesh, dataplane->name};
  enqueue({std::move(id), std::move(dataplane), std::move(members), std::move(done)});
}

void ApiStore::remove(EntityId id, Done done) {
  enqueue({std::move(id), nullptr, {}, std::move(done)});
}

std::shared_ptr<const StoredEntity> ApiStore::find(const EntityId& id) const {
  const auto found = entities_.find(id.to_string());
  return found == entities_.end() ? nullptr : found->second;
}

void ApiStore::enqueue(Change change) {
  queue_.push_back(std::move(change));
  if (!is_writing_) {
    advance();
  }
}

void ApiStore::advance() {
  while (!queue_.empty()) {
    Result<Outcome> outcome = Outcome::kUpdated;
    auto entity = prepare(queue_.front(), outcome);
    if (entity) {
      is_writing_ = true;
      boost::asio::post(disk_,
                        [this, name = queue_.front().id.to_string(), stored = *std::move(entity)] {
                          auto result = log_->store(name, stored);
                          boost::asio::post(io_, [this, stored, result = std::move(result)] {
                            is_writing_ = false;
                            finish(stored, result);
                            advance();
                          });
                        });
      return;
    }
    const Change change = std::move(queue_.front());
    queue_.pop_front();
    change.done(outcome);
  }
}

std::optional<std::shared_ptr<const StoredEntity>> ApiStore::prepare(
    const Change& change, Result<Outcome>& outcome) const {
  if (log_ == nullptr) {
    outcome = fail(ErrorCode::kUnavailable, problems_.front());
    return std::nullopt;
  }
  const auto held = find(change.id);
  if (change.dataplane == nullptr) {
    if (held == nullptr) {
      outcome = fail(ErrorCode::kNotFound, "Not found");
      return std::nullopt;
    }
    return nullptr;
  }
  if (held != nullptr && held->value == change.members) {
    return std::nullopt;  // as it is
  }
  const std::string now = time_text(clock_.now());
  const std::string creation = held == nullptr ? now : std::string(creation_of(held->times));
  return std::make_shared<const StoredEntity>(
      StoredEntity{times_text(creation, now), change.members});
}

void ApiStore::finish(const std::shared_ptr<const StoredEntity>& entity,
                      const Result<void>& stored) {
  const Change change = std::move(queue_.front());
  queue_.pop_front();
  const std::string key = change.id.to_string();
  if (!stored) {
    logger_.error("a change over the API could not be stored entity={} reason=\"{}\"",
                  escape_name(key), escape_text(stored.error().message));
    change.done(tl::unexpected(stored.error()));
    return;
  }
  const bool is_new = !entities_.contains(key);
  Outcome outcome = Outcome::kRemoved;
  if (entity == nullptr) {
    entities_.erase(key);
  } else {
    entities_.insert_or_assign(key, entity);
    outcome = is_new ? Outcome::kCreated : Outcome::kUpdated;
  }
  // NOLINTNEXTLINE(misc-include-cleaner): of <vector>, which the header includes.
  std::erase_if(problems_, [&](const std::string& problem) {
    return problem.starts_with(fmt::format("the API: {}:", escape_name(key)));
  });
  logger_.info("an entity came or went over the API entity={} outcome={}", escape_name(key),
               entity == nullptr ? "removed"
               : is_new          ? "created"
                                 : "updated");
  apply(change);
  store_.commit();
  if (listener_) {
    listener_();
  }
  change.done(outcome);
}

void ApiStore::apply(const Change& change) {
  const DataplaneId id{change.id.mesh, change.id.name, change.id.kind};
  if (change.dataplane != nullptr) {
    store_.change(kSource, {.put = {{id, {change.dataplane, std::make_shared<const int>(1)}}},
                            .removed = {}});
    return;
  }
  // One that this version refused was never told.
  for (const DataplaneStore::Claim& claim : store_.claims(id)) {
    if (claim.source == kSource) {
      store_.change(kSource, {.put = {}, .removed = {id}});
      return;
    }
  }
}

}  // namespace meshdns::discovery
