// What main() of a measuring program is made of: its command line is parsed and then followed, and
// what fails is said on standard error, behind the program's name.
#pragma once

#include <cstdio>
#include <exception>

#include <CLI/CLI.hpp>

#include "base/result.h"

namespace meshdns::bench {

// `declare` adds the options that fill in a `Line`, which `run` follows. They are template
// arguments to be called as such: called through pointers, link-time optimisation inlines other
// functions of the whole program, and the gate would count the difference. Returns the exit status:
// 1 for what run() returned or threw, CLI11's own for a command line that is wrong, 0 for --help.
template <typename Line, void (*declare)(CLI::App& app, Line& line),
          Result<void> (*run)(const Line& line)>
int run_program(const char* name, const char* description, int argc, char** argv) {
  try {
    CLI::App app(description, name);
    Line line;
    declare(app, line);
    CLI11_PARSE(app, argc, argv);
    const auto done = run(line);
    if (done) {
      return 0;
    }
    std::fprintf(stderr, "%s: %s\n", name, done.error().message.c_str());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s\n", name, error.what());
  }
  return 1;
}

}  // namespace meshdns::bench
