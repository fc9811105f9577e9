// The process that watches over the resolver: whatever ends the one that answers, the sockets stay
// open, it is started again with its table, and a stub's first retry heals what was lost.
#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <sys/wait.h>

#include "base/core_share.h"
#include "base/ip_address.h"
#include "tests/support/certificate_authority.h"
#include "tests/support/dns_client.h"
#include "tests/support/process.h"
#include "tests/support/programs.h"
#include "tests/support/question_load.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/wait_until.h"

namespace meshdns::support {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;

// After which glibc's stub resolver asks again.
constexpr milliseconds kStubRetry{5000};

std::string status_of(pid_t pid, const std::string& field) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(field + ":")) {
      return line.substr(field.size() + 2);
    }
  }
  return {};
}

std::vector<pid_t> threads_of(pid_t pid, const std::string& name) {
  std::vector<pid_t> found;
  for (const auto& entry :
       std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/task")) {
    const pid_t thread = std::stoi(entry.path().filename());
    if (status_of(thread, "Name") == name) {
      found.push_back(thread);
    }
  }
  std::ranges::sort(found);
  return found;
}

class Supervisor : public testing::Test {
 protected:
  void start(const std::vector<std::string>& flags = {}) {
    control_plane_.put({.name = "web-1", .service = "web"});
    control_plane_.start();
    resolver_.start_ready(control_plane_, flags);
    address_ = resolver_.wait_for_address("web.mesh");
    ASSERT_NE(address_, "");
  }
  [[nodiscard]] QuestionLoad::Options questions() const {
    return {.server = resolver_.dns(),
            .name = "web.mesh",
            .address = address_,
            .retry_after = kStubRetry};
  }
  // Another process than `before` answers.
  [[nodiscard]] bool wait_for_another(pid_t before) {
    return wait_until([&] {
             const auto now = resolver_.resolver_pid();
             return now && *now != before;
           }) &&
           resolver_.wait_ready();
  }
  // Every question is answered, and right, at the latest when it is asked again.
  static void expect_healed(const QuestionLoad::Tally& tally) {
    EXPECT_EQ(tally.answered, tally.asked);
    EXPECT_EQ(tally.wrong, 0U);
    EXPECT_GT(tally.answered, 0U);
  }
  void expect_survives(int signal, const std::string& said, milliseconds pause = milliseconds(3)) {
    const pid_t before = resolver_.resolver_pid().value();
    QuestionLoad::Options options = questions();
    options.pause = pause;
    QuestionLoad load(options);
    ASSERT_TRUE(load.wait_for_more(20));
    ASSERT_EQ(::kill(before, signal), 0);
    ASSERT_TRUE(wait_for_another(before)) << resolver_.log();
    ASSERT_TRUE(load.wait_for_more(20)) << resolver_.log();
    const auto result = load.stop();
    expect_healed(result.udp);
    expect_healed(result.tcp);
    EXPECT_THAT(resolver_.log(), HasSubstr(said));
    EXPECT_TRUE(resolver_.process().is_running());
    std::printf("[ gap      ] %s: udp %ld ms (%lu of %lu again), tcp %ld ms (%lu of %lu again)\n",
                said.c_str(), result.udp.longest.count(), result.udp.retried, result.udp.asked,
                result.tcp.longest.count(), result.tcp.retried, result.tcp.asked);
  }

  ControlPlaneProgram control_plane_;
  ResolverProgram resolver_;
  std::string address_;
};

TEST_F(Supervisor, StartsAKilledResolverAgain) {
  start();
  expect_survives(SIGKILL, "signal 9 (Killed)");
}

TEST_F(Supervisor, StartsAnAbortedResolverAgain) {
  start();
  expect_survives(SIGABRT, "signal 6 (Aborted)");
}

TEST_F(Supervisor, StartsAHungResolverAgain) {
  start({"--watchdog", "1s"});
  // The socket holds some hundred questions, and these are fewer.
  expect_survives(SIGSTOP, "the resolver hangs", milliseconds(20));
}

