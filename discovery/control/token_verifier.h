// Says whose a token is, and whether it is still good: by keys and revocations in a folder that may
// change at any time.
//
// refresh() and problems() belong to the control thread, the rest to any.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file_system.h"
#include "base/result.h"
#include "base/wall_clock.h"
#include "discovery/control/token_claims.h"
#include "discovery/control/token_keys.h"
#include "discovery/control/token_refusal.h"
#include "discovery/control/token_revocations.h"
#include "discovery/xds/node.h"

namespace meshdns::discovery {

struct VerifiedToken {
  TokenClaims claims{};
  std::string key{};  // that signed it: its id
};

// The folder of tokens in a state folder, and where things are in it.
[[nodiscard]] std::string tokens_folder(const std::string& state_dir);
[[nodiscard]] std::string token_keys_folder(const std::string& folder);
[[nodiscard]] std::string token_revocations_file(const std::string& folder);

class TokenVerifier {
 public:
  // References outlive it. It knows nothing before refresh().
  TokenVerifier(FileSystem& files, std::string folder, const WallClock& wall);

  // Another look at the folder. A folder that is missing has no keys. No token is taken until the
  // revocations could be read once.
  void refresh();
  // What is wrong in it now, one sentence each.
  [[nodiscard]] const std::vector<std::string>& problems() const { return problems_; }
  [[nodiscard]] bool has_keys() const;

  [[nodiscard]] tl::expected<VerifiedToken, TokenRefusal> verify(std::string_view token) const;
  // Whether what was verified is good now; nothing when it is.
  [[nodiscard]] std::optional<TokenRefusal> objection_to(const VerifiedToken& token) const;

 private:
  struct Known {
    TokenKeys keys{};
    std::optional<TokenIds> revoked{};  // nothing: that could not be read yet
  };
  [[nodiscard]] std::shared_ptr<const Known> known() const;

  FileSystem& files_;
  const std::string folder_;
  const WallClock& wall_;
  std::vector<std::string> problems_;
  mutable std::mutex mutex_;  // guards what follows
  std::shared_ptr<const Known> known_ = std::make_shared<Known>();
};

// Whether a token lets its holder be this node: its mesh, its name (the id without "MESH."), and
// the zone it says it is in. A node may always keep its zone to itself.
[[nodiscard]] std::optional<TokenRefusal> objection_to(const TokenClaims& claims,
                                                       const NodeInfo& node);

}  // namespace meshdns::discovery
