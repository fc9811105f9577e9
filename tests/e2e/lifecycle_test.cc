// From start to end of the resolver: before its first table, over reloads, restarts and full disks.
#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/types.h>

#include "base/ip_address.h"
#include "base/unique_fd.h"
#include "tests/support/dns_client.h"
#include "tests/support/process.h"
#include "tests/support/programs.h"
#include "tests/support/scripted_upstream.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/wait_until.h"

namespace meshdns::support {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr int kNotReady = 14;  // RFC 8914 section 4.15

// Whether one of the process's descriptors is of that kind, as /proc calls it.
bool has_open(pid_t pid, const std::string& kind) {
  std::error_code gone;  // it may close one, or end, meanwhile
  const std::filesystem::directory_iterator open("/proc/" + std::to_string(pid) + "/fd", gone);
  return std::any_of(begin(open), end(open), [&](const auto& descriptor) {
    return std::filesystem::read_symlink(descriptor, gone) == kind;
  });
}

bool is_refused(const SocketAddress& server) {
  return !connect_socket(server, DnsTransport::kTcp).valid();
}

TEST(Lifecycle, BeforeTheFirstTableMeshNamesFailAndOthersAreForwarded) {
  const ScriptedUpstream upstream(always_address("192.0.2.7"));
  ResolverProgram resolver;
  resolver.start({"--control-plane", loopback(free_port()).to_string(), "--upstream",
                  upstream.address().to_string()});
  const auto mesh = ask(resolver.dns(), {.name = "web.mesh"});
  ASSERT_TRUE(mesh.has_value());
  EXPECT_EQ(mesh->rcode(), "SERVFAIL");
  EXPECT_EQ(mesh->extended_error_code(), kNotReady);
  const auto other = ask(resolver.dns(), {.name = "www.example.org"});
  ASSERT_TRUE(other.has_value());
  EXPECT_THAT(other->answer_data("A"), ElementsAre("192.0.2.7"));
  EXPECT_EQ(resolver.get("/healthz").status, 200);
  const HttpReply ready = resolver.get("/readyz");
  EXPECT_EQ(ready.status, 503);
  EXPECT_FALSE(ready.body.empty());
}

TEST(Lifecycle, SigtermEndsBothProgramsWithZero) {
  ControlPlaneProgram control_plane;
  control_plane.put({.name = "web-1", .service = "web"});
  control_plane.start();
  ResolverProgram resolver;
  resolver.start_ready(control_plane);
  EXPECT_EQ(resolver.terminate(), 0) << resolver.log();
  control_plane.process().signal(SIGTERM);
  EXPECT_EQ(control_plane.process().wait(), 0) << control_plane.log();
}

// It watches the folder, and has many files to read yet.
TEST(Lifecycle, AHangupWaitsUntilTheControlPlaneHasReadItsFolder) {
  constexpr int kFiles = 3000;
  const TemporaryDirectory folder;
  for (int i = 0; i < kFiles; ++i) {
    const std::string name = "web-" + std::to_string(i);
    folder.write(name + ".yaml", to_yaml({.name = name, .service = name}));
  }
  const TemporaryDirectory state;
  std::vector<std::string> command{program_path("meshdns-cp"),
                                   "run",
                                   "--dataplanes",
                                   folder.path(),
                                   "--state-dir",
                                   state.path()};
  for (const char* const flag : {"--listen", "--admin", "--api"}) {
    command.insert(command.end(), {flag, loopback(0).to_string()});
  }
  Process control_plane({.argv = command});
  ASSERT_TRUE(wait_until([&] { return has_open(control_plane.pid(), "anon_inode:inotify"); }));
  control_plane.signal(SIGHUP);
  EXPECT_TRUE(wait_until([&] {
    return control_plane.standard_error().find("serving dataplanes=3000") != std::string::npos ||
           !control_plane.is_running();
  }));
  EXPECT_TRUE(control_plane.is_running()) << control_plane.standard_error();
  control_plane.signal(SIGTERM);
  EXPECT_EQ(control_plane.wait(), 0);
}

// An upstream that hears the seventh try and none before: some seconds after the question.
class SlowUpstream {
 public:
  [[nodiscard]] SocketAddress address() const { return upstream_.address(); }
  [[nodiscard]] int tries() const { return tries_; }
  [[nodiscard]] bool has_answered() const { return tries_ > kUnheard; }