TEST_F(Supervisor, TheThreadThatFollowsTheMeshGivesWayToThoseThatAnswer) {
  const auto niceness = [](pid_t thread) {
    return ::getpriority(PRIO_PROCESS, static_cast<id_t>(thread));
  };
  start({"--workers", "2"});
  const int usual = niceness(resolver_.process().pid());
  // Also in a process that was started in the place of another: it does not inherit that.
  for (int process = 0; process < 2; ++process) {
    const pid_t answering = resolver_.resolver_pid().value();
    const std::vector<pid_t> workers = threads_of(answering, "worker");
    ASSERT_EQ(workers.size(), 2U);
    EXPECT_EQ(niceness(answering), std::min(usual + kWayGiven, 19));
    for (const pid_t worker : workers) {
      EXPECT_EQ(niceness(worker), usual);
    }
    ASSERT_EQ(::kill(answering, SIGKILL), 0);
    ASSERT_TRUE(wait_for_another(answering)) << resolver_.log();
  }
  EXPECT_EQ(niceness(resolver_.process().pid()), usual);
}

// A thread that is in a trace stop answers nothing and beats no more; the others go on.
TEST_F(Supervisor, StartsAResolverAgainOfWhichOneWorkerHangs) {
  start({"--watchdog", "1s", "--workers", "2"});
  const pid_t before = resolver_.resolver_pid().value();
  const std::vector<pid_t> workers = threads_of(before, "worker");
  ASSERT_EQ(workers.size(), 2U);
  QuestionLoad::Options options = questions();
  options.pause = milliseconds(20);
  QuestionLoad load(options);
  ASSERT_TRUE(load.wait_for_more(20));
  const pid_t hung = workers.back();
  ASSERT_EQ(::ptrace(PTRACE_SEIZE, hung, nullptr, nullptr), 0) << std::strerror(errno);
  ASSERT_EQ(::ptrace(PTRACE_INTERRUPT, hung, nullptr, nullptr), 0) << std::strerror(errno);
  int status = 0;
  ASSERT_EQ(::waitpid(hung, &status, __WALL), hung);
  ASSERT_TRUE(WIFSTOPPED(status));
  // A thread that is traced is its tracer's to bury.
  ASSERT_EQ(::waitpid(hung, &status, __WALL), hung);
  ASSERT_TRUE(WIFSIGNALED(status));
  ASSERT_TRUE(wait_for_another(before)) << resolver_.log();
  ASSERT_TRUE(load.wait_for_more(20)) << resolver_.log();
  const auto result = load.stop();
  expect_healed(result.udp);
  expect_healed(result.tcp);
  EXPECT_THAT(resolver_.log(), HasSubstr("the resolver hangs"));
}

// What was read when it was last good is answered, and nothing else suffers.
TEST_F(Supervisor, StartsAResolverAgainWhoseFilesOfRecordsAreWrongByNow) {
  const TemporaryDirectory folder;
  const std::string zone = folder.write(
      "zone",
      "$ORIGIN corp.example.\n@ 60 SOA ns root 1 2 3 4 5\n@ 60 NS ns\nwww 60 A 192.0.2.9\n");
  const std::string hosts = folder.write("hosts", "192.0.2.7 printer.example\n");
  start({"--zone-file", zone, "--hosts-file", hosts});
  const auto kill_it = [&] {
    const pid_t before = resolver_.resolver_pid().value();
    ASSERT_EQ(::kill(before, SIGKILL), 0);
    ASSERT_TRUE(wait_for_another(before)) << resolver_.log();
  };
  folder.write("hosts", "192.0.2.8 printer.example\n");
  ASSERT_EQ(::kill(resolver_.process().pid(), SIGHUP), 0);
  ASSERT_TRUE(wait_until([&] { return resolver_.address_of("printer.example") == "192.0.2.8"; }));

  folder.write("zone", "$ORIGIN corp.example.\nwww 60 A ");
  std::filesystem::remove(hosts);
  kill_it();
  EXPECT_EQ(resolver_.address_of("web.mesh"), address_);
  EXPECT_EQ(resolver_.address_of("www.corp.example"), "192.0.2.9");
  EXPECT_EQ(resolver_.address_of("printer.example"), "192.0.2.8");
  EXPECT_THAT(resolver_.get("/readyz").body,
              HasSubstr("records: what the files of records held before is answered: " + zone));
  kill_it();  // the parent has them still
  EXPECT_EQ(resolver_.address_of("www.corp.example"), "192.0.2.9");

  folder.write("zone",
               "$ORIGIN corp.example.\n@ 60 SOA ns root 1 2 3 4 5\n@ 60 NS ns\n"
               "www 60 A 192.0.2.10\n");
  folder.write("hosts", "");
  ASSERT_EQ(::kill(resolver_.process().pid(), SIGHUP), 0);
  ASSERT_TRUE(wait_until([&] { return resolver_.address_of("www.corp.example") == "192.0.2.10"; }))
      << resolver_.log();
  EXPECT_THAT(resolver_.get("/readyz").body, testing::Not(HasSubstr("records:")));
}

