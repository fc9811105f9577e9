// The API of meshdns-cp, and the verbs that speak to it, through the real programs.
#include <csignal>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/dns_client.h"
#include "tests/support/http_get.h"
#include "tests/support/process.h"
#include "tests/support/programs.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/wait_until.h"

namespace meshdns::support {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class Api : public testing::Test {
 protected:
  // A verb against the control plane's API.
  CommandResult verb(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), program_path("meshdns-cp"));
    arguments.insert(arguments.end(), {"--address", control_plane_.api().to_string()});
    return run_command(arguments);
  }
  // meshdns-cp on the same folder, which ends by itself.
  CommandResult run_with(const std::vector<std::string>& flags) {
    std::vector<std::string> argv{program_path("meshdns-cp"),
                                  "run",
                                  "--dataplanes",
                                  control_plane_.dataplanes().path(),
                                  "--listen",
                                  "127.0.0.1:0",
                                  "--admin",
                                  "127.0.0.1:0",
                                  "--state-dir",
                                  folder_.file("other-state")};
    argv.insert(argv.end(), flags.begin(), flags.end());
    return run_command(argv);
  }

  TemporaryDirectory folder_;
  ControlPlaneProgram control_plane_;
};

TEST_F(Api, ResolversFollowWhatIsAppliedAndDeleted) {
  control_plane_.start();
  ResolverProgram resolver;
  resolver.start_ready(control_plane_);
  const std::string file =
      folder_.write("all.yaml", to_yaml({.name = "web-1", .service = "web"}) + "---\n" +
                                    to_yaml({.name = "db-1", .service = "db"}));
  const CommandResult applied = verb({"apply", "-f", file});
  EXPECT_EQ(applied.exit_code, 0) << applied.error;
  EXPECT_EQ(applied.output, "dataplane default/web-1 created\ndataplane default/db-1 created\n");
  EXPECT_NE(resolver.wait_for_address("web.mesh"), "");
  EXPECT_EQ(verb({"apply", "-f", file}).output,
            "dataplane default/web-1 updated\ndataplane default/db-1 updated\n");
  EXPECT_THAT(verb({"get", "dataplanes"}).output, AllOf(HasSubstr("web-1"), HasSubstr("db-1")));
  EXPECT_EQ(verb({"delete", "dataplane", "web-1"}).output, "dataplane default/web-1 deleted\n");
  EXPECT_TRUE(wait_until([&] {
    const auto reply = ask(resolver.dns(), {.name = "web.mesh"});
    return reply && reply->rcode() == "NXDOMAIN";
  }));
  EXPECT_NE(resolver.wait_for_address("db.mesh"), "");
}

TEST_F(Api, WhatGetTellsCanBeAppliedAgain) {
  control_plane_.put({.name = "web-1", .service = "web"});
  control_plane_.start();
  const std::string told = verb({"get", "dataplane", "web-1", "-o", "yaml"}).output;
  control_plane_.remove_file("web-1.yaml");
  ASSERT_TRUE(wait_until([&] { return verb({"get", "dataplane", "web-1"}).exit_code != 0; }));
  const CommandResult applied = verb({"apply", "-f", folder_.write("told.yaml", told)});
  EXPECT_EQ(applied.exit_code, 0) << applied.error;
  const std::string as_json = verb({"get", "dataplane", "web-1", "-o", "json"}).output;
  EXPECT_EQ(verb({"apply", "-f", folder_.write("told.json", as_json)}).exit_code, 0);
}

