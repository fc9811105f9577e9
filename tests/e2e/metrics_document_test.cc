// docs/METRICS.md against what the two programs really serve.
#include <algorithm>
#include <cstddef>
#include <istream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/http_get.h"
#include "tests/support/markdown_table.h"
#include "tests/support/programs.h"
#include "tests/support/scripted_upstream.h"

namespace meshdns::support {
namespace {

const MarkdownRow kColumns{"Name", "Type", "Labels", "Meaning", "When it rises"};

struct Family {
  std::string type;
  std::string help;
  std::set<std::string> labels;
};
using Families = std::map<std::string, Family>;

// The names in `{a="x",b="y"}` of a sample. Values of ours hold no quotes.
std::set<std::string> labels_of(std::string_view sample) {
  std::set<std::string> names;
  auto rest = sample.substr(0, sample.find('}'));
  for (auto equals = rest.find("=\""); equals != std::string_view::npos;
       equals = rest.find("=\"")) {
    const std::string_view name = rest.substr(0, equals);
    names.emplace(name.substr(name.find_last_of("{,") + 1));
    rest.remove_prefix(std::min(rest.find('"', equals + 2) + 1, rest.size()));
  }
  names.erase("le");  // of every histogram
  return names;
}

// Prometheus' text format, as far as ours goes.
Families parse(const std::string& exposition) {
  Families families;
  std::istringstream lines(exposition);
  std::string family;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string mark;
    std::string kind;
    words >> mark >> kind;
    if (mark != "#") {
      families[family].labels.merge(labels_of(line));
      continue;
    }
    std::string rest;
    words >> family;
    std::getline(words >> std::ws, rest);
    (kind == "TYPE" ? families[family].type : families[family].help) = rest;
  }
  return families;
}

std::string labels_cell(const Family& family) {
  std::string cell;
  for (const std::string& label : family.labels) {
    cell += (cell.empty() ? "`" : ", `") + label + "`";
  }
  return cell.empty() ? "–" : cell;
}

// The same labels, whatever their order.
std::string sorted_labels(const std::string& cell) {
  Family family;
  for (const std::string& label : quoted_in(cell)) {
    family.labels.insert(label);
  }
  return labels_cell(family);
}

// What is wrong with a table, one line each.
std::vector<std::string> faults_of(const std::vector<MarkdownRow>& rows, Families families) {
  std::vector<std::string> faults;
  for (const MarkdownRow& row : rows) {
    if (row.size() != kColumns.size() || row[4].empty()) {
      faults.push_back("not so many cells: " + row.front());
      continue;
    }
    const auto names = quoted_in(row[0]);
    const auto family = families.find(names.empty() ? "" : names.front());
    if (family == families.end()) {
      faults.push_back("no such metric, or twice: " + row[0]);
      continue;
    }
    const MarkdownRow want{row[0], family->second.type, labels_cell(family->second),
                           family->second.help, row[4]};
    const MarkdownRow have{row[0], row[1], sorted_labels(row[2]), row[3], row[4]};
    for (std::size_t i = 0; i < want.size(); ++i) {
      if (have[i] != want[i]) {
        faults.push_back(family->first + ": " + kColumns[i] + " is " + want[i]);
      }
    }
    families.erase(family);
  }
  for (const auto& [name, family] : families) {
    faults.push_back("missing: " + name + ": " + family.help);
  }
  return faults;
}

std::vector<MarkdownRow> documented(const std::string& program) {
  return rows_of_table(section_of(read_document("docs/METRICS.md"), "## " + program), kColumns);
}

TEST(MetricsDocument, HasTheRowOfEveryMetricThatTheProgramsServe) {
  const ScriptedUpstream upstream(always_address("192.0.2.7"));
  ControlPlaneProgram control_plane;
  control_plane.put({.name = "web-1", .service = "web"});
  control_plane.start();
  ResolverProgram resolver;
  resolver.start_ready(control_plane, {"--upstream", upstream.address().to_string()});

  EXPECT_THAT(faults_of(documented("meshdns"), parse(resolver.get("/metrics").body)),
              testing::IsEmpty());
  EXPECT_THAT(faults_of(documented("meshdns-cp"), parse(control_plane.get("/metrics").body)),
              testing::IsEmpty());
}

TEST(MetricsDocument, IsFoundOutWhenARowIsMissingExtraOrWrong) {
  const Families served = parse(
      "# HELP a_total Counts a.\n# TYPE a_total counter\na_total{x=\"1\",y=\"2\"} 3\n"
      "# HELP b Shows b.\n# TYPE b gauge\nb 4\n"
      "# HELP c Times.\n# TYPE c histogram\nc_bucket{le=\"+Inf\"} 0\nc_sum 0\nc_count 0\n");
  const std::vector<MarkdownRow> good{{"`a_total`", "counter", "`y`, `x`", "Counts a.", "Stop."},
                                      {"`b`", "gauge", "–", "Shows b.", "Look."},
                                      {"`c`", "histogram", "–", "Times.", "Wait."}};
  EXPECT_THAT(faults_of(good, served), testing::IsEmpty());
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::vector<MarkdownRow> rows = good;
    rows.erase(rows.begin() + static_cast<std::ptrdiff_t>(i));
    EXPECT_EQ(faults_of(rows, served).size(), 1U);
    for (std::size_t cell = 0; cell + 1 < kColumns.size(); ++cell) {
      rows = good;
      rows[i][cell] = "`z`";
      EXPECT_THAT(faults_of(rows, served), testing::Not(testing::IsEmpty())) << kColumns[cell];
    }
    rows = good;
    rows[i][4].clear();
    EXPECT_THAT(faults_of(rows, served), testing::Not(testing::IsEmpty())) << "nothing to do";
    rows = good;
    rows.push_back(good[i]);
    EXPECT_EQ(faults_of(rows, served).size(), 1U) << "twice";
  }
}

}  // namespace
}  // namespace meshdns::support
