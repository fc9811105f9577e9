// One file of Dataplanes over its versions: which dataplanes it stands for, and what is wrong in
// it.
//
// A document whose text is as before is not parsed again, and its dataplane is the same object. No
// I/O; belongs to the control thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "discovery/control/dataplane_yaml.h"
#include "discovery/dataplane.h"

namespace meshdns::discovery {

// A Dataplane and the line that its document begins at.
struct SourcedDataplane {
  std::shared_ptr<const Dataplane> dataplane;
  int line = 0;
};

// How a version of a file came to be.
enum class Written : std::uint8_t {
  kWhole,    // by a rename, or it has been at rest
  kInPlace,  // and closed, but the writer may open it again and write more
};

class DataplaneFile {
 public:
  // Takes the file's next text. Good documents count at once. Nobody can tell a file that is
  // written piece by piece from one with a mistake, so nothing is dropped on the word of a bad one:
  //
  //  - a dataplane whose document is bad stays as it was, while that document is there and bad;
  //  - when a document is bad that was not so before, or the file has become empty, every dataplane
  //    that is missing stays too, until a version without such news;
  //  - when it was written in place, a dataplane that is missing or has lost inbounds stays as it
  //    was, and each does when the text ends within a line, until update() is told that the same
  //    text is whole.
  void update(std::string_view text, Written how = Written::kWhole);
  // Whether the third rule holds something back.
  [[nodiscard]] bool is_unsettled() const { return is_unsettled_; }

  // By mesh and name; of two documents that say to be the same, the first.
  [[nodiscard]] const std::map<DataplaneId, SourcedDataplane>& dataplanes() const {
    return dataplanes_;
  }
  [[nodiscard]] const std::vector<YamlProblem>& problems() const { return problems_; }

 private:
  struct Document {
    std::string text;
    ParsedDocument parsed;
  };
  using Documents = std::vector<std::shared_ptr<const Document>>;

  // The third rule.
  void hold_back(const std::map<DataplaneId, SourcedDataplane>& before, bool is_cut);

  std::map<DataplaneId, SourcedDataplane> dataplanes_;
  std::vector<YamlProblem> problems_;
  Documents documents_;
  bool has_news_of_a_mistake_ = false;  // the second rule applies
  bool is_unsettled_ = false;
};

}  // namespace meshdns::discovery
