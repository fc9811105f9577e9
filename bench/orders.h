// What a measuring program is told while it runs: a line of standard input, answered with one of
// standard output.
#pragma once

#include <cstdio>
#include <functional>
#include <iostream>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>

namespace meshdns::bench {

// Until the input ends. `answer` gets the words of a line; a line that it has no answer to throws
// std::runtime_error.
inline void follow_orders(
    const std::function<std::optional<std::string>(std::istream& words)>& answer) {
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    const auto answered = answer(words);
    if (!answered) {
      throw std::runtime_error("not understood: '" + line + "'");
    }
    std::puts(answered->c_str());
    std::fflush(stdout);
  }
}

}  // namespace meshdns::bench
