#include "resolver/app/privileges.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <grp.h>
#include <optional>
#include <ostream>
#include <pwd.h>
#include <string>
#include <unistd.h>
#include <vector>

#include <fmt/format.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "base/log.h"
#include "base/result.h"

namespace meshdns::dns {
namespace {

constexpr const char* kOomScorePath = "/proc/self/oom_score_adj";
constexpr int kSpared = 500;
constexpr int kLowestOomScore = -999;  // -1000 would be never
constexpr std::size_t kPasswordBuffer = 16384;

// Of the calling thread; no library is needed for the two system calls.
using Capabilities = std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3>;

bool get_capabilities(Capabilities& set) {
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  return ::syscall(SYS_capget, &header, set.data()) == 0;
}

bool set_capabilities(const Capabilities& set) {
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  return ::syscall(SYS_capset, &header, set.data()) == 0;
}

Error refused(const Identity& identity) {
  return errno_error(errno, fmt::format("user: cannot become {}", escape_name(identity.name)));
}

// NOLINTBEGIN(cppcoreguidelines-pro-type-vararg): prctl(2) is declared so.
void forbid_new_privileges() { ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); }
// NOLINTEND(cppcoreguidelines-pro-type-vararg)

}  // namespace

Result<std::optional<Identity>> find_identity(const std::string& name) {
  if (name.empty()) {
    return std::optional<Identity>();
  }
  std::vector<char> buffer(kPasswordBuffer);
  passwd entry{};
  passwd* found = nullptr;
  if (::getpwnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found) != 0 ||
      found == nullptr) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("user: there is no user '{}' (make one, or leave the setting out)",
                            escape_name(name)));
  }
  if (found->pw_uid == ::geteuid()) {
    return std::optional<Identity>();
  }
  if (::geteuid() != 0) {
    return fail(ErrorCode::kPermissionDenied,
                fmt::format("user: only root can become {} (start as root, or leave the setting "
                            "out)",
                            escape_name(name)));
  }
  return std::optional(Identity{.name = name, .uid = found->pw_uid, .gid = found->pw_gid});
}

Result<void> become(const Identity& identity) {
  Capabilities before{};
  const bool known = get_capabilities(before);
  // NOLINTBEGIN(cppcoreguidelines-pro-type-vararg): prctl(2) is declared so.
  if (::prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0 ||
      ::initgroups(identity.name.c_str(), identity.gid) != 0 ||
      ::setresgid(identity.gid, identity.gid, identity.gid) != 0 ||
      ::setresuid(identity.uid, identity.uid, identity.uid) != 0) {
    return tl::unexpected(refused(identity));
  }
  Capabilities kept{};
  constexpr std::uint32_t kBind = 1U << CAP_NET_BIND_SERVICE;
  kept[0].permitted = known ? before[0].permitted & kBind : 0;
  kept[0].effective = kept[0].permitted;
  if (!set_capabilities(kept)) {
    return tl::unexpected(refused(identity));
  }
  // As any program of that user: a core where cores are wanted, and /proc/self is its own.
  ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
  // NOLINTEND(cppcoreguidelines-pro-type-vararg)
  forbid_new_privileges();
  return {};
}

void drop_capabilities() {
  if (::geteuid() == 0) {
    return;
  }
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-vararg): prctl(2) is declared so.
  ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  static_cast<void>(set_capabilities({}));  // fewer is always allowed
  forbid_new_privileges();
}

std::optional<int> lower_oom_score() {
  int before = 0;
  if (!(std::ifstream(kOomScorePath) >> before)) {
    return std::nullopt;
  }
  std::ofstream file(kOomScorePath);
  file << std::max(before - kSpared, kLowestOomScore) << std::flush;
  return file ? std::optional(before) : std::nullopt;
}

void restore_oom_score(std::optional<int> score) {
  if (score) {
    std::ofstream(kOomScorePath) << *score << std::flush;
  }
}

}  // namespace meshdns::dns
