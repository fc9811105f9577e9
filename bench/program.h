// What main() of a measuring program is made of: its command line is parsed and then followed, and
// what fails is said on standard error, behind the program's name.
#pragma once

#include <cstdio>
#include <exception>

#include <CLI/CLI.hpp>

#include "base/result.h"

namespace meshdns::bench {

// `Line` is what the command line fills in.
template <typename Line>
struct Program {
  const char* name;
  const char* description;
  void (*declare)(CLI::App& app, Line& line);
  Result<void> (*run)(const Line& line);
};

// Returns the exit status: 1 for what run() returned or threw, CLI11's own for a command line that
// is wrong, 0 for --help.
template <typename Line>
int run_program(const Program<Line>& program, int argc, char** argv) {
  try {
    CLI::App app(program.description, program.name);
    Line line;
    program.declare(app, line);
    CLI11_PARSE(app, argc, argv);
    const auto done = program.run(line);
    if (done) {
      return 0;
    }
    std::fprintf(stderr, "%s: %s\n", program.name, done.error().message.c_str());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s\n", program.name, error.what());
  }
  return 1;
}

}  // namespace meshdns::bench
