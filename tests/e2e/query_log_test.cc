// The query log and dnstap of the real program, read by others: right, whole, and nobody waits for
// them.
#include <atomic>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <fcntl.h>
#include <filesystem>
#include <set>
#include <sstream>
#include <string>
#include <unistd.h>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/unique_fd.h"
#include "tests/e2e/python_tools.h"
#include "tests/e2e/resolver_fixture.h"
#include "tests/support/dns_client.h"
#include "tests/support/process.h"
#include "tests/support/programs.h"
#include "tests/support/scripted_upstream.h"
#include "tests/support/wait_until.h"

namespace meshdns::e2e {
namespace {

using support::ask;
using support::DnsTransport;
using support::wait_until;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using testing::UnorderedElementsAreArray;

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) {
    lines.push_back(line);
  }
  return lines;
}

// What a reader of tests/e2e/python prints; the test fails when it does.
std::vector<std::string> read_with(const std::string& script,
                                   const std::vector<std::string>& arguments) {
  const auto result = support::run_command(python_script(script, arguments).argv);
  EXPECT_EQ(result.exit_code, 0) << result.error;
  return lines_of(result.output);
}

class QueryLog : public support::ResolverFixture {
 protected:
  [[nodiscard]] std::string path() const { return resolver_.folder().file("queries"); }
  void start(std::vector<std::string> flags) {
    flags.insert(flags.end(), {"--upstream", upstream_.address().to_string()});
    resolver_.start(flags);
  }
  [[nodiscard]] bool wait_for(const std::string& name, double value) const {
    return wait_until([&] { return metric(name) >= value; });
  }
  [[nodiscard]] bool wait_for_lines(double count) const {
    return wait_for("meshdns_query_log_lines_total", count);
  }
  void expect_answers(std::size_t count, const std::string& name) const {
    const UniqueFd socket = support::connect_socket(resolver_.dns(), DnsTransport::kUdp);
    const auto query = support::encode({.name = name});
    for (std::size_t i = 0; i < count; ++i) {
      ASSERT_TRUE(support::send_message(socket.get(), DnsTransport::kUdp, query));
      ASSERT_TRUE(support::receive_message(socket.get(), DnsTransport::kUdp).has_value()) << i;
    }
  }

  support::ScriptedUpstream upstream_{[](const support::UpstreamQuery& query) {
    const bool exists = query.name.find("missing") == std::string::npos;
    return std::vector<std::vector<std::uint8_t>>{
        exists ? support::make_reply(query, "NOERROR", {query.name + " 60 IN A 192.0.2.1"})
               : support::make_reply(query, "NXDOMAIN", {})};
  }};
};

TEST_F(QueryLog, HasALineForEachResponseThatSaysHowItCameAbout) {
  start({"--query-log", path()});
  const SocketAddress server = resolver_.dns();
  ASSERT_TRUE(ask(server, {.name = "www.example.org"}));
  ASSERT_TRUE(ask(server, {.name = "WWW.example.org"}, DnsTransport::kTcp));
  ASSERT_TRUE(ask(server, {.name = "missing.example.org", .type = "TYPE65280"}));
  ASSERT_TRUE(ask(server, {.name = "localhost"}));
  ASSERT_TRUE(ask(server, {.name = "any.mesh", .type = "AAAA"}));
  ASSERT_TRUE(wait_for_lines(5));
  const std::string from = upstream_.address().to_string();
  EXPECT_THAT(
      read_with("read_query_log.py", {path()}),
      ElementsAre("www.example.org. A IN NOERROR upstream udp " + from,
                  "WWW.example.org. A IN NOERROR cache tcp -",
                  "missing.example.org. TYPE65280 IN NXDOMAIN upstream udp " + from,
                  "localhost. A IN NOERROR local udp -", "any.mesh. AAAA IN SERVFAIL local udp -"));
  EXPECT_EQ(metric("meshdns_query_log_dropped_total"), 0);
}

