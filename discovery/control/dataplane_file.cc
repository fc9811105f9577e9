#include "discovery/control/dataplane_file.h"

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "discovery/control/dataplane_yaml.h"
#include "discovery/control/yaml_documents.h"
#include "discovery/dataplane.h"

namespace meshdns::discovery {

void DataplaneFile::update(std::string_view text, Written how) {
  std::unordered_map<std::string_view, const std::shared_ptr<const Document>*> known;
  for (const auto& document : documents_) {
    known.emplace(document->text, &document);
  }
  const std::map<DataplaneId, SourcedDataplane> before = std::move(dataplanes_);
  dataplanes_.clear();
  problems_.clear();
  Documents documents;
  bool has_news_of_a_mistake = false;
  std::vector<SourcedDataplane> staying;  // by the first rule

  for (const YamlDocument& piece : split_documents(text)) {
    const auto found = known.find(piece.text);
    const auto document =
        found != known.end()
            ? *found->second
            : std::make_shared<const Document>(
                  Document{.text = std::string(piece.text), .parsed = parse_document(piece.text)});
    documents.push_back(document);
    const ParsedDocument& parsed = document->parsed;
    if (parsed.problem) {
      const int line = piece.line + parsed.problem->line - 1;
      problems_.push_back({line, parsed.problem->reason});
      has_news_of_a_mistake = has_news_of_a_mistake || found == known.end();
      if (const auto last_good = parsed.id ? before.find(*parsed.id) : before.end();
          last_good != before.end()) {
        staying.push_back({last_good->second.dataplane, piece.line});
      }
    } else if (parsed.dataplane) {
      const auto [place, is_new] =
          dataplanes_.try_emplace(parsed.dataplane->id(), parsed.dataplane, piece.line);
      if (!is_new) {
        problems_.push_back(
            {piece.line, fmt::format("the dataplane {} is already at line {}",
                                     place->first.to_string(), place->second.line)});
      }
    }
  }
  const bool is_empty = std::ranges::all_of(documents, [](const auto& document) {
    return !document->parsed.dataplane && !document->parsed.problem;
  });
  if (is_empty && !before.empty()) {
    problems_.push_back({1, "the file has become empty; remove it to remove its dataplanes"});
    has_news_of_a_mistake = true;
  }
  // The same version again, as when its writer has closed it twice, is no news.
  const auto text_of = [](const auto& document) -> const std::string& { return document->text; };
  if (!std::ranges::equal(documents, documents_, {}, text_of, text_of)) {
    has_news_of_a_mistake_ = has_news_of_a_mistake;
  }
  for (const SourcedDataplane& each : staying) {
    dataplanes_.try_emplace(each.dataplane->id(), each);
  }
  if (has_news_of_a_mistake_) {
    dataplanes_.insert(before.begin(), before.end());
  }
  is_unsettled_ = false;
  if (how == Written::kInPlace) {
    hold_back(before, !text.ends_with('\n'));
  }
  documents_ = std::move(documents);
}

void DataplaneFile::hold_back(const std::map<DataplaneId, SourcedDataplane>& before, bool is_cut) {
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
