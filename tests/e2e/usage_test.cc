// meshdns as its users meet it: mistakes on the command line, in files and with addresses, streams
// that are closed, and what a reload may change.
#include <algorithm>
#include <csignal>
#include <cstddef>
#include <fcntl.h>
#include <filesystem>
#include <sstream>
#include <string>
#include <unistd.h>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <yaml-cpp/yaml.h>

#include "base/unique_fd.h"
#include "tests/support/dns_client.h"
#include "tests/support/http_get.h"
#include "tests/support/process.h"
#include "tests/support/programs.h"
#include "tests/support/scripted_upstream.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/wait_until.h"

namespace meshdns::support {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

CommandResult meshdns(std::vector<std::string> words) {
  words.insert(words.begin(), program_path("meshdns"));
  return run_command(words);
}

// `meshdns WORDS` by a shell, for redirections.
CommandResult shell(const std::string& words) {
  return run_command({"sh", "-c", program_path("meshdns") + " " + words});
}

struct UsageCase {
  std::vector<std::string> words;
  int exit_code;
  std::string says;
};

TEST(Usage, AMistakeIsNamedOnStandardErrorWithItsExitCode) {
  const TemporaryDirectory folder;
  const std::string good = folder.write("good.yaml", "ttl: 10s\n");
  const std::string bad = folder.write("bad.yaml", "ttl: 10s\nlisten: [localhost]\n");
  const std::vector<UsageCase> cases{
      {{}, 1, "what is to be done?"},
      {{"rnu"}, 1, "did you mean run?"},
      {{"run", "--lisen", "127.0.0.1:53"}, 1, "did you mean --listen?"},
      {{"check", "--ttl", "soon"}, 1, "--ttl: 'soon' is no duration"},
      {{"check", "--config", bad}, 1, bad + ":2: listen: 'localhost'"},
      {{"check", "--config", folder.file("none.yaml")}, 3, "none.yaml: No such file"},
      {{"check", "--config", folder.path()}, 3, "is not a regular file"},
      {{"run", "--config", bad}, 1, bad + ":2: listen: 'localhost'"},
      {{"query", "a..b", "--server", "127.0.0.1"}, 1, "'a..b' is no domain name"},
      {{"query", "a", "--listen", "127.0.0.1"}, 1, "--listen: is no known flag"},
      {{"query", "web.mesh", "--server", loopback(free_port()).to_string(), "--timeout", "50ms"},
       2,
       "no answer from 127.0.0.1:"},
      {{"vip", "list", "--admin", loopback(free_port()).to_string()},
       2,
       "no answer from http://127.0.0.1:"},
      {{"vip", "list", "--admin", "none"}, 1, "admin.listen names no address"},
  };
  for (const UsageCase& row : cases) {
    const CommandResult result = meshdns(row.words);
    EXPECT_EQ(result.exit_code, row.exit_code) << row.says << '\n' << result.error;
    EXPECT_THAT(result.error, StartsWith("meshdns: "));
    EXPECT_THAT(result.error, HasSubstr(row.says));
    EXPECT_EQ(result.output, "") << row.says;
  }
  EXPECT_EQ(meshdns({"check", "--config", good}).exit_code, 0);
}

TEST(Usage, AMistakeInTheEnvironmentIsNamedByItsVariable) {
  Process process(
      {.argv = {program_path("meshdns"), "check"},
       .environment = {"MESHDNS_TTL=soon", "MESHDNS_LISTNE=x", "MESHDNS_SERVICE_HOST=10.0.0.1"}});
  EXPECT_EQ(process.wait(), 1);
  EXPECT_THAT(process.standard_error(), HasSubstr("meshdns: MESHDNS_TTL: 'soon' is no duration"));
  EXPECT_THAT(process.standard_error(), HasSubstr("MESHDNS_LISTNE: is no known variable (did you"));
  EXPECT_THAT(process.standard_error(), testing::Not(HasSubstr("SERVICE_HOST")));
}

// A question to a given server needs no configuration, and a broken one is no reason to refuse it.
TEST(Usage, AQueryToAGivenServerDoesNotReadTheConfiguration) {
  const ScriptedUpstream server(always_address("192.0.2.7"));
  const TemporaryDirectory folder;
  const CommandResult result =
      meshdns({"query", "www.example.org", "--server", server.address().to_string(), "--config",
               folder.write("bad.yaml", "nonsense\n")});
  EXPECT_EQ(result.exit_code, 0) << result.error;
  EXPECT_THAT(result.output, HasSubstr("192.0.2.7"));
}

TEST(UsageStreams, AFullDiskIsNoSuccess) {
  for (const std::string words : {"check", "version"}) {
    const CommandResult result = shell(words + " > /dev/full");
    EXPECT_EQ(result.exit_code, 3) << words;
    EXPECT_THAT(result.error, HasSubstr("cannot write to standard output: No space left"));
  }
}

TEST(UsageStreams, ClosedOnesAreNoFailure) {
  EXPECT_EQ(shell("check >&-").exit_code, 0);
  EXPECT_EQ(shell("check <&- >&- 2>&-").exit_code, 0);
  EXPECT_EQ(shell("check --ttl soon 2>&-").exit_code, 1);
}

// `meshdns query ... | head -0`: the reader goes first. The pipe's end is closed before the shell
// starts the program.
TEST(UsageStreams, AReaderThatIsGoneEndsAVerbQuietly) {
  const CommandResult result = run_command(
      {"bash", "-c",
       "exec 3> >(:); wait $!; " + program_path("meshdns") + " check >&3; echo $? >&2"});
  EXPECT_THAT(result.error, testing::AnyOf("141\n", HasSubstr("Broken pipe")));
}

// meshdns with nothing but the flags that a test gives.
class UsageRun : public testing::Test {
 protected:
  [[nodiscard]] std::vector<std::string> command(const std::vector<std::string>& flags) const {
    std::vector<std::string> words{program_path("meshdns"),
                                   "run",
                                   "--admin",
                                   admin_.to_string(),
                                   "--state-dir",
                                   folder_.file("state"),
                                   "--resolv-conf",
                                   folder_.file("resolv.conf"),
                                   "--control-plane",
                                   loopback(free_port()).to_string()};
    words.insert(words.end(), flags.begin(), flags.end());
    return words;
  }
  [[nodiscard]] bool is_up() const {
    return wait_until([this] { return !get("/healthz").empty(); });
  }
  // The body of a good reply, else nothing.
  [[nodiscard]] std::string get(const std::string& path) const {
    const auto reply = http_get(admin_, path);
    return reply && (reply->status == 200 || reply->status == 503) ? reply->body : "";
  }
  [[nodiscard]] bool has_reloaded(int times, const std::string& result) const {
    return wait_until([&] {
      return get("/metrics")
                 .find("meshdns_config_reloads_total{result=\"" + result + "\"} " +
                       std::to_string(times) + "\n") != std::string::npos;
    });
  }
  [[nodiscard]] static std::string forwarded(const SocketAddress& server) {
    const auto reply = ask(server, {.name = "www.example.org"});
    return reply && !reply->answer_data("A").empty() ? reply->answer_data("A").front() : "";
  }

