// resolv.conf changes under a resolver that runs, by every hand that changes it.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <set>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/unique_fd.h"
#include "tests/e2e/network.h"
#include "tests/support/dns_client.h"
#include "tests/support/network_namespace.h"
#include "tests/support/programs.h"
#include "tests/support/scripted_upstream.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/wait_until.h"

namespace meshdns::support {
namespace {

namespace fs = std::filesystem;

using testing::HasSubstr;
using testing::IsEmpty;

// Ten times what is promised.
constexpr std::chrono::seconds kChangeBound{10};

// Loses every question once, so that each waits for a while.
class Forgetful {
 public:
  explicit Forgetful(const std::string& address) : answer_(always_address(address)) {}
  std::vector<std::vector<std::uint8_t>> operator()(const UpstreamQuery& query) {
    std::string name = query.name;
    std::ranges::transform(name, name.begin(), [](char c) {
      return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    });
    if (seen_.insert(name).second) {
      return {};
    }
    return answer_(query);
  }

 private:
  ScriptedUpstream::Script answer_;
  std::set<std::string> seen_;
};

// A way in which files are rewritten.
struct Way {
  const char* name;
  std::function<void(const TemporaryDirectory& folder, const std::string& text)> write;
};

void write_in_place(const TemporaryDirectory& folder, const std::string& text) {
  folder.write("resolv.conf", text);
}

void rename_over(const TemporaryDirectory& folder, const std::string& text) {
  fs::rename(folder.write("resolv.conf.new", text), folder.file("resolv.conf"));
}

void remove_and_make(const TemporaryDirectory& folder, const std::string& text) {
  fs::remove(folder.file("resolv.conf"));
  folder.write("resolv.conf", text);
}

// As resolved and resolvconf do: the link stays or is replaced, the file is elsewhere.
void swap_symlink(const TemporaryDirectory& folder, const std::string& text) {
  const std::string target = "stub-" + std::to_string(std::hash<std::string>()(text));
  folder.write(target, text);
  fs::remove(folder.file("link.new"));
  fs::create_symlink(target, folder.file("link.new"));
  fs::rename(folder.file("link.new"), folder.file("resolv.conf"));
}

const std::vector<Way>& ways() {
  static const std::vector<Way> kAll{{"in place", write_in_place},
                                     {"renamed over", rename_over},
                                     {"removed and made", remove_and_make},
                                     {"symlink swapped", swap_symlink},
                                     {"in place behind a symlink", write_in_place}};
  return kAll;
}

class ResolvConf : public testing::Test {
 protected:
  static std::string text_for(const ScriptedUpstream& upstream) {
    return fmt::format("# of the test\nnameserver {}\noptions edns0 trust-ad\n",
                       upstream.address().to_string());
  }
  // The address that a name nobody asked for before has; empty without one.
  std::string answer() { return resolver_.address_of(fmt::format("n{}.example.org", ++names_)); }
  void expect_change_to(const std::string& address, const std::string& way) {
    const auto begun = std::chrono::steady_clock::now();
    EXPECT_TRUE(wait_until([&] { return answer() == address; }, kChangeBound)) << way;
    longest_ = std::max(longest_, std::chrono::duration_cast<std::chrono::milliseconds>(
                                      std::chrono::steady_clock::now() - begun));
  }

