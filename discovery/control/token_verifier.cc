#include "discovery/control/token_verifier.h"

#include <algorithm>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/file_system.h"
#include "base/log.h"
#include "base/wall_clock.h"
#include "discovery/control/json_web_token.h"
#include "discovery/control/node_name.h"
#include "discovery/control/token_claims.h"
#include "discovery/control/token_keys.h"
#include "discovery/control/token_refusal.h"
#include "discovery/control/token_revocations.h"
#include "discovery/xds/node.h"

namespace meshdns::discovery {
namespace {

using Reason = TokenRefusal::Reason;

}  // namespace

std::string tokens_folder(const std::string& state_dir) { return state_dir + "/tokens"; }

std::string token_keys_folder(const std::string& folder) { return folder + "/keys"; }

std::string token_revocations_file(const std::string& folder) { return folder + "/revoked"; }

TokenVerifier::TokenVerifier(FileSystem& files, std::string folder, const WallClock& wall)
    : files_(files), folder_(std::move(folder)), wall_(wall) {}

void TokenVerifier::refresh() {
  problems_.clear();
  const auto before = known();
  auto next = std::make_shared<Known>();
  next->keys = read_token_keys(files_, token_keys_folder(folder_), before->keys, problems_);
  if (const auto text = read_revocations(files_, token_revocations_file(folder_))) {
    next->revoked = parse_revocations(*text);
  } else {
    problems_.push_back(escape_text(text.error().message) +
                        (before->revoked ? "" : " (no token is taken until it can be read)"));
    next->revoked = before->revoked;
  }
  const std::lock_guard lock(mutex_);
  known_ = std::move(next);
}

std::shared_ptr<const TokenVerifier::Known> TokenVerifier::known() const {
  const std::lock_guard lock(mutex_);
  return known_;
}

bool TokenVerifier::has_keys() const { return !known()->keys.empty(); }

tl::expected<VerifiedToken, TokenRefusal> TokenVerifier::verify(std::string_view token) const {
  const auto refuse = [](std::string why) {
    return tl::unexpected(
        TokenRefusal{Reason::kInvalid, "the token cannot be taken: " + std::move(why)});
  };
  auto opened = open_token(token, known()->keys);
  if (!opened) {
    return refuse(std::move(opened.error().message));
  }
  auto claims = parse_claims(opened->claims);
  if (!claims) {
    return refuse(std::move(claims.error().message));
  }
  VerifiedToken verified{.claims = *std::move(claims), .key = std::move(opened->key)};
  if (auto objection = objection_to(verified)) {
    return tl::unexpected(*std::move(objection));
  }
  return verified;
}

std::optional<TokenRefusal> TokenVerifier::objection_to(const VerifiedToken& token) const {
  const auto known_now = known();
  const WallTime now = wall_.now();
  if (known_now->keys.find(token.key) == nullptr) {
    return TokenRefusal{Reason::kInvalid, "the key that signed the token is no longer taken"};
  }
  const std::optional<TokenIds>& revoked = known_now->revoked;
  if (!revoked) {
    return TokenRefusal{Reason::kRevoked, "which tokens are revoked is not known"};
  }
  if (revoked->contains(token.claims.id)) {
    return TokenRefusal{Reason::kRevoked, "the token has been revoked"};
  }
  if (now >= token.claims.expires) {
    return TokenRefusal{Reason::kExpired, "the token has expired"};
  }
  if (now < token.claims.not_before) {
    return TokenRefusal{Reason::kEarly, "the token is not good yet: compare the clocks"};
  }
  return std::nullopt;
}

std::optional<TokenRefusal> objection_to(const TokenClaims& claims, const NodeInfo& node) {
  const auto mesh = mesh_of(node);
  if (!mesh || *mesh != claims.mesh) {
    return TokenRefusal{Reason::kMesh,
                        fmt::format("the token is for the mesh '{}', not for '{}'",
                                    escape_name(claims.mesh), mesh ? escape_name(*mesh) : "")};
  }
  const std::string name = name_of(node, *mesh);
  if (!claims.name.empty() && claims.name != name) {
    return TokenRefusal{
        Reason::kName,
        fmt::format("the token is for the name '{}', not for '{}' (node id '{}')",
                    escape_name(claims.name), escape_name(name), escape_name(node.id))};
  }
  if (!claims.zones.empty() && !node.zone.empty() &&
      std::ranges::find(claims.zones, node.zone) == claims.zones.end()) {
    return TokenRefusal{Reason::kZone,
                        fmt::format("the token is not for the zone '{}'", escape_name(node.zone))};
  }
  return std::nullopt;
}

}  // namespace meshdns::discovery