TEST_F(Api, AppliesNothingOfFilesWithAMistakeAndNamesItsLine) {
  control_plane_.start();
  folder_.write("a.yaml", to_yaml({.name = "web-1", .service = "web"}));
  folder_.write("b.yml",
                "# two mistakes\ntype: Dataplane\nname: db-1\nnetworking:\n"
                "  address: 192.0.2.1\n  inbound:\n    - port: 0\n");
  const CommandResult refused = verb({"apply", "-f", folder_.path()});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.error,
              AllOf(HasSubstr(folder_.file("b.yml") + ":7: port: '0' must be a port"),
                    HasSubstr(folder_.file("b.yml") + ":7: tags: kuma.io/service is missing"),
                    HasSubstr("2 mistakes; nothing is applied")));
  EXPECT_THAT(verb({"get", "dataplanes"}).output, Not(HasSubstr("web-1")));
  EXPECT_EQ(verb({"apply", "-f", folder_.file("none.yaml")}).exit_code, 3);
}

TEST_F(Api, SaysWhyItRefuses) {
  control_plane_.put({.name = "web-1", .service = "web"});
  control_plane_.start();
  const CommandResult unknown = verb({"delete", "dataplane", "nope"});
  EXPECT_EQ(unknown.exit_code, 3);
  EXPECT_THAT(unknown.error, HasSubstr("default/nope: the API says 404 Not found"));
  EXPECT_THAT(verb({"delete", "dataplane", "web-1"}).error,
              HasSubstr("it did not come over the API; it is at " +
                        control_plane_.dataplanes().file("web-1.yaml") + ":1"));
  const CommandResult shadowed =
      verb({"apply", "-f", folder_.write("w.yaml", to_yaml({.name = "web-1", .service = "shop"}))});
  EXPECT_EQ(shadowed.exit_code, 0);
  EXPECT_THAT(shadowed.error, HasSubstr("w.yaml:1: warning: stored, but does not count"));
  control_plane_.kill();
  const CommandResult nobody = verb({"get", "dataplanes"});
  EXPECT_EQ(nobody.exit_code, 2);
  EXPECT_THAT(nobody.error, HasSubstr("is meshdns-cp running there?"));
}

TEST_F(Api, AKilledControlPlaneHasAllThatItAnswered) {
  control_plane_.start();
  int acknowledged = 0;
  for (int round = 0; round < 5; ++round) {
    std::string all;
    for (int i = 0; i < 40; ++i) {
      all += "---\n" +
             to_yaml({.name = std::to_string(round) + "-" + std::to_string(i), .service = "web"});
    }
    Process apply(
        {.argv = {program_path("meshdns-cp"), "apply", "-f", folder_.write("all.yaml", all),
                  "--address", control_plane_.api().to_string()}});
    const auto lines = [&] {
      int count = 0;
      for (const char c : apply.standard_output()) {
        count += c == '\n' ? 1 : 0;
      }
      return count;
    };
    (void)wait_until([&] { return lines() >= 5 || !apply.is_running(); });
    control_plane_.process().signal(SIGKILL);
    ASSERT_TRUE(apply.wait());
    acknowledged += lines();
    control_plane_.kill();
    control_plane_.start();
    const std::string told = verb({"get", "dataplanes"}).output;
    int there = -1;  // the heading
    for (const char c : told) {
      there += c == '\n' ? 1 : 0;
    }
    // The one that was under way may be there, too.
    EXPECT_GE(there, acknowledged);
    EXPECT_LE(there, acknowledged + round + 1);
  }
  EXPECT_GE(acknowledged, 25);
}

TEST_F(Api, IsNotServedWhereItMustNotBe) {
  const CommandResult remote = run_with({"--api", "0.0.0.0:0"});
  EXPECT_EQ(remote.exit_code, 1);
  EXPECT_THAT(remote.error, HasSubstr("--allow-remote-api"));
  EXPECT_EQ(run_with({"--api", "nonsense"}).exit_code, 1);
  control_plane_.start();
  const CommandResult taken = run_with({"--api", control_plane_.api().to_string()});
  EXPECT_EQ(taken.exit_code, 2);
  EXPECT_THAT(taken.error, HasSubstr("--api off"));
}