TEST_F(Supervisor, StartsAResolverAgainWhoseUpstreamCannotBeAskedByNow) {
  const TemporaryDirectory folder;
  const CertificateAuthority authority("authority");
  const std::string ca = folder.file("ca.pem");
  std::filesystem::copy(authority.file(".pem"), ca);
  start({"--upstream", "tls://127.0.0.1:853#dns.example.org;ca=" + ca});
  std::filesystem::remove(ca);
  const pid_t before = resolver_.resolver_pid().value();
  ASSERT_EQ(::kill(before, SIGKILL), 0);
  ASSERT_TRUE(wait_for_another(before)) << resolver_.log();
  EXPECT_EQ(resolver_.address_of("web.mesh"), address_);
  EXPECT_THAT(resolver_.log(), HasSubstr(ca));
  EXPECT_THAT(resolver_.get("/readyz").body, HasSubstr("upstreams: there is none"));
  std::filesystem::copy(authority.file(".pem"), ca);
  EXPECT_TRUE(wait_until([&] {
    return resolver_.get("/readyz").body.find("upstreams:") == std::string::npos;
  })) << resolver_.log();
}

TEST_F(Supervisor, StartsAResolverWithoutMemoryAgain) {
  start();
  const pid_t before = resolver_.resolver_pid().value();
  // No more address space, then a table that needs some.
  const rlimit none{.rlim_cur = 0, .rlim_max = 0};
  ASSERT_EQ(prlimit(before, RLIMIT_AS, &none, nullptr), 0);
  std::string documents;
  for (int i = 0; i < 3000; ++i) {
    const std::string name = "svc-" + std::to_string(i);
    documents += to_yaml({.name = name, .service = name}) + "---\n";
  }
  control_plane_.put_file("all.yaml", documents);
  ASSERT_TRUE(wait_for_another(before)) << resolver_.log();
  EXPECT_NE(resolver_.wait_for_address("svc-2999.mesh"), "") << resolver_.log();
  EXPECT_EQ(resolver_.address_of("web.mesh"), address_);
}

TEST_F(Supervisor, WaitsLongerEachTimeAndNeverGivesUp) {
  start();
  for (int i = 0; i < 4; ++i) {
    const pid_t before = resolver_.resolver_pid().value();
    ASSERT_EQ(::kill(before, SIGKILL), 0);
    ASSERT_TRUE(wait_for_another(before)) << resolver_.log();
  }
  const std::string log = resolver_.log();
  std::vector<std::string> delays;
  const std::string word = "restart_in=";
  for (auto at = log.find(word); at != std::string::npos; at = log.find(word, at + 1)) {
    const auto begin = at + word.size();
    delays.push_back(log.substr(begin, log.find("ms", begin) - begin));
  }
  EXPECT_THAT(delays, ElementsAre("0", "250", "500", "1000"));
  EXPECT_EQ(resolver_.address_of("web.mesh"), address_);
  EXPECT_EQ(resolver_.terminate(), 0);
}

