// Tables of the documents in docs/, for tests that hold a document against the program.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace meshdns::support {

using MarkdownRow = std::vector<std::string>;

// The whole of a file below the source tree, such as "docs/METRICS.md". Throws when there is none.
[[nodiscard]] std::string read_document(const std::string& path);

// The text from the heading `heading` ("## Settings") to the next one of its level or above; empty
// when there is no such heading.
[[nodiscard]] std::string_view section_of(std::string_view document, std::string_view heading);

// The rows of the first table whose header is `columns`, cells trimmed, `\|` read as a bar. Empty
// when there is no such table.
[[nodiscard]] std::vector<MarkdownRow> rows_of_table(std::string_view text,
                                                     const MarkdownRow& columns);

// What stands between backquotes in a cell, in order.
[[nodiscard]] std::vector<std::string> quoted_in(std::string_view cell);

}  // namespace meshdns::support
