// One file of Dataplanes over its versions: which dataplanes it stands for, and what is wrong in
// it.
//
// A document whose text is as before is not parsed again, and its dataplane is the same object; of
// a file without mistakes only the part that changed is looked at. No I/O; belongs to the control
// thread.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/folder_watch.h"
#include "discovery/control/dataplane_yaml.h"
#include "discovery/dataplane.h"
#include "discovery/feeds/yaml_entity.h"

namespace meshdns::discovery {

// A Dataplane and the line that its document begins at, from 1; never null. The line moves when
// text above it comes or goes.
struct SourcedDataplane {
  std::shared_ptr<const Dataplane> dataplane;
  std::shared_ptr<const int> line;
};

// What a new version of a file makes of its dataplanes.
struct DataplaneChange {
  std::vector<std::pair<DataplaneId, SourcedDataplane>> put;  // new, or another object
  std::vector<DataplaneId> removed;
};

class DataplaneFile {
 public:
  using Dataplanes = std::map<DataplaneId, SourcedDataplane>;

  // Takes the file's next text and tells what it changes. Good documents count at once. Nobody can
  // tell a file that is written piece by piece from one with a mistake, so nothing is dropped on
  // the word of a bad one:
  //
  //  - a dataplane whose document is bad stays as it was, while that document is there and bad;
  //  - when a document is bad that was not so before, or the file has become empty, every dataplane
  //    that is missing stays too, until a version without such news;
  //  - when it was written in place, a dataplane that is missing or has lost inbounds stays as it
  //    was, and each does when the text ends within a line, until update() is told that the same
  //    text is whole.
  DataplaneChange update(std::string_view text, Written how = Written::kWhole);
  // Whether the third rule holds something back.
  [[nodiscard]] bool is_unsettled() const { return is_unsettled_; }

  // By mesh and name; of two documents that say to be the same, the first.
  [[nodiscard]] const Dataplanes& dataplanes() const { return dataplanes_; }
  [[nodiscard]] const std::vector<YamlProblem>& problems() const { return problems_; }
  // The last text with dataplanes that had no mistake and held nothing back; empty: there was none.
  [[nodiscard]] const std::string& last_good_text() const {
    return is_good() ? text_ : last_good_text_;
  }

 private:
  struct Document {
    std::size_t begin = 0;  // in text_
    std::size_t end = 0;
    std::shared_ptr<int> line;
    ParsedDocument parsed;
  };
  // The documents [first, last) of text_ that [begin, end) of another text takes the place of.
  struct Part {
    std::size_t first = 0;
    std::size_t last = 0;
    std::size_t begin = 0;
    std::size_t end = 0;
    int line = 1;  // of `begin`
  };

  [[nodiscard]] bool is_good() const {
    return problems_.empty() && !is_unsettled_ && !dataplanes_.empty();
  }
  [[nodiscard]] std::string_view text_of(const Document& document) const;
  [[nodiscard]] bool begins_with_marker(const Document& document) const;
  // What stands in `part` of `text`; what is as in text_ is not parsed again.
  [[nodiscard]] std::vector<Document> documents_of(std::string_view text, const Part& part) const;
  // The smallest part outside of which all documents are the same.
  [[nodiscard]] Part changed_part(std::string_view text) const;
  // Nothing when there is a mistake before or after, or a rule holds something back.
  [[nodiscard]] std::optional<DataplaneChange> update_part(std::string_view text, Written how);
  [[nodiscard]] std::optional<DataplaneChange> replace_dataplanes(
      const Part& part, const std::vector<Document>& documents, Written how);
  [[nodiscard]] DataplaneChange update_all(std::string_view text, Written how);
  // Counts the good documents among these; the others are problems, and what they say to be stays.
  void count(const std::vector<Document>& documents, const Dataplanes& before);
  // The third rule.
  void hold_back(const Dataplanes& before, bool is_cut);

  Dataplanes dataplanes_;
  std::vector<YamlProblem> problems_;
  std::string text_;
  std::string last_good_text_;  // where text_ is not good
  std::vector<Document> documents_;
  bool has_news_of_a_mistake_ = false;  // the second rule applies
  bool is_unsettled_ = false;
};

}  // namespace meshdns::discovery
