// What a target claims of every input: a claim that does not hold ends it, with the place.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <source_location>
#include <string>
#include <string_view>

namespace meshdns::fuzz {

inline void require(bool holds, std::string_view what = "a claim",
                    std::source_location where = std::source_location::current()) {
  if (!holds) {
    std::fprintf(stderr, "%s:%u: does not hold: %s\n", where.file_name(),
                 static_cast<unsigned>(where.line()), std::string(what).c_str());
    std::abort();
  }
}

// For what says in words where two differ, and nothing when they do not.
inline void require_same(const std::string& difference,
                         std::source_location where = std::source_location::current()) {
  require(difference.empty(), difference, where);
}

}  // namespace meshdns::fuzz