 private:
  static constexpr int kUnheard = 6;

  ScriptedUpstream::Script address_ = always_address("192.0.2.7");
  std::atomic<int> tries_{0};
  ScriptedUpstream upstream_{[this](const UpstreamQuery& query) {
    return ++tries_ > kUnheard ? address_(query) : std::vector<std::vector<std::uint8_t>>();
  }};
};

// Ends a resolver while it waits for the answer to a question, and returns that question's socket.
UniqueFd end_while_it_forwards(ResolverProgram& resolver, const SlowUpstream& upstream) {
  resolver.start({"--control-plane", loopback(free_port()).to_string(), "--upstream",
                  upstream.address().to_string()});
  UniqueFd client = connect_socket(resolver.dns(), DnsTransport::kUdp);
  EXPECT_TRUE(send_message(client.get(), DnsTransport::kUdp, encode({.name = "slow.example.org"})));
  EXPECT_TRUE(wait_until([&] { return upstream.tries() > 0; }));
  resolver.process().signal(SIGTERM);
  return client;
}

TEST(Lifecycle, SigtermWaitsForWhatUpstreamIsSlowToAnswer) {
  const SlowUpstream upstream;
  ResolverProgram resolver;
  const UniqueFd client = end_while_it_forwards(resolver, upstream);
  const auto octets = receive_message(client.get(), DnsTransport::kUdp);
  const auto reply = octets ? DnsReply::decode(*octets) : std::nullopt;
  ASSERT_TRUE(reply.has_value()) << "after " << upstream.tries() << " tries\n" << resolver.log();
  EXPECT_THAT(reply->answer_data("A"), ElementsAre("192.0.2.7"));
  EXPECT_EQ(resolver.process().wait(), 0);
}

// Whoever looks whether it is ready learns at once that it is not, and not when all is over.
TEST(Lifecycle, WhoAsksAResolverThatEndsWhetherItIsReadyIsRefused) {
  const SlowUpstream upstream;
  ResolverProgram resolver;
  const UniqueFd client = end_while_it_forwards(resolver, upstream);
  EXPECT_TRUE(wait_until([&] { return is_refused(resolver.admin()); }));
  EXPECT_FALSE(upstream.has_answered()) << "and nobody is told before";
  EXPECT_TRUE(receive_message(client.get(), DnsTransport::kUdp).has_value());
  EXPECT_EQ(resolver.process().wait(), 0);
}

TEST(Lifecycle, ABrokenLogPipeEndsNeitherProgram) {
  ControlPlaneProgram control_plane;
  control_plane.put({.name = "web-1", .service = "web"});
  control_plane.start();
  ResolverProgram resolver;
  resolver.start_ready(control_plane);
  control_plane.process().signal(SIGPIPE);
  const auto answering = resolver.resolver_pid();
  resolver.process().signal(SIGPIPE);
  ASSERT_EQ(::kill(answering.value(), SIGPIPE), 0);
  control_plane.put({.name = "shop-1", .service = "shop"});
  EXPECT_NE(resolver.wait_for_address("shop.mesh"), "");
  EXPECT_EQ(resolver.resolver_pid(), answering);
}

TEST(Lifecycle, AddressesSurviveARestartAndAKill) {
  ControlPlaneProgram control_plane;
  ResolverProgram resolver;
  std::vector<std::string> names;
  for (const char* const service : {"web", "cache", "shop"}) {
    control_plane.put({.name = service, .service = service});
    names.push_back(std::string(service) + ".mesh");
  }
  control_plane.start();
  resolver.start_ready(control_plane);
  std::vector<std::string> before;
  for (const std::string& name : names) {
    before.push_back(resolver.address_of(name));
  }
  EXPECT_THAT(before, testing::Not(testing::Contains("")));
  // Services that come and go meanwhile do not disturb the others.
  control_plane.put({.name = "late", .service = "late"});
  ASSERT_FALSE(resolver.wait_for_address("late.mesh").empty());

  ASSERT_EQ(resolver.terminate(), 0);
  resolver.start_ready(control_plane);
  for (std::size_t i = 0; i < names.size(); ++i) {
    EXPECT_EQ(resolver.address_of(names[i]), before[i]);
  }
  resolver.kill();
  resolver.start_ready(control_plane);
  for (std::size_t i = 0; i < names.size(); ++i) {
    EXPECT_EQ(resolver.address_of(names[i]), before[i]);
  }
}

TEST(Lifecycle, TwoResolversThatNeverMetAgree) {
  ControlPlaneProgram control_plane;
  control_plane.put({.name = "web-1", .service = "web"});
  control_plane.start();
  ResolverProgram one;
  ResolverProgram other;
  one.start_ready(control_plane);
  other.start_ready(control_plane);
  EXPECT_EQ(one.address_of("web.mesh"), other.address_of("web.mesh"));
}

// SIGHUP, by what the configuration file says at that moment.
class LifecycleReload : public testing::Test {
 protected:
  void configure(const std::string& text) {
    config_ = resolver_.folder().write("meshdns.yaml", text);
  }
  void start() { resolver_.start({"--config", config_}); }
  [[nodiscard]] std::string forwarded() const {
    const auto reply = ask(resolver_.dns(), {.name = "www.example.org"});
    return reply.has_value() && !reply->answer_data("A").empty() ? reply->answer_data("A").front()
                                                                 : std::string();
  }
  static std::string with_upstream(const ScriptedUpstream& upstream) {
    return "upstreams:\n  servers: [\"" + upstream.address().to_string() + "\"]\n";
  }