TEST_F(QueryLog, TellsAStaleAnswerFromAKeptOne) {
  std::atomic<bool> is_broken = false;
  const support::ScriptedUpstream upstream([&is_broken](const support::UpstreamQuery& query) {
    return std::vector<std::vector<std::uint8_t>>{
        is_broken ? support::make_reply(query, "SERVFAIL", {})
                  : support::make_reply(query, "NOERROR", {query.name + " 1 IN A 192.0.2.1"})};
  });
  resolver_.start({"--query-log", path(), "--upstream", upstream.address().to_string()});
  std::vector<std::string> expected{"www.example.org. A IN NOERROR upstream udp " +
                                    upstream.address().to_string()};
  ASSERT_TRUE(ask(resolver_.dns(), {.name = "www.example.org"}));
  is_broken = true;
  constexpr int kStaleAnswer = 3;  // RFC 8914 section 4.4
  int stale = 0;
  ASSERT_TRUE(wait_until([&] {
    const auto reply = ask(resolver_.dns(), {.name = "www.example.org"});
    const bool is_stale = reply && reply->extended_error_code() == kStaleAnswer;
    expected.push_back(std::string("www.example.org. A IN NOERROR ") +
                       (is_stale ? "stale" : "cache") + " udp -");
    stale += is_stale ? 1 : 0;
    return stale == 3;
  }));
  ASSERT_TRUE(wait_for_lines(static_cast<double>(expected.size())));
  EXPECT_THAT(read_with("read_query_log.py", {path()}), testing::ElementsAreArray(expected));
}

TEST_F(QueryLog, KeepsAHostileNameOnOneLine) {
  start({"--query-log", path()});
  const std::vector<std::string> names{
      R"(a\034b.example.org.)",        R"(a\010b.example.org.)",   R"(\000.example.org.)",
      R"(\255\254.example.org.)",      R"(a\\b.example.org.)",     R"(\013\010\009.example.org.)",
      R"(\034,\034x\034:\0341.mesh.)", R"(\195\188.example.org.)", R"(\046\027[2J.example.org.)"};
  for (const std::string& name : names) {
    ASSERT_TRUE(ask(resolver_.dns(), {.name = name})) << name;
  }
  // And what has no name at all.
  const UniqueFd socket = support::connect_socket(resolver_.dns(), DnsTransport::kUdp);
  auto cut = support::encode({.name = "www.example.org"});
  cut.resize(20);
  ASSERT_TRUE(support::send_message(socket.get(), DnsTransport::kUdp, cut));
  ASSERT_TRUE(support::receive_message(socket.get(), DnsTransport::kUdp));
  ASSERT_TRUE(wait_for_lines(static_cast<double>(names.size() + 1)));
  const auto lines = read_with("read_query_log.py", {path()});
  ASSERT_THAT(lines, SizeIs(names.size() + 1));
  EXPECT_EQ(lines.back(), "- - - FORMERR local udp -");
  EXPECT_THAT(lines[0], testing::StartsWith(R"(a\"b.example.org. A IN)"));
  EXPECT_THAT(lines[1], testing::StartsWith(R"(a\010b.example.org. A IN)"));
  EXPECT_THAT(lines[3], testing::StartsWith(R"(\255\254.example.org. A IN)"));
}

TEST_F(QueryLog, TakesExactlyOneInSoManyResponsesAndNotAlwaysTheSameKind) {
  start({"--query-log", path(), "--query-log-sample", "10"});
  for (int i = 0; i < 250; ++i) {
    ASSERT_TRUE(ask(resolver_.dns(), {.name = "localhost", .type = "A"}));
    ASSERT_TRUE(ask(resolver_.dns(), {.name = "localhost", .type = "AAAA"}));
  }
  ASSERT_TRUE(wait_for_lines(50));
  const auto lines = read_with("read_query_log.py", {path()});
  EXPECT_THAT(lines, SizeIs(50));
  EXPECT_EQ(std::set<std::string>(lines.begin(), lines.end()).size(), 2U) << "A and AAAA";
}