  ScriptedUpstream first_{always_address("192.0.2.1")};
  ScriptedUpstream second_{always_address("192.0.2.2")};
  ResolverProgram resolver_;
  int names_ = 0;
  std::chrono::milliseconds longest_{0};
};

// The servers that the resolver asked when it died are asked by the one that takes its place.
TEST_F(ResolvConf, NamesNobodyByTheTimeThatTheResolverDies) {
  const auto kill_it = [&] {
    const pid_t before = resolver_.resolver_pid().value();
    ASSERT_EQ(::kill(before, SIGKILL), 0);
    ASSERT_TRUE(wait_until([&] {
      const auto now = resolver_.resolver_pid();
      return now && *now != before;
    })) << resolver_.log();
  };
  const auto say = [&](const std::string& text) {
    resolver_.folder().write("resolv.conf", text);
    ASSERT_TRUE(wait_until([&] {
      return resolver_.get("/readyz").body.find("until the next start " +
                                                second_.address().to_string()) != std::string::npos;
    })) << resolver_.log();
  };
  resolver_.folder().write("resolv.conf", text_for(first_));
  resolver_.start();
  ASSERT_EQ(answer(), "192.0.2.1");
  rename_over(resolver_.folder(), text_for(second_));
  expect_change_to("192.0.2.2", "while it runs");

  for (const std::string& text :
       {std::string(), fmt::format("nameserver {}\n", resolver_.dns().to_string())}) {
    say(text);
    kill_it();
    say(text);
    EXPECT_EQ(answer(), "192.0.2.2") << resolver_.log();
  }
  fs::remove(resolver_.folder().file("resolv.conf"));
  kill_it();
  EXPECT_TRUE(wait_until([&] { return answer() == "192.0.2.2"; })) << resolver_.log();
  kill_it();  // the parent has them still
  EXPECT_TRUE(wait_until([&] { return answer() == "192.0.2.2"; })) << resolver_.log();
  resolver_.folder().write("resolv.conf", text_for(first_));
  expect_change_to("192.0.2.1", "after all");
  EXPECT_THAT(resolver_.get("/readyz").body, testing::Not(HasSubstr("upstreams:")));
}

TEST_F(ResolvConf, IsFollowedHoweverItIsRewritten) {
  resolver_.folder().write("resolv.conf", text_for(first_));
  resolver_.start();
  ASSERT_EQ(answer(), "192.0.2.1");
  bool to_second = true;
  for (const Way& way : ways()) {
    way.write(resolver_.folder(), text_for(to_second ? second_ : first_));
    expect_change_to(to_second ? "192.0.2.2" : "192.0.2.1", way.name);
    to_second = !to_second;
  }
  RecordProperty("longest_ms", static_cast<int>(longest_.count()));
}

TEST_F(ResolvConf, MayAppearLaterWithItsFolder) {
  fs::remove(resolver_.folder().file("resolv.conf"));
  fs::create_symlink("later/resolv.conf", resolver_.folder().file("resolv.conf"));
  resolver_.start();
  EXPECT_EQ(answer(), "");
  fs::create_directory(resolver_.folder().file("later"));
  resolver_.folder().write("later/resolv.conf", text_for(first_));
  expect_change_to("192.0.2.1", "a folder that was not there");
}

TEST_F(ResolvConf, ThatNamesNobodyLeavesTheServersOfBefore) {
  resolver_.folder().write("resolv.conf", text_for(first_));
  resolver_.start();
  ASSERT_EQ(answer(), "192.0.2.1");
  const std::string path = resolver_.folder().file("resolv.conf");
  struct Row {
    std::string text;
    const char* warning;
  };
  const std::vector<Row> rows{
      {"", "names no server"},
      {"options rotate timeout:1\nsearch example.org\nnameserver\n", "without an address"},
      {"\x7f"
       "ELF\x01\xff\xfe junk\n",
       "unknown keyword"},
      {std::string("nameserver 127.0.0.2\0\n", 22), "NUL octet"},
      {std::string((std::size_t{1} << 20U) + 1, 'n'), "longer than the limit"},
      {"nameserver " + resolver_.dns().to_string() + "\n", "is this resolver itself"},
      {"nameserver fe80::1%nosuchif0\nnameserver 1.2.3\n", "no address of a server"},
  };
  const auto expect_kept = [&](std::size_t log_size, const std::string& warning) {
    EXPECT_TRUE(wait_until(
        [&] { return resolver_.log().find(warning, log_size) != std::string::npos; }, kChangeBound))
        << warning;
    EXPECT_EQ(answer(), "192.0.2.1") << warning;
  };
  for (const Row& row : rows) {
    const std::size_t log_size = resolver_.log().size();
    rename_over(resolver_.folder(), row.text);
    expect_kept(log_size, row.warning);
  }
  std::size_t log_size = resolver_.log().size();
  fs::remove(path);
  expect_kept(log_size, "No such file");
  log_size = resolver_.log().size();
  fs::create_directory(path);
  expect_kept(log_size, "not a regular file");
  fs::remove(path);
  // And a valid one replaces them, after all of that.
  rename_over(resolver_.folder(), text_for(second_));
  expect_change_to("192.0.2.2", "after all");
}

TEST_F(ResolvConf, ThatMayNotBeReadLeavesTheServersOfBefore) {
  fs::permissions(resolver_.folder().path(), fs::perms::all);
  const std::string path = resolver_.folder().file("resolv.conf");
  resolver_.folder().write("resolv.conf", text_for(first_));
  fs::permissions(path, fs::perms::all);
  // Root may read everything.
  resolver_.start(::geteuid() == 0 ? std::vector<std::string>{"--user", "nobody"}
                                   : std::vector<std::string>{});
  ASSERT_EQ(answer(), "192.0.2.1");
  fs::permissions(path, fs::perms::none);
  EXPECT_TRUE(wait_until(
      [&] {
        return resolver_.log().find(path + ": Permission denied") != std::string::npos &&
               resolver_.log().find("is asked, as before") != std::string::npos;
      },
      kChangeBound))
      << resolver_.log();
  EXPECT_EQ(answer(), "192.0.2.1");
  resolver_.folder().write("resolv.conf", text_for(second_));
  fs::permissions(path, fs::perms::all);
  expect_change_to("192.0.2.2", "after all");
}

// As routers announce themselves (RFC 8106): for clients' questions and for our own.
TEST_F(ResolvConf, AServerOfOneLinkFindsTheControlPlaneToo) {
  MESHDNS_NEEDS_PRIVATE_NETWORK();
  ip("addr add fe80::53/64 dev lo nodad");
  const ScriptedUpstream router(always_address("127.0.0.1"), "::");
  ControlPlaneProgram control_plane;
  control_plane.put({.name = "web-1", .service = "web"});
  control_plane.start();
  resolver_.folder().write("resolv.conf",
                           fmt::format("nameserver [fe80::53%lo]:{}\n", router.address().port));
  resolver_.start({"--control-plane", fmt::format("cp.example.org:{}", control_plane.port())});
  EXPECT_EQ(answer(), "127.0.0.1");
  EXPECT_NE(resolver_.wait_for_address("web.mesh"), "") << resolver_.log();
  ip("addr del fe80::53/64 dev lo");
}

// What each option of a resolv.conf does to questions.
class ResolvConfOptions : public ResolvConf {
 protected:
  void start_with(const std::string& options, const std::vector<std::string>& flags = {}) {
    resolver_.folder().write(
        "resolv.conf",
        fmt::format("nameserver {}\nnameserver {}\noptions {}\n", first_.address().to_string(),
                    second_.address().to_string(), options));
    resolver_.start(flags);
  }
};

TEST_F(ResolvConfOptions, RotateAsksTheServersInTurn) {
  start_with("rotate");
  std::size_t by_first = 0;
  for (int i = 0; i < 20; ++i) {
    const std::string address = answer();
    EXPECT_THAT(address, testing::AnyOf("192.0.2.1", "192.0.2.2"));
    by_first += address == "192.0.2.1" ? 1U : 0U;
  }
  EXPECT_EQ(by_first, 10U);
}

TEST_F(ResolvConfOptions, WithoutRotateTheFirstServerIsAsked) {
  start_with("ndots:5 attempts:5 edns0 single-request-reopen");
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(answer(), "192.0.2.1");
  }
}

TEST_F(ResolvConfOptions, UseVcAsksOverTcpAlone) {
  start_with("use-vc");
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(answer(), "192.0.2.1");
  }
  EXPECT_EQ(first_.count(DnsTransport::kTcp), 5U);
  EXPECT_EQ(first_.count(DnsTransport::kUdp), 0U);
  EXPECT_THAT(resolver_.get("/upstreams").body, HasSubstr("tcp://" + first_.address().to_string()));
}