  ScriptedUpstream one_{always_address("192.0.2.1")};
  ScriptedUpstream other_{always_address("192.0.2.2")};
  ResolverProgram resolver_;
  std::string config_;
};

TEST_F(LifecycleReload, AGoodFileTakesEffect) {
  configure(with_upstream(one_));
  start();
  EXPECT_EQ(forwarded(), "192.0.2.1");
  configure(with_upstream(other_));
  resolver_.process().signal(SIGHUP);
  EXPECT_TRUE(wait_until([&] { return forwarded() == "192.0.2.2"; })) << resolver_.log();
}

TEST_F(LifecycleReload, ABadFileIsReportedWithItsLineAndTheOldOneStays) {
  configure(with_upstream(one_));
  start();
  configure("# fine\nupstream_servers: nobody\n");
  resolver_.process().signal(SIGHUP);
  ASSERT_TRUE(wait_until([&] {
    return resolver_.log().find("meshdns.yaml:2") != std::string::npos;
  })) << resolver_.log();
  EXPECT_EQ(forwarded(), "192.0.2.1");
}

TEST_F(LifecycleReload, ZoneAndHostsFilesAreReadAgainAndABadOneKeepsTheOld) {
  const auto text_of = [&](const std::string& name) {
    const auto reply = ask(resolver_.dns(), {.name = name, .type = "TXT"});
    return reply.has_value() && !reply->answer_data("TXT").empty()
               ? reply->answer_data("TXT").front()
               : std::string();
  };
  const std::string zone = resolver_.folder().write("z", "note.mesh. TXT \"old\"\n");
  const std::string hosts = resolver_.folder().write("h", "192.0.2.9 printer.mesh\n");
  resolver_.start({"--zone-file", zone, "--hosts-file", hosts});
  // No control plane has spoken: only what is written is known.
  EXPECT_EQ(text_of("note.mesh"), "\"old\"");
  EXPECT_EQ(resolver_.address_of("printer.mesh"), "192.0.2.9");

  (void)resolver_.folder().write("z", "note.mesh. TXT \"new\"\n");
  resolver_.process().signal(SIGHUP);
  EXPECT_TRUE(wait_until([&] { return text_of("note.mesh") == "\"new\""; })) << resolver_.log();

  (void)resolver_.folder().write("z", "note.mesh. TXT \"third\"\nbad.mesh. A 1.2.3\n");
  resolver_.process().signal(SIGHUP);
  EXPECT_TRUE(wait_until([&] { return resolver_.log().find(zone + ":2") != std::string::npos; }))
      << resolver_.log();
  EXPECT_EQ(text_of("note.mesh"), "\"new\"");
  const auto checked = run_command({program_path("meshdns"), "check", "--zone-file", zone});
  EXPECT_EQ(checked.exit_code, 1);
  EXPECT_THAT(checked.error, HasSubstr(zone + ":2"));
}

// One reload takes so long that one for each signal would take longer than a drain may.
TEST_F(LifecycleReload, SignalsThatComeThickAreOneReloadAndHoldUpNoEnd) {
  constexpr int kSignals = 300;
  std::string zone = "$ORIGIN static.mesh.\n";
  for (int i = 0; i < 5000; ++i) {
    zone += "host" + std::to_string(i) + " A 192.0.2.1\n";
  }
  resolver_.start({"--zone-file", resolver_.folder().write("z", zone)});
  for (int i = 0; i < kSignals; ++i) {
    resolver_.process().signal(SIGHUP);
    ASSERT_EQ(resolver_.address_of("host7.static.mesh"), "192.0.2.1");
  }
  EXPECT_EQ(resolver_.terminate(), 0) << resolver_.log();
}

TEST_F(LifecycleReload, AnAliasOfANameOfOthersIsFollowedThere) {
  const std::string zone = resolver_.folder().write("z", "docs.mesh. 30 CNAME www.example.org.\n");
  resolver_.start({"--zone-file", zone, "--upstream", one_.address().to_string()});
  for (const auto transport : {DnsTransport::kUdp, DnsTransport::kTcp}) {
    const auto reply = ask(resolver_.dns(), {.name = "docs.mesh"}, transport);
    ASSERT_TRUE(reply.has_value());
    EXPECT_THAT(reply->message().answer,
                testing::ElementsAre("docs.mesh. 30 IN CNAME www.example.org.",
                                     testing::HasSubstr("IN A 192.0.2.1")));
  }
  ASSERT_FALSE(one_.queries().empty());
  for (const auto& query : one_.queries()) {
    EXPECT_EQ(query.name, "www.example.org.") << "our own name stays here";
  }
}

TEST_F(LifecycleReload, AConnectionThatIsOpenStaysOpen) {
  configure(with_upstream(one_));
  start();
  const UniqueFd connection = connect_socket(resolver_.dns(), DnsTransport::kTcp);
  configure(with_upstream(other_));
  resolver_.process().signal(SIGHUP);
  ASSERT_TRUE(wait_until([&] { return forwarded() == "192.0.2.2"; }));
  ASSERT_TRUE(
      send_message(connection.get(), DnsTransport::kTcp, encode({.name = "www.example.org"})));
  EXPECT_TRUE(receive_message(connection.get(), DnsTransport::kTcp).has_value());
}

TEST(LifecycleFullDisk, WithholdsNewNamesAndKeepsTheOldOnes) {
  ControlPlaneProgram control_plane;
  control_plane.put({.name = "web-1", .service = "web"});
  control_plane.start();
  ResolverProgram resolver;
  // Room for some leases and no more.
  resolver.options().max_file_bytes = 4096;
  resolver.start_ready(control_plane);
  const std::string before = resolver.wait_for_address("web.mesh");
  ASSERT_FALSE(before.empty());
  std::string documents;
  for (int i = 0; i < 500; ++i) {
    const std::string name = "svc-" + std::to_string(i);
    documents += to_yaml({.name = name, .service = name}) + "---\n";
  }
  control_plane.put_file("all.yaml", documents);
  ASSERT_TRUE(wait_until([&] {
    const auto reply = ask(resolver.dns(), {.name = "svc-499.mesh"});
    return reply.has_value() && reply->rcode() == "SERVFAIL";
  })) << resolver.log();
  const auto withheld = ask(resolver.dns(), {.name = "svc-499.mesh"});
  ASSERT_TRUE(withheld.has_value());
  EXPECT_EQ(withheld->extended_error_code(), 0);
  EXPECT_EQ(resolver.address_of("web.mesh"), before);
}

struct CheckCase {
  const char* name;
  const char* config;
  int exit_code;
  const char* says;
};

class LifecycleCheck : public testing::TestWithParam<CheckCase> {};

TEST_P(LifecycleCheck, SaysWhatIsWrongAndWhere) {
  const TemporaryDirectory folder;
  const std::string path = folder.write("meshdns.yaml", GetParam().config);
  const auto result = run_command({program_path("meshdns"), "check", "--config", path});
  EXPECT_EQ(result.exit_code, GetParam().exit_code) << result.output << result.error;
  EXPECT_THAT(result.output + result.error, HasSubstr(GetParam().says));
}

INSTANTIATE_TEST_SUITE_P(
    LifecycleRows, LifecycleCheck,
    testing::Values(CheckCase{"Good", "listen: [\"127.0.0.1:15053\"]\n", 0, ""},
                    CheckCase{"UnknownKey", "listen: [\"127.0.0.1:15053\"]\nlisten_to: x\n", 1,
                              "meshdns.yaml:2"},
                    CheckCase{"BadValue", "ttl: soon\n", 1, "meshdns.yaml:1"},
                    CheckCase{"NoYaml", "listen: [\n", 1, "meshdns.yaml"}),
    [](const auto& row) { return row.param.name; });

TEST(LifecycleControlPlaneCheck, PassesTheExampleMesh) {
  const auto result =
      run_command({program_path("meshdns-cp"), "check", std::string(MESHDNS_EXAMPLES) + "/mesh"});
  EXPECT_EQ(result.exit_code, 0) << result.output << result.error;
}

TEST(LifecycleControlPlaneCheck, NamesFileLineAndReason) {
  const TemporaryDirectory folder;
  folder.write("good.yaml", to_yaml({.name = "web-1", .service = "web"}));
  folder.write("bad.yaml",
               "type: Dataplane\nmesh: default\nname: bad\nnetworking:\n  address: 192.0.2.1\n"
               "  inbound:\n    - port: 70000\n      tags:\n        kuma.io/service: web\n");
  const auto result = run_command({program_path("meshdns-cp"), "check", folder.path()});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.output + result.error, HasSubstr("bad.yaml:7"));
}

