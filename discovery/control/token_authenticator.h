// The clients of the xDS server by their tokens.
//
// refresh() belongs to the control thread, what the server asks to any.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "base/result.h"
#include "base/wall_clock.h"
#include "discovery/control/metrics.h"
#include "discovery/control/token_verifier.h"
#include "discovery/xds/client_authenticator.h"

namespace meshdns::discovery {

class TokenAuthenticator final : public ClientAuthenticator {
 public:
  // References outlive it. `folder` as TokenVerifier has it.
  TokenAuthenticator(FileSystem& files, const std::string& folder, const WallClock& wall,
                     RefusedClients& refused);

  void refresh() { verifier_.refresh(); }
  [[nodiscard]] const TokenVerifier& verifier() const { return verifier_; }

  // `authorization` is a token, alone as Kuma's clients send it, or behind "Bearer ".
  [[nodiscard]] Result<std::shared_ptr<const ClientIdentity>> authenticate(
      const std::vector<std::string>& authorization) override;

 private:
  TokenVerifier verifier_;
  RefusedClients& refused_;
};

}  // namespace meshdns::discovery
