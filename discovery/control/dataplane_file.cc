#include "discovery/control/dataplane_file.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/folder_watch.h"
#include "discovery/control/dataplane_yaml.h"
#include "discovery/dataplane.h"
#include "discovery/feeds/yaml_documents.h"

namespace meshdns::discovery {
namespace {

constexpr std::string_view kMarker = "---";

int lines_in(std::string_view text) { return static_cast<int>(std::ranges::count(text, '\n')); }

// A directive belongs to the document behind it, across a marker.
bool has_directive(std::string_view text) {
  return text.starts_with('%') || text.find("\n%") != std::string_view::npos;
}

}  // namespace

DataplaneChange DataplaneFile::update(std::string_view text, Written how) {
  auto change = update_part(text, how);
  return change ? *std::move(change) : update_all(text, how);
}

std::string_view DataplaneFile::text_of(const Document& document) const {
  return std::string_view(text_).substr(document.begin, document.end - document.begin);
}

bool DataplaneFile::begins_with_marker(const Document& document) const {
  const std::string_view text = text_of(document);
  return text.starts_with(kMarker) &&
         (text.size() == kMarker.size() ||
          std::string_view(" \t\r\n").find(text[kMarker.size()]) != std::string_view::npos);
}

std::vector<DataplaneFile::Document> DataplaneFile::documents_of(std::string_view text,
                                                                 const Part& part) const {
  std::unordered_map<std::string_view, const Document*> known;
  for (std::size_t i = part.first; i < part.last; ++i) {
    known.emplace(text_of(documents_[i]), &documents_[i]);
  }
  std::vector<Document> documents;
  for (const YamlDocument& piece :
       split_documents(text.substr(part.begin, part.end - part.begin))) {
    const auto begin = static_cast<std::size_t>(piece.text.data() - text.data());
    const auto found = known.find(piece.text);
    documents.push_back(
        {.begin = begin,
         .end = begin + piece.text.size(),
         .line = std::make_shared<int>(part.line + piece.line - 1),
         .parsed = found == known.end() ? parse_document(piece.text) : found->second->parsed});
  }
  return documents;
}

DataplaneFile::Part DataplaneFile::changed_part(std::string_view text) const {
  const std::string_view before = text_;
  const std::size_t common = std::min(before.size(), text.size());
  const auto head = static_cast<std::size_t>(
      std::ranges::mismatch(before.substr(0, common), text).in1 - before.begin());
  const auto tail = static_cast<std::size_t>(
      std::mismatch(before.rbegin(),
                    std::next(before.rbegin(), static_cast<std::ptrdiff_t>(common - head)),
                    text.rbegin())
          .first -
      before.rbegin());

  Part part;
  // What ends a document is the marker behind it, with the octet that ends the marker.
  while (part.first < documents_.size() &&
         documents_[part.first].end + kMarker.size() + 1 <= head) {
    ++part.first;
  }
  if (part.first > 0) {
    const Document& last_same = documents_[part.first - 1];
    part.begin = last_same.end;
    part.line = *last_same.line + lines_in(text_of(last_same));
  }
  // What begins one is a marker of its own, at the beginning of a line.
  part.last = documents_.size();
  while (part.last > part.first && begins_with_marker(documents_[part.last - 1]) &&
         documents_[part.last - 1].begin > before.size() - tail) {
    --part.last;
  }
  part.end = part.last == documents_.size()
                 ? text.size()
                 : text.size() - (before.size() - documents_[part.last].begin);
  return part;
}

std::optional<DataplaneChange> DataplaneFile::update_part(std::string_view text, Written how) {
  if (documents_.empty() || !problems_.empty() || has_news_of_a_mistake_ || is_unsettled_) {
    return std::nullopt;
  }
  if (text == text_) {
    return DataplaneChange{};
  }
  const Part part = changed_part(text);
  const std::string_view changed = text.substr(part.begin, part.end - part.begin);
  if (has_directive(changed) || (how == Written::kInPlace && !text.ends_with('\n'))) {
    return std::nullopt;
  }
  std::vector<Document> documents = documents_of(text, part);
  auto change = replace_dataplanes(part, documents, how);
  if (!change) {
    return std::nullopt;
  }
  if (part.last < documents_.size()) {
    const std::size_t moved_octets = part.end - documents_[part.last].begin;  // modulo 2^64
    const int moved_lines = part.line + lines_in(changed) - *documents_[part.last].line;
    for (std::size_t i = part.last; i < documents_.size(); ++i) {
      documents_[i].begin += moved_octets;
      documents_[i].end += moved_octets;
      *documents_[i].line += moved_lines;
    }
  }
  const auto place =
      documents_.erase(std::next(documents_.begin(), static_cast<std::ptrdiff_t>(part.first)),
                       std::next(documents_.begin(), static_cast<std::ptrdiff_t>(part.last)));
  documents_.insert(place, std::move_iterator(documents.begin()),
                    std::move_iterator(documents.end()));
  text_ = text;
  return change;
}

std::optional<DataplaneChange> DataplaneFile::replace_dataplanes(
    const Part& part, const std::vector<Document>& documents, Written how) {
  Dataplanes now;
  for (const Document& document : documents) {
    const auto& dataplane = document.parsed.dataplane;
    if (document.parsed.problem ||
        (dataplane && !now.try_emplace(dataplane->id(), dataplane, document.line).second)) {
      return std::nullopt;
    }
  }
  DataplaneChange change;
  std::size_t replaced = 0;
  for (std::size_t i = part.first; i < part.last; ++i) {
    const auto& dataplane = documents_[i].parsed.dataplane;
    if (!dataplane) {
      continue;
    }
    const auto after = now.find(dataplane->id());
    if (after == now.end()) {
      change.removed.push_back(dataplane->id());
    } else if (how == Written::kInPlace &&
               after->second.dataplane->inbounds.size() < dataplane->inbounds.size()) {
      return std::nullopt;
    } else {
      ++replaced;
    }
  }
  const auto is_there = [this](const auto& each) { return dataplanes_.contains(each.first); };
  const bool is_twice = static_cast<std::size_t>(std::ranges::count_if(now, is_there)) != replaced;
  const bool is_all_removed = now.empty() && change.removed.size() == dataplanes_.size();
  if (is_twice || is_all_removed || (how == Written::kInPlace && !change.removed.empty())) {
    return std::nullopt;
  }
  for (const DataplaneId& id : change.removed) {
    dataplanes_.erase(id);
  }
  for (const auto& [id, entity] : now) {
    dataplanes_.insert_or_assign(id, entity);
  }
  change.put.assign(now.begin(), now.end());
  return change;
}

DataplaneChange DataplaneFile::update_all(std::string_view text, Written how) {
  std::vector<Document> documents =
      documents_of(text, {.first = 0, .last = documents_.size(), .begin = 0, .end = text.size()});
  // The same version again, as when its writer has closed it twice, is no news.
  const bool is_same = text == text_;
  const bool was_good = is_good();
  const Dataplanes before = std::exchange(dataplanes_, {});
  problems_.clear();
  if (!is_same) {
    std::unordered_set<std::string_view> known;
    for (const Document& document : documents_) {
      if (document.parsed.problem) {
        known.insert(text_of(document));
      }
    }
    has_news_of_a_mistake_ = std::ranges::any_of(documents, [&](const Document& document) {
      return document.parsed.problem &&
             !known.contains(text.substr(document.begin, document.end - document.begin));
    });
  }
  count(documents, before);
  const bool is_empty = std::ranges::all_of(documents, [](const Document& document) {
    return !document.parsed.dataplane && !document.parsed.problem;
  });
  if (is_empty && !before.empty()) {
    problems_.push_back({1, "the file has become empty; remove it to remove its dataplanes"});
    has_news_of_a_mistake_ = true;
  }
  if (has_news_of_a_mistake_) {
    dataplanes_.insert(before.begin(), before.end());
  }
  is_unsettled_ = false;
  if (how == Written::kInPlace) {
    hold_back(before, !text.ends_with('\n'));
  }
  if (is_good()) {
    last_good_text_ = {};
  } else if (was_good) {
    last_good_text_ = std::move(text_);
  }
  text_ = text;
  documents_ = std::move(documents);

  DataplaneChange change;
  change.put.assign(dataplanes_.begin(), dataplanes_.end());
  for (const auto& [id, entity] : before) {
    if (!dataplanes_.contains(id)) {
      change.removed.push_back(id);
    }
  }
  return change;
}

void DataplaneFile::count(const std::vector<Document>& documents, const Dataplanes& before) {
  std::vector<SourcedDataplane> staying;  // by the first rule
  for (const auto& [begin, end, line, parsed] : documents) {
    if (parsed.problem) {
      problems_.push_back({*line + parsed.problem->line - 1, parsed.problem->reason});
      const auto last_good = parsed.id ? before.find(*parsed.id) : before.end();
      if (last_good != before.end()) {
        staying.push_back({last_good->second.dataplane, line});
      }
    } else if (parsed.dataplane) {
      const auto [place, is_new] =
          dataplanes_.try_emplace(parsed.dataplane->id(), parsed.dataplane, line);
      if (!is_new) {
        problems_.push_back({*line, fmt::format("the dataplane {} is already at line {}",
                                                place->first.to_string(), *place->second.line)});
      }
    }
  }
  for (const SourcedDataplane& each : staying) {
    dataplanes_.try_emplace(each.dataplane->id(), each);
  }
}

void DataplaneFile::hold_back(const Dataplanes& before, bool is_cut) {
  for (const auto& [id, held] : before) {
    const auto now = dataplanes_.find(id);
    if (now != dataplanes_.end() && now->second.dataplane == held.dataplane) {
      continue;
    }
    if (is_cut || now == dataplanes_.end() ||
        now->second.dataplane->inbounds.size() < held.dataplane->inbounds.size()) {
      dataplanes_.insert_or_assign(id, held);
      is_unsettled_ = true;
    }
  }
}

}  // namespace meshdns::discovery