TEST(LifecycleControlPlaneStart, SaysWhichAddressItCannotHaveAndWhatToDo) {
  const TemporaryDirectory folder;
  const UniqueFd taken = bind_socket(loopback(0), DnsTransport::kTcp);
  const std::string taken_address = loopback(port_of(taken.get())).to_string();
  const std::string free_address = loopback(0).to_string();
  struct Case {
    const char* flag;
    std::string says;
  };
  for (const Case& each :
       {Case{"--listen", "cannot listen for xDS on " + taken_address +
                             ": Address already in use; choose another with --listen"},
        Case{"--admin", taken_address + ": Address already in use for admin HTTP; choose another "
                                        "with --admin"},
        Case{"--api", taken_address + ": Address already in use for the API; choose another with "
                                      "--api"}}) {
    std::vector<std::string> command{program_path("meshdns-cp"),
                                     "run",
                                     "--dataplanes",
                                     folder.path(),
                                     "--state-dir",
                                     folder.path()};
    for (const std::string flag : {"--listen", "--admin", "--api"}) {
      command.insert(command.end(), {flag, flag == each.flag ? taken_address : free_address});
    }
    const auto result = run_command(command);
    EXPECT_EQ(result.exit_code, 2) << each.flag;
    EXPECT_THAT(result.output + result.error, HasSubstr(each.says));
  }
}

TEST(LifecycleVersion, IsPrintedByBothPrograms) {
  for (const char* const program : {"meshdns", "meshdns-cp"}) {
    const auto result = run_command({program_path(program), "version"});
    EXPECT_EQ(result.exit_code, 0);
    EXPECT_THAT(result.output, HasSubstr("0.1.0")) << program;
    const auto help = run_command({program_path(program), "--help"});
    EXPECT_EQ(help.exit_code, 0);
    EXPECT_THAT(help.output, HasSubstr("xample")) << program;
  }
}

}  // namespace
}  // namespace meshdns::support
