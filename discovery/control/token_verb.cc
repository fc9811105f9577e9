#include "discovery/control/token_verb.h"

#include <cstdio>
#include <string>
#include <utility>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/file_system.h"
#include "base/result.h"
#include "base/wall_clock.h"
#include "discovery/control/entity_json.h"
#include "discovery/control/token_claims.h"
#include "discovery/control/token_command.h"
#include "discovery/control/token_verifier.h"

namespace meshdns::discovery {

TokenVerb::TokenVerb(CLI::App& app, std::string state_dir)
    : issue_(app.add_subcommand("token", "print a token for a client of `run --auth token`")),
      revoke_(issue_->add_subcommand("revoke",
                                     "take a token back, and end the streams that came with it")),
      rotate_(issue_->add_subcommand(
          "rotate-key", "make another key that signs from now on; tokens there are stay good")),
      state_dir_(std::move(state_dir)) {
  issue_->add_option("--mesh", wish_.mesh, "the mesh that it is for");
  issue_->add_option("--name", wish_.name,
                     "the name that its holder has (node id MESH.NAME); any, unless given");
  issue_->add_option("--zone", wish_.zones,
                     "a zone that its holder may say it is in; any, unless given");
  issue_->add_option("--valid-for", wish_.valid_for, "how long: such as 90s, 30m, 720h or 30d")
      ->capture_default_str();
  issue_->add_option("--key", wish_.key_file,
                     "file with the private key (PEM, RSA) to sign with, for the state folder's");
  issue_->add_option("--state-dir", state_dir_, "the state folder of `run`, where the keys are")
      ->capture_default_str()
      ->envname("MESHDNS_CP_STATE_DIR");
  revoke_->add_option("jti", revoked_, "its id")->required();
  issue_->require_subcommand(0, 1);
  revoke_->fallthrough();  // --state-dir may stand behind the word, too
  rotate_->fallthrough();
}

bool TokenVerb::parsed() const { return issue_->parsed(); }

Result<void> TokenVerb::run() const {
  PosixFileSystem files;
  const std::string folder = tokens_folder(state_dir_);
  if (revoke_->parsed()) {
    return revoke_token(files, folder, revoked_);
  }
  if (rotate_->parsed()) {
    const auto key = rotate_token_key(files, folder);
    if (!key) {
      return tl::unexpected(key.error());
    }
    fmt::print("{}\n", *key);
    return {};
  }
  const auto token = issue_token(files, folder, SystemWallClock(), wish_);
  if (!token) {
    return tl::unexpected(token.error());
  }
  fmt::print("{}\n", token->text);
  fmt::print(stderr, "jti={} mesh={} name={} expires={}\n", token->claims.id, token->claims.mesh,
             token->claims.name.empty() ? "(any)" : token->claims.name,
             time_text(token->claims.expires));
  return {};
}

}  // namespace meshdns::discovery
