// The verbs that speak to a control plane which runs, on the command line: apply, get, delete.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "discovery/control/api_commands.h"

namespace CLI {
class App;
}

namespace meshdns::discovery {

class ApiVerbs {
 public:
  // Adds itself to `app`, which outlives it.
  explicit ApiVerbs(CLI::App& app);
  ApiVerbs(const ApiVerbs&) = delete;
  ApiVerbs& operator=(const ApiVerbs&) = delete;
  ~ApiVerbs() = default;

  // Whether one of them was given.
  [[nodiscard]] bool parsed() const;
  // Prints what came of it.
  [[nodiscard]] Result<void> run() const;

 private:
  CLI::App* apply_;
  CLI::App* get_;
  CLI::App* delete_;
  std::vector<std::string> paths_;
  std::string kind_;
  std::string form_ = "table";
  GetOptions get_options_;
  ApiCommandOptions options_;
};

}  // namespace meshdns::discovery