TEST_F(ResolvConfOptions, NoAaaaDeniesAaaaWithoutAsking) {
  start_with("no-aaaa");
  EXPECT_EQ(answer(), "192.0.2.1");
  const std::size_t before = first_.count(DnsTransport::kUdp);
  const auto reply = ask(resolver_.dns(), {.name = "www.example.org", .type = "AAAA"});
  ASSERT_TRUE(reply.has_value());
  EXPECT_EQ(reply->rcode(), "NOERROR");
  EXPECT_THAT(reply->message().answer, IsEmpty());
  EXPECT_THAT(reply->message().authority, testing::ElementsAre(HasSubstr("SOA")));
  EXPECT_EQ(first_.count(DnsTransport::kUdp), before);
}

// A silent first server costs a question one second: three tries, at 0, 0.4 and 0.8 s.
TEST_F(ResolvConfOptions, TimeoutShortensAServersTurn) {
  const ScriptedUpstream silent(silence());
  resolver_.folder().write(
      "resolv.conf", fmt::format("nameserver {}\nnameserver {}\noptions timeout:1\n",
                                 silent.address().to_string(), second_.address().to_string()));
  resolver_.start();
  EXPECT_EQ(answer(), "192.0.2.2");
  EXPECT_LE(silent.count(DnsTransport::kUdp), 3U);
}

TEST_F(ResolvConfOptions, TrustAdPassesWhatTheServerSaysOfDnssec) {
  const ScriptedUpstream validating([](const UpstreamQuery& query) {
    auto reply = make_reply(query, "NOERROR", {query.name + " 60 IN A 192.0.2.9"});
    if ((query.octets[3] & 0x20U) != 0) {  // RFC 6840 section 5.8: else nobody wants to know
      reply[3] |= 0x20U;
    }
    return std::vector<std::vector<std::uint8_t>>{reply};
  });
  const auto is_authentic = [&](const std::string& name) {
    const UniqueFd socket = connect_socket(resolver_.dns(), DnsTransport::kUdp);
    auto query = encode({.name = name});
    query[3] |= 0x20U;  // RFC 6840 section 5.7: it wants to know
    EXPECT_TRUE(send_message(socket.get(), DnsTransport::kUdp, query));
    const auto octets = receive_message(socket.get(), DnsTransport::kUdp);
    return octets && ((*octets)[3] & 0x20U) != 0;
  };
  const std::string server = fmt::format("nameserver {}\n", validating.address().to_string());
  resolver_.folder().write("resolv.conf", server);
  resolver_.start();
  EXPECT_EQ(answer(), "192.0.2.9");
  EXPECT_FALSE(is_authentic("www.example.org"));
  EXPECT_FALSE(is_authentic("www.example.org")) << "from the cache";
  resolver_.folder().write("resolv.conf", server + "options trust-ad\n");
  EXPECT_TRUE(wait_until([&] { return is_authentic("www.example.org"); }, kChangeBound))
      << "and what was kept before is forgotten";
}

