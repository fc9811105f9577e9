#include "discovery/feeds/service_file.h"

#include <algorithm>
#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include <fmt/format.h>

#include "base/log.h"
#include "discovery/dns_name.h"
#include "discovery/feeds/service_yaml.h"
#include "discovery/feeds/yaml_documents.h"
#include "discovery/feeds/yaml_entity.h"
#include "discovery/service.h"

namespace meshdns::discovery {
namespace {

std::string key_of(const FileEntity& entity) {
  const auto* const served = std::get_if<ServedService>(&entity);
  return served != nullptr ? served->service.id.to_string() : std::get<NameRecord>(entity).name;
}

// Names were checked: they are fit for a log.
std::string label_of(const FileEntity& entity) {
  const auto* const served = std::get_if<ServedService>(&entity);
  return served != nullptr ? "service " + served->service.id.name
                           : "record " + std::get<NameRecord>(entity).name;
}

std::vector<std::string> names_of(const FileEntity& entity) {
  const auto* const served = std::get_if<ServedService>(&entity);
  return served != nullptr ? served->service.hostnames
                           : std::vector{std::get<NameRecord>(entity).name};
}

void add_changed(const FileEntity& entity, const FileEntity* before, ServiceFile::Change& change) {
  const auto* const record = std::get_if<NameRecord>(&entity);
  if (record != nullptr) {
    change.records.push_back(*record);
    return;
  }
  const auto& served = std::get<ServedService>(entity);
  const auto* const old = before == nullptr ? nullptr : std::get_if<ServedService>(before);
  if (old == nullptr || old->service != served.service) {
    change.services.push_back(served.service);
  }
  if (old == nullptr || old->endpoints != served.endpoints) {
    change.endpoints.push_back(served.endpoints);
  }
}

void add_removed(const FileEntity& entity, ServiceFile::Change& change) {
  if (const auto* const record = std::get_if<NameRecord>(&entity)) {
    change.removed_records.push_back(record->name);
  } else {
    const ServiceId& id = std::get<ServedService>(entity).service.id;
    change.removed_services.push_back(id);
    change.removed_endpoints.push_back(id);
  }
}

}  // namespace

// A version on its way in.
struct ServiceFile::Version {
  struct Place {
    int line = 0;
    std::string owner;
  };
  std::vector<Document> documents;
  Entities entities;
  std::map<std::string, Place> owners;  // by folded key, and by folded hostname
  std::map<std::string, Place> holders;
  std::vector<YamlProblem> problems;
  std::size_t parsed = 0;

  void report(int line, std::string reason) {
    if (problems.size() < kMaxProblems) {
      problems.push_back({line, std::move(reason)});
    }
  }
};

ServiceFile::Outcome ServiceFile::update(std::string text) {
  Version version;
  read_documents(text, version);
  if (!version.problems.empty()) {
    return {.problems = std::move(version.problems), .change = {}};
  }
  Outcome outcome;
  outcome.change = difference(entities_, version.entities);
  outcome.change.parsed = version.parsed;
  // The documents are views into the text: moved, not copied.
  const char* const old_place = text.data();
  text_ = std::move(text);
  for (Document& document : version.documents) {
    const auto offset = static_cast<std::size_t>(document.text.data() - old_place);
    document.text = std::string_view(text_).substr(offset, document.text.size());
  }
  documents_ = std::move(version.documents);
  entities_ = std::move(version.entities);
  services_ = static_cast<std::size_t>(std::ranges::count_if(entities_, [](const auto& entry) {
    return std::holds_alternative<ServedService>(*entry.second);
  }));
  return outcome;
}

void ServiceFile::read_documents(const std::string& text, Version& version) const {
  std::unordered_map<std::string_view, Shared> known;
  for (const Document& document : documents_) {
    known.emplace(document.text, document.entity);
  }
  const auto documents = split_documents(text);
  if (documents.empty()) {
    version.report(1, "the file is empty; write `---` alone when there is to be nothing");
    return;
  }
  if (!text.ends_with('\n')) {
    const auto lines = static_cast<int>(std::ranges::count(text, '\n'));
    version.report(lines + 1, "the last line has no end; is the file whole? End it with a newline");
  }
  for (const YamlDocument& document : documents) {
    if (version.problems.size() >= kMaxProblems) {
      return;
    }
    Shared entity;
    if (const auto place = known.find(document.text); place != known.end()) {
      entity = place->second;
    } else {
      ParsedEntity parsed = parse_entity(document.text, defaults_);
      ++version.parsed;
      if (parsed.problem) {
        version.report(document.line + parsed.problem->line - 1, parsed.problem->reason);
        continue;
      }
      if (parsed.entity) {
        entity = std::make_shared<const FileEntity>(*std::move(parsed.entity));
      }
    }
    version.documents.push_back({document.text, entity});
    if (entity) {
      add(entity, document.line, version);
    }
  }
}

void ServiceFile::add(const Shared& entity, int line, Version& version) {
  const std::string key = key_of(*entity);
  const std::string label = label_of(*entity);
  const auto [place, is_new] =
      version.owners.try_emplace(fold_name(key), Version::Place{line, label});
  if (!is_new) {
    version.report(line, fmt::format("the {} is there twice, first in line {}; keep one", label,
                                     place->second.line));
    return;
  }
  for (const std::string& name : names_of(*entity)) {
    const auto [holder, is_free] =
        version.holders.try_emplace(fold_name(name), Version::Place{line, label});
    if (!is_free) {
      version.report(
          line, fmt::format("the name {} of {} is that of {} in line {}, too; a name "
                            "has one owner",
                            escape_name(name), label, holder->second.owner, holder->second.line));
    }
  }
  version.entities.emplace(key, entity);
}

ServiceFile::Change ServiceFile::difference(const Entities& before, const Entities& after) {
  Change change;
  for (const auto& [key, entity] : after) {
    const auto old = before.find(key);
    const FileEntity* const was = old == before.end() ? nullptr : old->second.get();
    if (was != entity.get() && (was == nullptr || *was != *entity)) {
      add_changed(*entity, was, change);
    }
  }
  for (const auto& [key, entity] : before) {
    if (!after.contains(key)) {
      add_removed(*entity, change);
    }
  }
  return change;
}

}  // namespace meshdns::discovery
