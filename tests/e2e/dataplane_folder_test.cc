// What happens to the folder of Dataplanes while the control plane watches it.
#include <filesystem>
#include <fstream>
#include <ios>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/e2e/resolver_fixture.h"
#include "tests/support/programs.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/wait_until.h"

namespace meshdns::support {
namespace {

using testing::HasSubstr;
using testing::Not;

// A control plane and a resolver that follows it.
class DataplaneFolder : public ResolverFixture {
 protected:
  void start() {
    control_plane_.start();
    resolver_.start_ready(control_plane_);
  }
  [[nodiscard]] const TemporaryDirectory& folder() const { return control_plane_.dataplanes(); }
  void write_service(const std::string& file, const std::string& service) const {
    folder().write(file, to_yaml({.name = service + "-1", .service = service}));
  }

  ControlPlaneProgram control_plane_;
};

TEST_F(DataplaneFolder, AFileAppendedToOctetByOctetNeverLosesAService) {
  const std::string whole = to_yaml({.name = "web-1", .service = "web"}) + "---\n" +
                            to_yaml({.name = "cache-1", .service = "cache"});
  folder().write("all.yaml", whole);
  start();
  folder().write("all.yaml", "");
  for (const char octet : whole) {
    std::ofstream(folder().file("all.yaml"), std::ios::app) << octet;
    EXPECT_EQ(rcode_of("web.mesh"), "NOERROR");
    EXPECT_EQ(rcode_of("cache.mesh"), "NOERROR");
  }
  // Another change is a sign that all of it has been read.
  control_plane_.put({.name = "later-1", .service = "later"});
  ASSERT_TRUE(wait_for_rcode("later.mesh", "NOERROR"));
  EXPECT_EQ(rcode_of("web.mesh"), "NOERROR");
  EXPECT_EQ(rcode_of("cache.mesh"), "NOERROR");
  EXPECT_THAT(control_plane_.log(), Not(HasSubstr("removed=1")));
}

TEST_F(DataplaneFolder, AMountedConfigMapIsFollowedWhenItsLinkIsSwapped) {
  for (const std::string version : {"..one", "..two"}) {
    std::filesystem::create_directory(folder().file(version));
  }
  write_service("..one/web.yaml", "web");
  write_service("..two/web.yaml", "shop");
  std::filesystem::create_symlink("..one", folder().file("..data"));
  std::filesystem::create_symlink("..data/web.yaml", folder().file("web.yaml"));
  start();
  ASSERT_EQ(rcode_of("web.mesh"), "NOERROR");
  std::filesystem::create_symlink("..two", folder().file("..data_tmp"));
  std::filesystem::rename(folder().file("..data_tmp"), folder().file("..data"));
  EXPECT_TRUE(wait_for_rcode("shop.mesh", "NOERROR"));
  EXPECT_TRUE(wait_for_rcode("web.mesh", "NXDOMAIN"));
}

TEST_F(DataplaneFolder, AFolderThatIsRemovedKeepsItsServicesAndOneThatComesIsFollowed) {
  write_service("web.yaml", "web");
  start();
  const std::string away = folder().path() + ".away";
  std::filesystem::rename(folder().path(), away);
  ASSERT_TRUE(wait_until(
      [&] { return control_plane_.log().find("what it held stays") != std::string::npos; }));
  EXPECT_EQ(rcode_of("web.mesh"), "NOERROR");
  std::filesystem::create_directory(folder().path());
  write_service("shop.yaml", "shop");
  EXPECT_TRUE(wait_for_rcode("shop.mesh", "NOERROR"));
  EXPECT_TRUE(wait_for_rcode("web.mesh", "NXDOMAIN"));
  // Its events are those of the new folder from then on.
  write_service("cache.yaml", "cache");
  EXPECT_TRUE(wait_for_rcode("cache.mesh", "NOERROR"));
  std::filesystem::remove_all(away);
}

TEST_F(DataplaneFolder, AFileThatTurnedBadKeepsItsServicesOverARestart) {
  write_service("web.yaml", "web");
  write_service("shop.yaml", "shop");
  start();
  ASSERT_EQ(rcode_of("web.mesh"), "NOERROR");
  control_plane_.put_file("web.yaml", "type: Dataplane\nmesh: default\nname: web-1\nnetw");
  ASSERT_TRUE(wait_until([&] {
    return std::filesystem::exists(control_plane_.state_folder() + "/dataplanes/web.yaml");
  }));
  control_plane_.kill();
  control_plane_.start();
  // A service more shows that the resolver is back.
  write_service("cache.yaml", "cache");
  ASSERT_TRUE(wait_for_rcode("cache.mesh", "NOERROR"));
  EXPECT_EQ(rcode_of("web.mesh"), "NOERROR");
  EXPECT_THAT(control_plane_.get("/readyz").body, HasSubstr("web.yaml:4: "));
}

}  // namespace
}  // namespace meshdns::support