  TemporaryDirectory folder_;
  SocketAddress dns_ = loopback(free_port());
  SocketAddress admin_ = loopback(free_port());
};

std::string joined(const std::vector<std::string>& words) {
  std::string line;
  for (const std::string& word : words) {
    line += "'" + word + "' ";
  }
  return line;
}

TEST_F(UsageRun, StaysWhenTheReaderOfItsLogIsGone) {
  const std::string fifo = folder_.file("log");
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-vararg): open(2) is declared so.
  UniqueFd reader(::open(fifo.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  ASSERT_TRUE(reader.valid());
  Process process(
      {.argv = {"sh", "-c",
                "exec " + joined(command({"--listen", dns_.to_string()})) + "2> " + fifo}});
  ASSERT_TRUE(is_up());
  reader.reset();
  for (int times = 1; times <= 3; ++times) {
    process.signal(SIGHUP);
    ASSERT_TRUE(has_reloaded(times, "ok")) << "each reload writes a line";
  }
  EXPECT_TRUE(process.is_running());
  process.signal(SIGTERM);
  EXPECT_EQ(process.wait(), 0);
}

// The descriptors of closed streams must not become sockets that log lines are written to.
TEST_F(UsageRun, OpensTheStreamsThatWereClosed) {
  const Process process(
      {.argv = {"sh", "-c",
                "exec " + joined(command({"--listen", dns_.to_string()})) + "<&- >&- 2>&-"}});
  ASSERT_TRUE(is_up());
  std::vector<pid_t> processes = process.children();
  EXPECT_EQ(processes.size(), 1U);
  processes.push_back(process.pid());
  for (const pid_t pid : processes) {
    for (const int fd : {0, 1, 2}) {
      const std::filesystem::path link =
          "/proc/" + std::to_string(pid) + "/fd/" + std::to_string(fd);
      EXPECT_EQ(std::filesystem::read_symlink(link), "/dev/null") << fd;
    }
  }
  EXPECT_TRUE(ask(dns_, {.name = "web.mesh"}).has_value());
}

TEST_F(UsageRun, WritesEachLogLineAsAJsonObject) {
  Process process({.argv = command({"--listen", dns_.to_string(), "--log-format", "json",
                                    "--log-level", "debug"})});
  ASSERT_TRUE(is_up());
  process.signal(SIGTERM);
  ASSERT_EQ(process.wait(), 0);
  std::istringstream lines(process.standard_error());
  int count = 0;
  for (std::string line; std::getline(lines, line); ++count) {
    ASSERT_THAT(line, StartsWith("{\"time\":"));
    const YAML::Node object = YAML::Load(line);  // YAML contains JSON
    for (const char* const field : {"time", "level", "logger", "message"}) {
      EXPECT_TRUE(object[field].IsScalar()) << field << ": " << line;
    }
  }
  EXPECT_GT(count, 2);
}

TEST_F(UsageRun, TakesTheLogLevelAtAReload) {
  const std::string config = folder_.write("m.yaml", "log: {level: error}\n");
  Process process({.argv = command({"--listen", dns_.to_string(), "--config", config})});
  ASSERT_TRUE(is_up());
  process.signal(SIGHUP);
  ASSERT_TRUE(has_reloaded(1, "ok"));
  folder_.write("m.yaml", "log: {level: info}\n");
  process.signal(SIGHUP);
  ASSERT_TRUE(has_reloaded(2, "ok"));
  ASSERT_TRUE(wait_until([&] {
    return process.standard_error().find("config: reloaded") != std::string::npos;
  })) << process.standard_error();
  EXPECT_EQ(process.standard_error().find("serving DNS"), std::string::npos);
}

TEST_F(UsageRun, ServesChangedAddressesAfterAReloadAndLeavesTheOthers) {
  const ScriptedUpstream upstream(always_address("192.0.2.7"));
  const SocketAddress old = loopback(free_port());
  const SocketAddress fresh = loopback(free_port());
  const auto config = [&](const SocketAddress& second) {
    return folder_.write("m.yaml", "listen: [\"" + dns_.to_string() + "\", \"" +
                                       second.to_string() + "\"]\nupstreams: {servers: [\"" +
                                       upstream.address().to_string() + "\"]}\n");
  };
  const Process process({.argv = command({"--config", config(old)})});
  ASSERT_TRUE(is_up());
  ASSERT_EQ(forwarded(old), "192.0.2.7");

  config(fresh);
  process.signal(SIGHUP);
  ASSERT_TRUE(has_reloaded(1, "ok")) << process.standard_error();
  EXPECT_EQ(forwarded(fresh), "192.0.2.7");
  EXPECT_EQ(forwarded(dns_), "192.0.2.7");
  EXPECT_NO_THROW(bind_socket(old, DnsTransport::kUdp)) << "it is free again";
}

// Each row is a new configuration that must not be taken: the log says why, and nothing changes.
TEST_F(UsageRun, KeepsTheOldConfigurationWhenTheNewOneCannotBeUsed) {
  const ScriptedUpstream upstream(always_address("192.0.2.7"));
  const UniqueFd taken = bind_socket(loopback(0), DnsTransport::kUdp);
  const std::string taken_address = loopback(port_of(taken.get())).to_string();
  const std::string fresh = loopback(free_port()).to_string();
  const std::string servers =
      "upstreams: {servers: [\"" + upstream.address().to_string() + "\"]}\n";
  const std::string listen = "listen: [\"" + dns_.to_string() + "\"";
  const std::string fifo = folder_.file("fifo");
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  struct Case {
    std::string text;
    std::string says;
  };
  const std::vector<Case> cases{
      {"ttl: soon\n", "m.yaml:1: ttl: 'soon' is no duration"},
      {"listen: [\n", "m.yaml:"},
      {listen + ", \"" + taken_address + "\"]\n" + servers, "cannot listen on " + taken_address},
      {listen + ", \"192.0.2.99:5300\"]\n" + servers, "this host does not have the address"},
      {listen + "]\nupstreams: {servers: [\"" + dns_.to_string() + "\"]}\n",
       dns_.to_string() + " is this resolver itself"},
      {listen + ", \"" + fresh + "\"]\nupstreams: {servers: [\"" + fresh + "\"]}\n",
       fresh + " is this resolver itself"},
      {"listen: [\"0.0.0.0:" + std::to_string(dns_.port) + "\"]\nupstreams: {servers: [\"" +
           dns_.to_string() + "\"]}\n",
       dns_.to_string() + " is this resolver itself"},
      {listen + "]\nupstreams: {servers: [\"tls://192.0.2.1#dns.example;ca=" + fifo + "\"]}\n",
       fifo + " is not a regular file"},
      {listen + "]\nrecords: {hosts_files: [\"" + fifo + "\"]}\n", fifo + " is not a regular file"},
  };
  const std::string config = folder_.write("m.yaml", listen + "]\n" + servers);
  Process process({.argv = command({"--config", config})});
  ASSERT_TRUE(is_up());
  const std::string before = get("/config");
  std::size_t seen = 0;  // of the log: a line of the row before says nothing about this one
  for (const Case& row : cases) {
    folder_.write("m.yaml", row.text);
    process.signal(SIGHUP);
    ASSERT_TRUE(wait_until([&] {
      const std::string log = process.standard_error();
      const auto at = log.find("not reloaded, the configuration in use stays: ", seen);
      const auto end = at == std::string::npos ? at : log.find('\n', at);
      if (end == std::string::npos) {
        return false;
      }
      seen = end;
      return log.substr(at, end - at).find(row.says) != std::string::npos;
    })) << row.says
        << '\n'
        << process.standard_error();
    EXPECT_EQ(get("/config"), before) << row.says;
    EXPECT_EQ(forwarded(dns_), "192.0.2.7") << row.says;
  }
  std::filesystem::remove(config);
  process.signal(SIGHUP);
  ASSERT_TRUE(wait_until(
      [&] { return process.standard_error().find("m.yaml: No such file") != std::string::npos; }));
  EXPECT_EQ(forwarded(dns_), "192.0.2.7");

  folder_.write("m.yaml", listen + "]\n" + servers);
  process.signal(SIGHUP);
  EXPECT_TRUE(has_reloaded(1, "ok")) << "and it can be put right";
}

TEST_F(UsageRun, StartsWhateverResolvConfSays) {
  struct Case {
    std::string text;
    std::string note;
  };
  const std::vector<Case> cases{
      {"", "resolv.conf names no server"},
      {"nameserver [127.0.0.1]:" + std::to_string(dns_.port) + "\n",
       dns_.to_string() + " is this resolver itself and is not asked; set upstreams.servers"},
      {"nameserver 0.0.0.0\nnameserver nonsense\n", "line 2: 'nonsense' is no address"},
  };
  for (const Case& row : cases) {
    folder_.write("resolv.conf", row.text);
    Process process({.argv = command({"--listen", dns_.to_string()})});
    ASSERT_TRUE(is_up()) << process.standard_error();
    EXPECT_THAT(get("/readyz"), HasSubstr(row.note));
    EXPECT_THAT(process.standard_error(), HasSubstr(row.note));
    process.signal(SIGTERM);
    EXPECT_EQ(process.wait(), 0);
  }
  std::filesystem::remove(folder_.file("resolv.conf"));
  const Process process({.argv = command({"--listen", dns_.to_string()})});
  ASSERT_TRUE(is_up()) << process.standard_error();
  EXPECT_THAT(get("/readyz"), HasSubstr("resolv.conf: No such file"));
}

TEST_F(UsageRun, AsksTheServersOnThatResolvConfNamedBefore) {
  const ScriptedUpstream upstream(always_address("192.0.2.7"));
  const auto nameserver = [&](const SocketAddress& address) {
    folder_.write("resolv.conf", "nameserver [127.0.0.1]:" + std::to_string(address.port) + "\n");
  };
  nameserver(upstream.address());
  const Process process({.argv = command({"--listen", dns_.to_string()})});
  ASSERT_TRUE(is_up());
  ASSERT_EQ(forwarded(dns_), "192.0.2.7");
  nameserver(dns_);  // what a machine's resolver is put in charge with
  ASSERT_TRUE(wait_until([&] {
    return get("/readyz").find("until the next start " + upstream.address().to_string()) !=
           std::string::npos;
  })) << get("/readyz");
  EXPECT_EQ(forwarded(dns_), "192.0.2.7");
}

TEST(UsageStart, SaysWhyAnAddressCannotBeHad) {
  const TemporaryDirectory folder;
  const UniqueFd taken = bind_socket(loopback(0), DnsTransport::kTcp);
  const std::string taken_address = loopback(port_of(taken.get())).to_string();
  const std::string dns = loopback(free_port()).to_string();
  struct Case {
    std::vector<std::string> flags;
    int exit_code;
    std::string says;
  };
  const std::vector<Case> cases{
      {{"--listen", "192.0.2.99:5300"}, 2, "192.0.2.99:5300 (UDP): this host does not have"},
      {{"--listen", taken_address}, 2, "another program listens there"},
      {{"--listen", dns, "--admin", taken_address},
       2,
       "admin.listen: cannot serve admin HTTP on " + taken_address},
      {{"--listen", dns, "--upstream", dns}, 1, dns + " is this resolver itself"},
      {{"--listen", "0.0.0.0:5300", "--upstream", "127.0.0.1:5300"},
       1,
       "127.0.0.1:5300 is this resolver itself"},
      {{"--listen", "[::]:5300", "--upstream", "[::1]:5300"},
       1,
       "[::1]:5300 is this resolver itself"},
      {{"--listen", dns, "--upstream", "0.0.0.0"}, 1, "0.0.0.0:53 is no place to send to"},
      {{"--listen", dns, "--state-mode", "required", "--state-dir", "/dev/null/state"},
       3,
       "/dev/null/state"},
      {{"--listen", dns, "--port-file", "/nowhere/ports"}, 3, "/nowhere/ports"},
  };
  for (const Case& row : cases) {
    std::vector<std::string> flags = row.flags;
    const bool has_admin = std::ranges::find(flags, "--admin") != flags.end();
    std::vector<std::string> words{"run", "--control-plane", "127.0.0.1:1"};
    if (!has_admin) {
      flags.insert(flags.end(), {"--admin", "127.0.0.1:0"});
    }
    if (std::ranges::find(flags, "--state-dir") == flags.end()) {
      flags.insert(flags.end(), {"--state-dir", folder.file("state")});
    }
    words.insert(words.end(), flags.begin(), flags.end());
    const CommandResult result = meshdns(words);
    EXPECT_EQ(result.exit_code, row.exit_code) << row.says << '\n' << result.error;
    EXPECT_THAT(result.error, HasSubstr(row.says));
  }
}

TEST(UsageStart, SaysWhatAPrivilegedPortNeeds) {
  const TemporaryDirectory folder;
  const CommandResult result =
      run_command({"setpriv", "--bounding-set=-net_bind_service", "--inh-caps=-net_bind_service",
                   program_path("meshdns"), "run", "--listen", "127.0.0.1:53", "--admin",
                   "127.0.0.1:0", "--state-dir", folder.file("state")});
  EXPECT_EQ(result.exit_code, 2) << result.error;
  EXPECT_THAT(result.error, HasSubstr("ports below 1024 need root or CAP_NET_BIND_SERVICE"));
}

TEST(UsageVip, NamesAServiceThatIsNotThere) {
  ControlPlaneProgram control_plane;
  control_plane.put({.name = "web-1", .service = "web"});
  control_plane.start();
  ResolverProgram resolver;
  resolver.start_ready(control_plane);
  const std::string admin = resolver.admin().to_string();
  const CommandResult all = meshdns({"vip", "list", "--admin", admin});
  EXPECT_EQ(all.exit_code, 0) << all.error;
  EXPECT_THAT(all.output, HasSubstr("web.mesh"));
  EXPECT_THAT(all.output, HasSubstr(resolver.address_of("web.mesh")));
  EXPECT_EQ(meshdns({"vip", "show", "web", "--admin", admin}).output, all.output);
  const CommandResult none = meshdns({"vip", "show", "wbe", "--admin", admin});
  EXPECT_EQ(none.exit_code, 5);
  EXPECT_THAT(none.error, HasSubstr("there is no service 'wbe'"));
}

}  // namespace
}  // namespace meshdns::support
