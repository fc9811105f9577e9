// `meshdns-cp token` on the command line, with the words that may stand behind it.
#pragma once

#include <string>

#include "base/result.h"
#include "discovery/control/token_command.h"

namespace CLI {
class App;
}

namespace meshdns::discovery {

class TokenVerb {
 public:
  // Adds itself to `app`, which outlives it. `state_dir` is the default of its own --state-dir: an
  // option of another verb reads its variable, too.
  TokenVerb(CLI::App& app, std::string state_dir);
  TokenVerb(const TokenVerb&) = delete;
  TokenVerb& operator=(const TokenVerb&) = delete;
  ~TokenVerb() = default;

  // Whether it was given.
  [[nodiscard]] bool parsed() const;
  // Prints what came of it.
  [[nodiscard]] Result<void> run() const;

 private:
  CLI::App* issue_;
  CLI::App* revoke_;
  CLI::App* rotate_;
  TokenWish wish_;
  std::string revoked_;
  std::string state_dir_;
};

}  // namespace meshdns::discovery
