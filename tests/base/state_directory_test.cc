#include "base/state_directory.h"

#include <map>
#include <optional>
#include <string>

#include <gtest/gtest.h>

namespace meshdns {
namespace {

using Variables = std::map<std::string, std::string>;

std::string directory_with(const Variables& variables, bool is_root = false) {
  return default_state_directory(
      "meshdns/one", is_root, [&](const std::string& name) -> std::optional<std::string> {
        const auto found = variables.find(name);
        return found == variables.end() ? std::nullopt : std::optional(found->second);
      });
}

TEST(StateDirectory, IsTheSystemsForRoot) {
  EXPECT_EQ(directory_with({{"XDG_STATE_HOME", "/s"}}, true), "/var/lib/meshdns/one");
}

TEST(StateDirectory, IsTheUsersOwnPlace) {
  EXPECT_EQ(directory_with({{"XDG_STATE_HOME", "/s"}, {"HOME", "/h"}}), "/s/meshdns/one");
  EXPECT_EQ(directory_with({{"HOME", "/h"}}), "/h/.local/state/meshdns/one");
  EXPECT_EQ(directory_with({}), "/tmp/.local/state/meshdns/one");
}

TEST(StateDirectory, DoesNotFollowARelativeFolder) {
  EXPECT_EQ(directory_with({{"XDG_STATE_HOME", "s"}, {"HOME", "h"}}),
            "/tmp/.local/state/meshdns/one");
}

}  // namespace
}  // namespace meshdns