TEST_F(QueryLog, HashedNamesTellWhichAreEqualAndNoMore) {
  start({"--query-log", path(), "--query-log-names", "hashed"});
  for (const char* const name : {"secret.example.org", "SECRET.example.org", "other.example.org"}) {
    ASSERT_TRUE(ask(resolver_.dns(), {.name = name}));
  }
  ASSERT_TRUE(wait_for_lines(3));
  const auto lines = read_with("read_query_log.py", {path()});
  ASSERT_THAT(lines, SizeIs(3));
  EXPECT_THAT(lines, Each(testing::AllOf(testing::StartsWith("~"), Not(HasSubstr("example")))));
  const auto name_of = [](const std::string& line) { return line.substr(0, line.find(' ')); };
  EXPECT_EQ(name_of(lines[0]), name_of(lines[1]));
  EXPECT_NE(name_of(lines[0]), name_of(lines[2]));
}

TEST_F(QueryLog, GoesOnInANewFileAfterItWasRenamed) {
  start({"--query-log", path()});
  expect_answers(3, "localhost");
  ASSERT_TRUE(wait_for_lines(3));
  std::filesystem::rename(path(), path() + ".1");
  resolver_.process().signal(SIGHUP);
  ASSERT_TRUE(wait_until([&] { return std::filesystem::exists(path()); }));
  expect_answers(2, "localhost");
  ASSERT_TRUE(wait_for_lines(5));
  EXPECT_THAT(read_with("read_query_log.py", {path() + ".1"}), SizeIs(3));
  EXPECT_THAT(read_with("read_query_log.py", {path()}), SizeIs(2));
}

