// Rows of text as columns for people.
#pragma once

#include <string>
#include <vector>

namespace meshdns::dns {

// Each row with as many cells as the first, which is the heading. Two blanks between columns, none
// at the end of a line.
[[nodiscard]] std::string print_columns(const std::vector<std::vector<std::string>>& rows);

}  // namespace meshdns::dns
