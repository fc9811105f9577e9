// Resolvers that register their own Dataplane with meshdns-cp, through the real programs.
#include <csignal>
#include <filesystem>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/dns_client.h"
#include "tests/support/process.h"
#include "tests/support/programs.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/wait_until.h"

namespace meshdns::support {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

// A workload `web-1` with a resolver of its own, and another resolver that looks at the mesh.
class Registration : public testing::Test {
 protected:
  void start(const std::string& delay = "0") {
    control_plane_.put({.name = "db-1", .service = "db"});
    control_plane_.start({"--deregistration-delay", delay});
    others_.start_ready(control_plane_);
  }
  void write_dataplane(const std::string& service) {
    folder_.write("dp.yaml", to_yaml({.name = "web-1", .service = service}));
  }
  void start_workload(std::vector<std::string> flags = {}) {
    flags.insert(flags.end(), {"--dataplane-file", folder_.file("dp.yaml")});
    workload_.start_ready(control_plane_, flags);
  }
  [[nodiscard]] std::string rcode_of(const ResolverProgram& resolver,
                                     const std::string& name) const {
    const auto reply = ask(resolver.dns(), {.name = name});
    return reply ? reply->rcode() : "nothing";
  }
  [[nodiscard]] bool others_say(const std::string& name, const std::string& rcode) const {
    return wait_until([&] { return rcode_of(others_, name) == rcode; });
  }

  TemporaryDirectory folder_;
  ControlPlaneProgram control_plane_;
  ResolverProgram workload_;
  ResolverProgram others_;
};

TEST_F(Registration, LastsAsLongAsItsStream) {
  start();
  write_dataplane("web");
  start_workload();
  EXPECT_TRUE(others_say("web.mesh", "NOERROR"));
  EXPECT_EQ(rcode_of(workload_, "db.mesh"), "NOERROR");
  workload_.kill();
  EXPECT_TRUE(others_say("web.mesh", "NXDOMAIN"));
  start_workload();
  EXPECT_TRUE(others_say("web.mesh", "NOERROR"));
  EXPECT_EQ(workload_.terminate(), 0);
  EXPECT_TRUE(others_say("web.mesh", "NXDOMAIN"));
  EXPECT_THAT(control_plane_.log(),
              AllOf(HasSubstr("a dataplane registered itself dataplane=default/web-1"),
                    HasSubstr("a dataplane left that had registered itself")));
}

TEST_F(Registration, OutlivesARestartOfItsWorkload) {
  start("3600");
  write_dataplane("web");
  start_workload();
  ASSERT_TRUE(others_say("web.mesh", "NOERROR"));
  workload_.kill();
  start_workload();
  EXPECT_EQ(rcode_of(others_, "web.mesh"), "NOERROR");
  EXPECT_THAT(control_plane_.log(), Not(HasSubstr("left that had registered itself")));
}

TEST_F(Registration, ComesBackToAControlPlaneThatStartsAgain) {
  start();
  write_dataplane("web");
  start_workload();
  ASSERT_TRUE(others_say("web.mesh", "NOERROR"));
  control_plane_.kill();
  control_plane_.start();
  EXPECT_TRUE(wait_until([&] {
    return control_plane_.get("/metrics").body.find("\nmeshdns_control_dataplanes 2\n") !=
           std::string::npos;
  }));
  EXPECT_TRUE(others_say("web.mesh", "NOERROR"));
}

// Else a resolver that is back before the workload would deny the workload's name.
TEST_F(Registration, IsKnownToAControlPlaneThatStartsAgainWithoutTheWorkload) {
  start("3600");
  write_dataplane("web");
  start_workload();
  ASSERT_TRUE(others_say("web.mesh", "NOERROR"));
  const std::string kept = control_plane_.state_folder() + "/registrations.yaml";
  ASSERT_TRUE(wait_until([&] { return std::filesystem::exists(kept); }));
  control_plane_.kill();
  workload_.kill();
  control_plane_.start({"--deregistration-delay", "3600"});
  // A service more shows that the other resolver is back.
  control_plane_.put({.name = "api-1", .service = "api"});
  ASSERT_TRUE(others_say("api.mesh", "NOERROR"));
  EXPECT_EQ(rcode_of(others_, "web.mesh"), "NOERROR");
  control_plane_.kill();
  control_plane_.start({"--deregistration-delay", "0"});
  EXPECT_TRUE(others_say("web.mesh", "NXDOMAIN")) << "nobody came back";
}

TEST_F(Registration, ThatIsRefusedCostsTheWorkloadNothingElse) {
  start();
  folder_.write("dp.yaml",
                "type: Dataplane\nname: web-1\nnetworking:\n  address: 127.0.0.1\n  inbound:\n"
                "    - {port: 0, tags: {kuma.io/service: web}}\n");
  start_workload();
  EXPECT_EQ(rcode_of(workload_, "db.mesh"), "NOERROR");
  EXPECT_THAT(workload_.get("/readyz").body,
              HasSubstr("the control plane refuses the Dataplane of this resolver: "
                        "networking.inbound[0].port: port: '0' must be a port"));
  EXPECT_EQ(rcode_of(others_, "web.mesh"), "NXDOMAIN");

  write_dataplane("web");
  workload_.process().signal(SIGHUP);
  EXPECT_TRUE(others_say("web.mesh", "NOERROR"));
  EXPECT_TRUE(wait_until(
      [&] { return workload_.get("/readyz").body.find("refuses") == std::string::npos; }));

  write_dataplane("shop");
  workload_.process().signal(SIGHUP);
  EXPECT_TRUE(others_say("shop.mesh", "NOERROR"));
  EXPECT_TRUE(others_say("web.mesh", "NXDOMAIN"));
}

TEST_F(Registration, IsRefusedInAnotherZoneThanTheControlPlanes) {
  start();
  write_dataplane("web");
  start_workload({"--zone", "elsewhere"});
  EXPECT_THAT(workload_.get("/readyz").body,
              HasSubstr("the node's zone is elsewhere, and the control plane's default"));
  EXPECT_EQ(rcode_of(others_, "web.mesh"), "NXDOMAIN");
}

TEST_F(Registration, ComesAfterTheFolderAndTheApi) {
  start();
  write_dataplane("from-stream");
  start_workload();
  ASSERT_TRUE(others_say("from-stream.mesh", "NOERROR"));
  const std::string file =
      folder_.write("api.yaml", to_yaml({.name = "web-1", .service = "from-api"}));
  ASSERT_EQ(run_command({program_path("meshdns-cp"), "apply", "-f", file, "--address",
                         control_plane_.api().to_string()})
                .exit_code,
            0);
  EXPECT_TRUE(others_say("from-api.mesh", "NOERROR"));
  EXPECT_TRUE(others_say("from-stream.mesh", "NXDOMAIN"));
  control_plane_.put({.name = "web-1", .service = "from-file"});
  EXPECT_TRUE(others_say("from-file.mesh", "NOERROR"));
  EXPECT_TRUE(others_say("from-api.mesh", "NXDOMAIN"));
  EXPECT_THAT(control_plane_.get("/readyz").body,
              AllOf(HasSubstr("note: the API: the dataplane default/web-1 is already at "),
                    HasSubstr("note: the stream of default.web-1: the dataplane default/web-1 is "
                              "already at ")));
  control_plane_.remove_file("web-1.yaml");
  EXPECT_TRUE(others_say("from-api.mesh", "NOERROR"));
}

}  // namespace
}  // namespace meshdns::support