TEST_F(QueryLog, DropsLinesThatNobodyReadsAndAnswersOn) {
  ASSERT_EQ(::mkfifo(path().c_str(), 0600), 0);
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-vararg): open(2) is declared so.
  const UniqueFd reader(::open(path().c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  start({"--query-log", path()});
  expect_answers(2000, "localhost");
  ASSERT_TRUE(wait_for("meshdns_query_log_dropped_total", 1));
  // Of what is there, each line is whole.
  std::string text(std::size_t{1} << 20U, '\0');
  const ssize_t count = ::read(reader.get(), text.data(), text.size());
  ASSERT_GT(count, 0);
  text.resize(static_cast<std::size_t>(count));
  text.resize(text.rfind('\n') + 1);
  resolver_.folder().write("read", text);
  EXPECT_THAT(read_with("read_query_log.py", {resolver_.folder().file("read")}), Not(IsEmpty()));
  EXPECT_EQ(resolver_.terminate(), 0);
}

TEST_F(QueryLog, OnAFullDiskCostsNoAnswer) {
  start({"--query-log", "/dev/full"});
  expect_answers(200, "localhost");
  ASSERT_TRUE(wait_for("meshdns_query_log_dropped_total", 200));
  EXPECT_THAT(resolver_.log(), HasSubstr("lines are lost file=/dev/full"));
  expect_answers(1, "localhost");
}

class Dnstap : public QueryLog {
 protected:
  [[nodiscard]] std::string socket() const { return resolver_.folder().file("tap.sock"); }
  [[nodiscard]] support::ProcessOptions capture(const std::string& file) const {
    return {.argv = {"fstrm_capture", "-t", "protobuf:dnstap.Dnstap", "-u", socket(), "-w",
                     resolver_.folder().file(file)}};
  }
  [[nodiscard]] std::vector<std::string> captured(const std::string& file) const {
    return read_with("read_dnstap.py", {resolver_.folder().file(file), MESHDNS_PYTHON_PROTOS});
  }
  [[nodiscard]] bool wait_for_frames(double count) const {
    return wait_for("meshdns_dnstap_frames_total", count);
  }
};

TEST_F(Dnstap, ShowsEveryMessageToAReaderAndToTheNextOneWhenItHasGone) {
  support::Process first(capture("first"));
  ASSERT_TRUE(wait_until([&] { return std::filesystem::exists(socket()); }));
  start({"--dnstap", "unix:" + socket(), "--dnstap-identity", "vm-1"});
  ASSERT_TRUE(ask(resolver_.dns(), {.name = "www.example.org"}));
  ASSERT_TRUE(ask(resolver_.dns(), {.name = "www.example.org"}, DnsTransport::kTcp));
  ASSERT_TRUE(ask(resolver_.dns(), {.name = "missing.example.org", .type = "TXT"}));
  ASSERT_TRUE(wait_for_frames(10));
  first.signal(SIGTERM);
  ASSERT_TRUE(first.wait().has_value());
  EXPECT_THAT(
      captured("first"),
      UnorderedElementsAreArray({"CLIENT_QUERY UDP www.example.org. A - vm-1",
                                 "FORWARDER_QUERY UDP www.example.org. A - vm-1",
                                 "FORWARDER_RESPONSE UDP www.example.org. A NOERROR vm-1",
                                 "CLIENT_RESPONSE UDP www.example.org. A NOERROR vm-1",
                                 "CLIENT_QUERY TCP www.example.org. A - vm-1",
                                 "CLIENT_RESPONSE TCP www.example.org. A NOERROR vm-1",
                                 "CLIENT_QUERY UDP missing.example.org. TXT - vm-1",
                                 "FORWARDER_QUERY UDP missing.example.org. TXT - vm-1",
                                 "FORWARDER_RESPONSE UDP missing.example.org. TXT NXDOMAIN vm-1",
                                 "CLIENT_RESPONSE UDP missing.example.org. TXT NXDOMAIN vm-1"}));

  // Nobody listens: that is counted, and nobody waits.
  std::filesystem::remove(socket());
  EXPECT_TRUE(wait_until([&] {
    return ask(resolver_.dns(), {.name = "localhost"}).has_value() &&
           metric("meshdns_dnstap_dropped_total") > 0;
  }));
  support::Process second(capture("second"));
  EXPECT_TRUE(wait_until([&] {
    return ask(resolver_.dns(), {.name = "localhost"}).has_value() &&
           metric("meshdns_dnstap_frames_total") > 11;
  }));
  EXPECT_EQ(resolver_.terminate(), 0);
  second.signal(SIGTERM);
  ASSERT_TRUE(second.wait().has_value());
  EXPECT_THAT(captured("second"),
              testing::Contains("CLIENT_RESPONSE UDP localhost. A NOERROR vm-1"));
}

TEST_F(Dnstap, IsWrittenToAFileThatReadersUnderstand) {
  start({"--dnstap", path(), "--node", "vm-2"});
  ASSERT_TRUE(ask(resolver_.dns(), {.name = "localhost"}));
  EXPECT_EQ(resolver_.terminate(), 0);
  EXPECT_THAT(read_with("read_dnstap.py", {path(), MESHDNS_PYTHON_PROTOS}),
              ElementsAre("CLIENT_QUERY UDP localhost. A - vm-2",
                          "CLIENT_RESPONSE UDP localhost. A NOERROR vm-2"));
}

TEST_F(Dnstap, OfAReaderThatStallsCostsDropsAndNoAnswer) {
  const support::Process reader(capture("stalled"));
  ASSERT_TRUE(wait_until([&] { return std::filesystem::exists(socket()); }));
  start({"--dnstap", "unix:" + socket()});
  expect_answers(1, "localhost");
  ASSERT_TRUE(wait_for_frames(2));
  reader.signal(SIGSTOP);
  // A unix socket holds some hundred kilobytes.
  EXPECT_TRUE(wait_until([&] {
    expect_answers(500, "localhost");
    return metric("meshdns_dnstap_dropped_total") > 0;
  }));
  EXPECT_EQ(resolver_.terminate(), 0);
}

}  // namespace
}  // namespace meshdns::e2e