TEST_F(Supervisor, LeavesNoOrphanWhenItIsKilled) {
  start();
  const pid_t orphan = resolver_.resolver_pid().value();
  resolver_.process().signal(SIGKILL);
  EXPECT_TRUE(wait_until([&] { return !is_alive(orphan); }));
  // The port and the state folder are free.
  resolver_.start_ready(control_plane_);
  EXPECT_EQ(resolver_.address_of("web.mesh"), address_);
}

TEST_F(Supervisor, EndsWithTheCodeOfAResolverThatRefusesItsConfiguration) {
  const std::string zone = resolver_.folder().write("z", "bad.mesh. A 1.2.3\n");
  const CommandResult result = run_command(
      {program_path("meshdns"), "run", "--listen", resolver_.dns().to_string(), "--admin", "none",
       "--state-dir", resolver_.state_folder(), "--zone-file", zone});
  EXPECT_EQ(result.exit_code, 1) << result.error;
  EXPECT_THAT(result.error, testing::Not(HasSubstr("restart_in")));
}

TEST_F(Supervisor, RefusesMoreWorkersThanMayOpenTheirSockets) {
  const CommandResult result =
      run_command({"sh", "-c", "ulimit -n 64 && exec \"$@\"", "sh", program_path("meshdns"), "run",
                   "--workers", "16", "--listen", resolver_.dns().to_string(), "--admin", "none",
                   "--state-dir", resolver_.state_folder()});
  EXPECT_EQ(result.exit_code, 5) << result.error;
  EXPECT_THAT(result.error, HasSubstr("16 workers: only 64 files may be open (RLIMIT_NOFILE)"));
}

TEST_F(Supervisor, IsLeftOutOnRequest) {
  resolver_.start({"--no-supervise"});
  EXPECT_EQ(resolver_.resolver_pid(), std::nullopt);
  EXPECT_TRUE(ask(resolver_.dns(), {.name = "web.mesh"}).has_value());
  EXPECT_EQ(resolver_.terminate(), 0);
}

// The parent binds what a reload adds and lets go what it drops; the next resolver has the same.
TEST_F(Supervisor, KeepsTheAddressesOfAReload) {
  const SocketAddress first = loopback(free_port());
  const SocketAddress second = loopback(free_port());
  const auto configure = [&](const std::string& listen) {
    return resolver_.folder().write("m.yaml", "listen: [" + listen + "]\n");
  };
  const auto answers = [](const SocketAddress& server) {
    return ask(server, {.name = "web.mesh"}, DnsTransport::kUdp, milliseconds(500)).has_value();
  };
  const std::string config = configure("\"" + first.to_string() + "\"");
  Process process({.argv = {program_path("meshdns"), "run", "--config", config, "--admin", "none",
                            "--state-dir", resolver_.state_folder()}});
  ASSERT_TRUE(wait_until([&] { return answers(first); })) << process.standard_error();

  (void)configure("\"" + second.to_string() + "\"");
  process.signal(SIGHUP);
  ASSERT_TRUE(wait_until([&] { return answers(second); })) << process.standard_error();
  // Free for others, for UDP and TCP.
  EXPECT_TRUE(wait_until([&] {
    try {
      (void)bind_socket(first, DnsTransport::kUdp);
      (void)bind_socket(first, DnsTransport::kTcp);
      return true;
    } catch (const std::exception&) {
      return false;
    }
  })) << process.standard_error();

  const pid_t before = process.children().at(0);
  ASSERT_EQ(::kill(before, SIGKILL), 0);
  EXPECT_TRUE(wait_until([&] {
    const auto children = process.children();
    return !children.empty() && children.back() != before && answers(second);
  })) << process.standard_error();
}