TEST_F(Api, KeepsWhatItHasWhenItIsSwitchedOff) {
  control_plane_.start();
  ASSERT_EQ(
      verb({"apply", "-f", folder_.write("w.yaml", to_yaml({.name = "web-1", .service = "web"}))})
          .exit_code,
      0);
  control_plane_.kill();
  control_plane_.start({"--api", "off"});
  EXPECT_FALSE(http_get(control_plane_.api(), "/dataplanes"));
  EXPECT_THAT(control_plane_.get("/metrics").body, HasSubstr("\nmeshdns_control_dataplanes 1\n"));
}

TEST_F(Api, OfASecondUserOfTheStateFolderTakesNoChanges) {
  control_plane_.start();
  ControlPlaneProgram second;
  second.start({"--state-dir", control_plane_.state_folder()});
  EXPECT_THAT(second.get("/readyz").body, HasSubstr("note: the API takes no changes: "));
  const CommandResult refused =
      run_command({program_path("meshdns-cp"), "apply", "-f",
                   folder_.write("w.yaml", to_yaml({.name = "web-1", .service = "web"})),
                   "--address", second.api().to_string()});
  EXPECT_NE(refused.exit_code, 0);
  EXPECT_THAT(refused.error, HasSubstr("the API says 503"));
}

TEST_F(Api, ExternalServicesAnswerTheirAddressAndGeneratorsGiveNames) {
  control_plane_.put({.name = "web-1", .service = "web"});
  control_plane_.put_file("generator.yaml",
                          "type: HostnameGenerator\nname: local\nspec:\n"
                          "  template: '{{ .DisplayName }}.svc.{{ .Zone }}.mesh'\n"
                          "  selector: {meshService: {}}\n");
  control_plane_.start();
  ResolverProgram resolver;
  resolver.start_ready(control_plane_);
  EXPECT_EQ(resolver.address_of("web.svc.default.mesh"), resolver.address_of("web.mesh"));
  EXPECT_NE(resolver.address_of("web.mesh"), "");

  const std::string file = folder_.write(
      "pay.yaml",
      "type: ExternalService\nmesh: default\nname: pay\ntags: {kuma.io/service: pay}\n"
      "networking: {address: 192.0.2.7:443}\n---\n"
      "type: ExternalService\nmesh: default\nname: pay-2\ntags: {kuma.io/service: pay}\n"
      "networking: {address: 192.0.2.8:443}\n---\n"
      "type: HostnameGenerator\nname: outside\nspec:\n  template: '{{ .DisplayName }}.ext.mesh'\n"
      "  selector: {meshExternalService: {matchLabels: {kuma.io/service: pay}}}\n");
  const CommandResult applied = verb({"apply", "-f", file});
  EXPECT_EQ(applied.output,
            "external service default/pay created\nexternal service default/pay-2 created\n"
            "hostname generator outside created\n")
      << applied.error;
  EXPECT_EQ(resolver.wait_for_address("pay.mesh"), "192.0.2.7");
  EXPECT_EQ(resolver.wait_for_address("pay.ext.mesh"), "192.0.2.7");
  EXPECT_TRUE(wait_until([&] {
    const auto reply = ask(resolver.dns(), {.name = "pay.mesh"});
    return reply && reply->answer_data("A").size() == 2;
  }));
  EXPECT_THAT(verb({"get", "hostname-generators"}).output,
              AllOf(HasSubstr("local"), HasSubstr("{{ .DisplayName }}.ext.mesh")));
  EXPECT_THAT(verb({"get", "external-service", "pay", "-o", "yaml"}).output,
              HasSubstr("address: 192.0.2.7:443"));

  EXPECT_EQ(verb({"delete", "hostname-generator", "outside"}).exit_code, 0);
  EXPECT_TRUE(wait_until([&] {
    const auto reply = ask(resolver.dns(), {.name = "pay.ext.mesh"});
    return reply && reply->rcode() == "NXDOMAIN";
  }));
  EXPECT_EQ(verb({"delete", "external-service", "pay"}).exit_code, 0);
  EXPECT_TRUE(wait_until([&] { return resolver.address_of("pay.mesh") == "192.0.2.8"; }));
}

}  // namespace
}  // namespace meshdns::support
