#include "tests/support/markdown_table.h"

#include <algorithm>
#include <cstddef>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace meshdns::support {
namespace {

std::string trim(std::string_view text) {
  const auto begin = std::min(text.find_first_not_of(' '), text.size());
  text.remove_prefix(begin);
  return std::string(text.substr(0, text.find_last_not_of(' ') + 1));
}

// The cells between the bars of a line, or none when it is no row.
MarkdownRow cells_of(std::string_view line) {
  MarkdownRow cells;
  std::string cell;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '\\' && line.substr(i + 1).starts_with('|')) {
      cell += line[++i];
    } else if (line[i] == '|') {
      cells.push_back(trim(cell));
      cell.clear();
    } else {
      cell += line[i];
    }
  }
  if (!line.starts_with('|') || cells.empty()) {
    return {};
  }
  cells.erase(cells.begin());  // what stands before the first bar
  return cells;
}

std::string_view next_line(std::string_view& text) {
  const auto end = std::min(text.find('\n'), text.size());
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

}  // namespace

std::string read_document(const std::string& path) {
  std::ifstream file(std::string(MESHDNS_SOURCE_FOLDER) + "/" + path);
  if (!file) {
    throw std::runtime_error("there is no " + path);
  }
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string_view section_of(std::string_view document, std::string_view heading) {
  const std::string line = std::string(heading) + "\n";
  const auto begin = document.find("\n" + line);
  if (begin == std::string_view::npos) {
    return {};
  }
  const std::string_view section = document.substr(begin + 1);
  const std::string level(heading.substr(0, heading.find(' ') + 1));
  return section.substr(0, section.find("\n" + level, line.size() - 1));
}

std::vector<MarkdownRow> rows_of_table(std::string_view text, const MarkdownRow& columns) {
  while (!text.empty()) {
    if (cells_of(next_line(text)) != columns) {
      continue;
    }
    next_line(text);  // the dashes
    std::vector<MarkdownRow> rows;
    for (MarkdownRow row = cells_of(next_line(text)); !row.empty();
         row = cells_of(next_line(text))) {
      rows.push_back(std::move(row));
    }
    return rows;
  }
  return {};
}

std::vector<std::string> quoted_in(std::string_view cell) {
  std::vector<std::string> texts;
  while (true) {
    const auto begin = cell.find('`');
    const auto end = begin == std::string_view::npos ? begin : cell.find('`', begin + 1);
    if (end == std::string_view::npos) {
      return texts;
    }
    texts.emplace_back(cell.substr(begin + 1, end - begin - 1));
    cell.remove_prefix(end + 1);
  }
}

}  // namespace meshdns::support
