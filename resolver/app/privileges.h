// Whose rights the program runs with, once its sockets are bound: root becomes the configured user,
// the parent process keeps CAP_NET_BIND_SERVICE for addresses that a reload adds, the resolver
// keeps nothing.
//
// Before there is a second thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <sys/types.h>

#include "base/result.h"

namespace meshdns::dns {

struct Identity {
  std::string name;
  uid_t uid = 0;
  gid_t gid = 0;
};

// The user to become: nothing when `name` is empty, or is who we are already. kInvalidArgument when
// there is no such user, kPermissionDenied when only root could become it.
[[nodiscard]] Result<std::optional<Identity>> find_identity(const std::string& name);

// Becomes that user with its groups, for good; CAP_NET_BIND_SERVICE stays, if it was there.
[[nodiscard]] Result<void> become(const Identity& identity);

// Drops every capability, and the way back to any. Does nothing for root, who was to stay root.
void drop_capabilities();

// Makes the out-of-memory killer look at this process later than at others, where that is allowed.
// Returns what to give to restore_oom_score(), in the process that shall not be spared.
[[nodiscard]] std::optional<int> lower_oom_score();
void restore_oom_score(std::optional<int> score);

}  // namespace meshdns::dns