// No socket can have the new address while the old one is served.
TEST_F(Supervisor, SaysThatAReloadToAnAddressWhichIncludesTheOldOneTakesARestart) {
  const SocketAddress one = loopback(free_port());
  const SocketAddress all{.ip = IpAddress(), .port = one.port};
  const auto configure = [&](const SocketAddress& address) {
    return resolver_.folder().write("m.yaml", "listen: [\"" + address.to_string() + "\"]\n");
  };
  for (const auto& [from, to] : {std::pair(one, all), std::pair(all, one)}) {
    const std::string config = configure(from);
    Process process({.argv = {program_path("meshdns"), "run", "--config", config, "--admin", "none",
                              "--state-dir", resolver_.state_folder()}});
    const auto answers = [&] { return ask(one, {.name = "web.mesh"}).has_value(); };
    ASSERT_TRUE(wait_until(answers)) << process.standard_error();
    (void)configure(to);
    process.signal(SIGHUP);
    EXPECT_TRUE(wait_until([&] {
      return process.standard_error().find("cannot listen on " + to.to_string() +
                                           " while this resolver listens on " + from.to_string()) !=
             std::string::npos;
    })) << process.standard_error();
    EXPECT_TRUE(answers());
    process.signal(SIGTERM);
    EXPECT_EQ(process.wait(), 0);
  }
}

TEST_F(Supervisor, RefusesASecondStartOnTheStateFolder) {
  start();
  for (const char* const mode : {"required", "best-effort"}) {
    const CommandResult result = run_command(
        {program_path("meshdns"), "run", "--listen", loopback(free_port()).to_string(), "--admin",
         "none", "--state-dir", resolver_.state_folder(), "--state-mode", mode});
    EXPECT_EQ(result.exit_code, 3);
    EXPECT_THAT(result.error, HasSubstr("is another meshdns running on this state folder?"));
    EXPECT_THAT(result.error, HasSubstr("--take-over"));
  }
  EXPECT_EQ(resolver_.address_of("web.mesh"), address_);
}

TEST_F(Supervisor, DropsItsRights) {
  if (::geteuid() != 0) {
    GTEST_SKIP() << "only root has rights to drop";
  }
  const SocketAddress low = loopback(853);
  const SocketAddress lower = loopback(53);
  // A folder that the other user may enter.
  const std::string folder = resolver_.folder().path();
  ASSERT_EQ(::chmod(folder.c_str(), 0755), 0);
  const auto configure = [&](const std::string& listen) {
    const std::string path =
        resolver_.folder().write("m.yaml", "user: nobody\nlisten: [" + listen +
                                               "]\nstate: {directory: " + resolver_.state_folder() +
                                               "}\nadmin: {listen: none}\n");
    (void)::chmod(path.c_str(), 0644);
    return path;
  };
  const std::string config = configure("\"" + low.to_string() + "\"");
  Process process({.argv = {program_path("meshdns"), "run", "--config", config}});
  ASSERT_TRUE(wait_until([&] {
    return ask(low, {.name = "web.mesh"}, DnsTransport::kUdp, milliseconds(500)).has_value();
  })) << process.standard_error();
  const pid_t child = process.children().at(0);
  constexpr const char* kNobody = "65534\t65534\t65534\t65534";
  EXPECT_EQ(status_of(process.pid(), "Uid"), kNobody);
  EXPECT_EQ(status_of(child, "Uid"), kNobody);
  EXPECT_EQ(status_of(child, "Gid"), kNobody);
  for (const char* const set : {"CapEff", "CapPrm", "CapInh", "CapAmb"}) {
    EXPECT_EQ(status_of(child, set), "0000000000000000") << set;
  }
  EXPECT_EQ(status_of(process.pid(), "CapPrm"), "0000000000000400");  // CAP_NET_BIND_SERVICE
  EXPECT_EQ(status_of(child, "NoNewPrivs"), "1");

  (void)configure("\"" + low.to_string() + "\", \"" + lower.to_string() + "\"");
  process.signal(SIGHUP);
  EXPECT_TRUE(wait_until([&] {
    return ask(lower, {.name = "web.mesh"}, DnsTransport::kUdp, milliseconds(500)).has_value();
  })) << process.standard_error();
  process.signal(SIGTERM);
  EXPECT_EQ(process.wait(), 0);
}

}  // namespace
}  // namespace meshdns::support
