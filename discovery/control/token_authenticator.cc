#include "discovery/control/token_authenticator.h"

#include <algorithm>
#include <cctype>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/file_system.h"
#include "base/result.h"
#include "base/wall_clock.h"
#include "discovery/control/entity_json.h"
#include "discovery/control/metrics.h"
#include "discovery/control/token_claims.h"
#include "discovery/control/token_refusal.h"
#include "discovery/control/token_verifier.h"
#include "discovery/xds/client_authenticator.h"
#include "discovery/xds/node.h"

namespace meshdns::discovery {
namespace {

// The token of a header's value. A scheme's name has no case (RFC 9110 section 11.1).
std::string_view token_in(std::string_view value) {
  constexpr std::string_view kScheme = "bearer ";
  const auto is_same = [](char one, char other) {
    return std::tolower(static_cast<unsigned char>(one)) == other;
  };
  if (value.size() > kScheme.size() &&
      std::ranges::equal(value.substr(0, kScheme.size()), kScheme, is_same)) {
    value.remove_prefix(kScheme.size());
  }
  return value;
}

class TokenHolder final : public ClientIdentity {
 public:
  TokenHolder(VerifiedToken token, const TokenVerifier& verifier, RefusedClients& refused)
      : token_(std::move(token)), verifier_(verifier), refused_(refused) {}

  [[nodiscard]] Result<void> permit(const NodeInfo& node) const override {
    return said(objection_to(token_.claims, node));
  }
  [[nodiscard]] Result<void> recheck() const override {
    return said(verifier_.objection_to(token_));
  }
  [[nodiscard]] std::vector<Fact> describe() const override {
    const TokenClaims& claims = token_.claims;
    return {{"mesh", claims.mesh},
            {"name", claims.name},
            {"zones", fmt::format("{}", fmt::join(claims.zones, ","))},
            {"token", claims.id},
            {"expires", time_text(claims.expires)}};
  }

 private:
  [[nodiscard]] Result<void> said(std::optional<TokenRefusal> objection) const {
    if (!objection) {
      return {};
    }
    refused_.of(objection->reason).add();
    return fail(ErrorCode::kPermissionDenied, std::move(objection->text));
  }

  const VerifiedToken token_;
  const TokenVerifier& verifier_;
  RefusedClients& refused_;
};

}  // namespace

TokenAuthenticator::TokenAuthenticator(FileSystem& files, const std::string& folder,
                                       const WallClock& wall, RefusedClients& refused)
    : verifier_(files, folder, wall), refused_(refused) {}

Result<std::shared_ptr<const ClientIdentity>> TokenAuthenticator::authenticate(
    const std::vector<std::string>& authorization) {
  if (authorization.size() != 1) {
    refused_.of(TokenRefusal::Reason::kMissing).add();
    return fail(
        ErrorCode::kPermissionDenied,
        authorization.empty()
            ? "a token is needed, as metadata `authorization` (`meshdns-cp token` makes one)"
            : "there is more than one `authorization`");
  }
  auto verified = verifier_.verify(token_in(authorization.front()));
  if (!verified) {
    refused_.of(verified.error().reason).add();
    return fail(ErrorCode::kPermissionDenied, std::move(verified.error().text));
  }
  return std::make_shared<const TokenHolder>(*std::move(verified), verifier_, refused_);
}

}  // namespace meshdns::discovery
