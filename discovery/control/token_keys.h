// The keys whose tokens are taken, by their ids; and the folder where they are: N.pub, the public
// half, which is all that a control plane needs, and N.key, the private one, which signs. The
// highest N signs; a key is retired by removing its N.pub. Other names that end in .pub count too:
// keys of somebody who issues tokens elsewhere.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/file_system.h"
#include "base/result.h"
#include "discovery/control/token_key.h"

namespace meshdns::discovery {

class TokenKeys {
 public:
  // `file`: its name.
  void add(const std::string& file, TokenKey key) { keys_.insert_or_assign(file, std::move(key)); }
  // Null: there is none.
  [[nodiscard]] const TokenKey* find(std::string_view id) const;
  [[nodiscard]] const TokenKey* find_file(const std::string& file) const;
  [[nodiscard]] bool empty() const { return keys_.empty(); }

 private:
  std::map<std::string, TokenKey> keys_;  // by file: there are few
};

// All that the folder has; none where it is missing. What is there and cannot be read, or is no
// key, is told in `problems`, one sentence each, and is what it was `before`.
[[nodiscard]] TokenKeys read_token_keys(FileSystem& files, const std::string& folder,
                                        const TokenKeys& before,
                                        std::vector<std::string>& problems);

// One key from a file.
[[nodiscard]] Result<TokenKey> read_token_key(FileSystem& files, const std::string& path);

// The key that signs now; a new one where there is none. Makes the folder. Whoever calls it holds
// the folder's lock.
[[nodiscard]] Result<TokenKey> find_or_make_signing_key(FileSystem& files,
                                                        const std::string& folder);
// A new one, which signs from now on. As above.
[[nodiscard]] Result<TokenKey> make_signing_key(FileSystem& files, const std::string& folder);

}  // namespace meshdns::discovery