TEST_F(ResolvConfOptions, NobodyKnowsAreMentionedToWhoLooks) {
  start_with("unheard-of:7", {"--log-level", "debug"});
  EXPECT_EQ(answer(), "192.0.2.1");
  EXPECT_TRUE(wait_until([&] {
    return resolver_.log().find("resolv.conf: line 3: unknown option 'unheard-of:7', ignored") !=
           std::string::npos;
  }));
}

// Questions by the hundred, each answered late, while the servers change under them.
class OpenQuestions {
 public:
  struct Tally {
    std::size_t sent = 0;
    std::size_t answered = 0;
    std::size_t refused = 0;  // with a reason
    std::size_t wrong = 0;
  };

  explicit OpenQuestions(const SocketAddress& server)
      : socket_(connect_socket(server, DnsTransport::kUdp)), thread_([this] { run(); }) {}
  OpenQuestions(const OpenQuestions&) = delete;
  OpenQuestions& operator=(const OpenQuestions&) = delete;
  ~OpenQuestions() {
    if (thread_.joinable()) {
      static_cast<void>(stop());
    }
  }
  [[nodiscard]] Tally stop() {
    stopping_ = true;
    thread_.join();
    return tally_;
  }

 private:
  static constexpr std::size_t kWindow = 200;

  void run() {
    std::set<std::uint16_t> open;
    while (!stopping_ || !open.empty()) {
      while (!stopping_ && open.size() < kWindow) {
        const auto id = static_cast<std::uint16_t>(++tally_.sent);
        open.insert(id);
        EXPECT_TRUE(send_message(socket_.get(), DnsTransport::kUdp,
                                 encode({.name = fmt::format("q{}.example.org", id), .id = id})));
      }
      const auto octets = receive_message(socket_.get(), DnsTransport::kUdp);
      if (!octets) {
        return;  // what is open is lost
      }
      take(*octets, open);
    }
  }
  void take(const std::vector<std::uint8_t>& octets, std::set<std::uint16_t>& open) {
    const auto reply = DnsReply::decode(octets);
    const bool expected = reply && open.erase(reply->message().id) == 1;
    if (expected && reply->rcode() == "SERVFAIL" && reply->extended_error_code() >= 0) {
      ++tally_.refused;
    } else if (expected && (reply->answer_data("A") == std::vector<std::string>{"192.0.2.1"} ||
                            reply->answer_data("A") == std::vector<std::string>{"192.0.2.2"})) {
      ++tally_.answered;
    } else {
      ++tally_.wrong;
    }
  }

  const UniqueFd socket_;
  std::atomic<bool> stopping_{false};
  Tally tally_;  // the thread's until it has ended
  std::thread thread_;
};

TEST_F(ResolvConf, ChangesLoseNoQuestionInFlight) {
  const ScriptedUpstream first(Forgetful("192.0.2.1"));
  const ScriptedUpstream second(Forgetful("192.0.2.2"));
  resolver_.folder().write("resolv.conf", text_for(first));
  resolver_.start();
  OpenQuestions questions(resolver_.dns());
  ASSERT_TRUE(wait_until([&] { return first.count(DnsTransport::kUdp) > 50; }));
  const ScriptedUpstream* next = &second;
  for (const Way& way : ways()) {
    const std::size_t before = next->count(DnsTransport::kUdp);
    way.write(resolver_.folder(), text_for(*next));
    EXPECT_TRUE(
        wait_until([&] { return next->count(DnsTransport::kUdp) > before + 100; }, kChangeBound))
        << way.name;
    next = next == &second ? &first : &second;
  }
  const OpenQuestions::Tally tally = questions.stop();
  EXPECT_EQ(tally.sent, tally.answered + tally.refused);
  EXPECT_EQ(tally.wrong, 0U);
  EXPECT_GT(tally.sent, 500U);
  RecordProperty("sent", static_cast<int>(tally.sent));
  RecordProperty("refused", static_cast<int>(tally.refused));
}

}  // namespace
}  // namespace meshdns::support
