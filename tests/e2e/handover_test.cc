// A running resolver is replaced by another one while clients ask without a break: not one question
// is lost, and whatever goes wrong with the successor, the predecessor goes on.
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

#include "base/unique_fd.h"
#include "resolver/app/descriptor_channel.h"
#include "resolver/app/keeper_message.h"
#include "tests/support/dns_client.h"
#include "tests/support/process.h"
#include "tests/support/programs.h"
#include "tests/support/question_load.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/wait_until.h"

namespace meshdns::support {
namespace {

using dns::KeeperMessage;
using dns::MessageKind;
using testing::HasSubstr;

class Handover : public testing::Test {
 protected:
  void SetUp() override {
    control_plane_.put({.name = "web-1", .service = "web"});
    control_plane_.start();
    resolver_.start_ready(control_plane_);
    address_ = resolver_.wait_for_address("web.mesh");
    ASSERT_NE(address_, "");
  }

  [[nodiscard]] std::vector<std::string> successor_command(
      const std::vector<std::string>& flags = {}) const {
    return successor_of(control_plane_.address(), flags);
  }
  [[nodiscard]] std::vector<std::string> successor_of(
      const std::string& control_plane, const std::vector<std::string>& flags = {}) const {
    std::vector<std::string> argv{program_path("meshdns"),
                                  "run",
                                  "--take-over",
                                  "--admin",
                                  resolver_.admin().to_string(),
                                  "--listen",
                                  resolver_.dns().to_string(),
                                  "--state-dir",
                                  resolver_.state_folder(),
                                  "--resolv-conf",
                                  resolver_.folder().file("resolv.conf"),
                                  "--control-plane",
                                  control_plane};
    argv.insert(argv.end(), flags.begin(), flags.end());
    return argv;
  }
  [[nodiscard]] QuestionLoad::Options questions() const {
    return {.server = resolver_.dns(), .name = "web.mesh", .address = address_};
  }
  static void expect_all(const QuestionLoad::Tally& tally) {
    EXPECT_EQ(tally.answered, tally.asked);
    EXPECT_EQ(tally.retried, 0U);
    EXPECT_EQ(tally.wrong, 0U);
    EXPECT_GT(tally.answered, 0U);
  }
  static bool has_said(const Process& process, const std::string& words) {
    return process.standard_error().find(words) != std::string::npos;
  }
  // The predecessor goes on: it allocates, and it remembers.
  void expect_goes_on() {
    ASSERT_TRUE(wait_until([&] { return has_said(resolver_.process(), "answers again"); }))
        << resolver_.log();
    static int number = 0;
    const std::string name = "later-" + std::to_string(++number);
    control_plane_.put({.name = name, .service = name});
    EXPECT_NE(resolver_.wait_for_address(name + ".mesh"), "") << resolver_.log();
    EXPECT_TRUE(wait_until([&] { return resolver_.process().children().size() == 1; }));
    EXPECT_EQ(resolver_.address_of("web.mesh"), address_);
  }

  ControlPlaneProgram control_plane_;
  ResolverProgram resolver_;
  std::string address_;
};

TEST_F(Handover, LosesNoQuestion) {
  QuestionLoad load(questions());
  ASSERT_TRUE(load.wait_for_more(20));
  Process second({.argv = successor_command()});
  ASSERT_EQ(resolver_.process().wait(), 0) << resolver_.log() << second.standard_error();
  ASSERT_TRUE(load.wait_for_more(20));
  // And once more: the successor can be replaced too.
  ASSERT_TRUE(wait_until([&] { return has_said(second, "taken over"); }));
  Process third({.argv = successor_command()});
  ASSERT_EQ(second.wait(), 0) << second.standard_error() << third.standard_error();
  ASSERT_TRUE(load.wait_for_more(20));
  const auto result = load.stop();
  expect_all(result.udp);
  expect_all(result.tcp);
  std::printf("[ longest  ] udp %ld ms, tcp %ld ms of %lu and %lu questions\n",
              result.udp.longest.count(), result.tcp.longest.count(), result.udp.asked,
              result.tcp.asked);
  third.signal(SIGTERM);
  EXPECT_EQ(third.wait(), 0);
}

TEST_F(Handover, StartsPlainlyWhereNobodyRuns) {
  ASSERT_EQ(resolver_.terminate(), 0);
  const Process alone({.argv = successor_command()});
  EXPECT_EQ(resolver_.wait_for_address("web.mesh"), address_) << alone.standard_error();
}

TEST_F(Handover, GoesOnWhenTheSuccessorRefusesItsConfiguration) {
  const std::string zone = resolver_.folder().write("z", "bad.mesh. A 1.2.3\n");
  QuestionLoad load(questions());
  ASSERT_TRUE(load.wait_for_more(20));
  const CommandResult successor = run_command(successor_command({"--zone-file", zone}));
  EXPECT_EQ(successor.exit_code, 1) << successor.error;
  EXPECT_THAT(successor.error, HasSubstr("the predecessor goes on"));
  expect_goes_on();
  const auto result = load.stop();
  expect_all(result.udp);
  expect_all(result.tcp);
}

// Killed as soon as either program has said some words.
TEST_F(Handover, GoesOnWhenTheSuccessorIsKilled) {
  struct Phase {
    const char* name;
    bool says_predecessor;
    const char* words;
  };
  for (const Phase& phase :
       {Phase{"freezing", true, "a successor takes over"},
        Phase{"frozen", true, "letting the state folder go"},
        Phase{"started", false, "serving DNS"}, Phase{"leases", false, "taking changes"}}) {
    SCOPED_TRACE(phase.name);
    ASSERT_NO_FATAL_FAILURE(SetUp());
    QuestionLoad load(questions());
    ASSERT_TRUE(load.wait_for_more(20));
    // Nobody serves the table of its mesh: it never gets so far as to answer.
    const std::string nobody = loopback(free_port()).to_string();
    Process successor({.argv = successor_of(nobody, {"--mesh", "elsewhere"})});
    ASSERT_TRUE(wait_until([&] {
      return has_said(phase.says_predecessor ? resolver_.process() : successor, phase.words);
    })) << resolver_.log()
        << successor.standard_error();
    successor.kill();
    expect_goes_on();
    const auto result = load.stop();
    expect_all(result.udp);
    expect_all(result.tcp);
    EXPECT_EQ(resolver_.terminate(), 0);
  }
}

sockaddr_un handover_address(const std::string& state_folder) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = state_folder + "/handover.sock";
  path.copy(std::begin(address.sun_path), sizeof address.sun_path - 1);
  return address;
}

// A successor of the test's own, which says what it likes.
class ScriptedSuccessor {
 public:
  explicit ScriptedSuccessor(const std::string& state_folder)
      : channel_(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)) {
    const sockaddr_un address = handover_address(state_folder);
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): the socket API's own idiom.
    const auto* const raw = reinterpret_cast<const sockaddr*>(&address);
    connected_ = ::connect(channel_.get(), raw, sizeof address) == 0;
  }
  [[nodiscard]] bool is_connected() const { return connected_; }
  void say(const std::string& octets) const {
    ASSERT_TRUE(dns::send_packet(channel_.get(), octets, {}, kHangBound));
  }
  void say(const KeeperMessage& message) const { say(dns::encode(message)); }
  // Reads until such a message, or the end.
  [[nodiscard]] std::optional<KeeperMessage> wait_for(MessageKind kind) const {
    for (;;) {
      const auto packet = dns::receive_packet(channel_.get(), kHangBound);
      if (!packet || packet->octets.empty()) {
        return std::nullopt;
      }
      const auto message = dns::decode_keeper_message(packet->octets);
      if (message && message->kind == kind) {
        return *message;
      }
    }
  }

 private:
  UniqueFd channel_;
  bool connected_ = false;
};

TEST_F(Handover, GoesOnAfterEveryKindOfNonsense) {
  const auto greeted = [&](const std::string& octets) {
    const ScriptedSuccessor successor(resolver_.state_folder());
    ASSERT_TRUE(successor.is_connected());
    successor.say(octets);
    EXPECT_TRUE(successor.wait_for(MessageKind::kRefused).has_value());
  };
  greeted("nonsense");
  greeted(std::string(3000, '\0'));
  greeted(dns::encode({.kind = MessageKind::kTaken}));
  greeted(dns::encode({.kind = MessageKind::kHello, .number = 77}));
  EXPECT_EQ(resolver_.address_of("web.mesh"), address_);
  EXPECT_EQ(resolver_.log().find("going on"), std::string::npos) << "nothing was to be undone";
  {
    const ScriptedSuccessor silent(resolver_.state_folder());
    ASSERT_TRUE(silent.is_connected());
    const ScriptedSuccessor second(resolver_.state_folder());
    EXPECT_TRUE(second.wait_for(MessageKind::kRefused).has_value()) << "one at a time";
  }
  const ScriptedSuccessor late(resolver_.state_folder());
  late.say({.kind = MessageKind::kHello, .number = dns::kHandoverVersion});
  ASSERT_TRUE(late.wait_for(MessageKind::kOffered).has_value());
  late.say("nonsense");
  EXPECT_TRUE(late.wait_for(MessageKind::kRefused).has_value());
  expect_goes_on();
}

TEST_F(Handover, GoesOnWhenTheSuccessorLeavesWithTheSocketsInItsHands) {
  QuestionLoad load(questions());
  ASSERT_TRUE(load.wait_for_more(20));
  {
    const ScriptedSuccessor successor(resolver_.state_folder());
    successor.say({.kind = MessageKind::kHello, .number = dns::kHandoverVersion});
    const auto offered = successor.wait_for(MessageKind::kOffered);
    ASSERT_TRUE(offered.has_value());
    EXPECT_EQ(offered->number, 1U) << "it has a table";
    ASSERT_TRUE(load.wait_for_more(20)) << "it answers on";
  }
  expect_goes_on();
  const auto result = load.stop();
  expect_all(result.udp);
  expect_all(result.tcp);
}

// The predecessor's resolver dies while it is frozen: its successor is gone too, and it is started
// again all the same.
TEST_F(Handover, SurvivesTheDeathOfBothSides) {
  {
    const ScriptedSuccessor successor(resolver_.state_folder());
    successor.say({.kind = MessageKind::kHello, .number = dns::kHandoverVersion});
    ASSERT_TRUE(successor.wait_for(MessageKind::kOffered).has_value());
    const pid_t frozen = resolver_.resolver_pid().value();
    ASSERT_EQ(::kill(frozen, SIGKILL), 0);
    ASSERT_TRUE(wait_until([&] { return !is_alive(frozen); }));
  }
  expect_goes_on();
}

// Whoever has connected and said nothing has been given nothing.
TEST_F(Handover, ASilentSuccessorKeepsNobodyFromStartingTheResolverAgain) {
  constexpr std::chrono::seconds kBound{20};
  const ScriptedSuccessor silent(resolver_.state_folder());
  ASSERT_TRUE(silent.is_connected());
  const ScriptedSuccessor second(resolver_.state_folder());
  ASSERT_TRUE(second.wait_for(MessageKind::kRefused).has_value()) << "the first is being heard";
  ASSERT_EQ(::kill(resolver_.resolver_pid().value(), SIGKILL), 0);
  EXPECT_TRUE(wait_until([&] { return has_said(resolver_.process(), "answers again"); }, kBound))
      << resolver_.log();
  EXPECT_EQ(resolver_.address_of("web.mesh"), address_);
}

// It cannot let go any more, and is not waited for.
TEST_F(Handover, GoesOnWhenTheResolverDiesBeforeItHasLetGo) {
  const pid_t resolver = resolver_.resolver_pid().value();
  ASSERT_EQ(::kill(resolver, SIGSTOP), 0);
  const ScriptedSuccessor successor(resolver_.state_folder());
  successor.say({.kind = MessageKind::kHello, .number = dns::kHandoverVersion});
  ASSERT_TRUE(wait_until([&] { return has_said(resolver_.process(), "a successor takes over"); }));
  ASSERT_EQ(::kill(resolver, SIGKILL), 0);
  const auto refused = successor.wait_for(MessageKind::kRefused);
  ASSERT_TRUE(refused.has_value());
  EXPECT_THAT(refused->text, HasSubstr("the resolver died"));
  expect_goes_on();
}

// One that has nobody to tell it its table is a second on its way.
TEST_F(Handover, AResolverThatIsBeingStartedIsNotStartedTwice) {
  control_plane_.kill();
  ASSERT_EQ(::kill(resolver_.resolver_pid().value(), SIGSTOP), 0);
  for (const char* const file : {"/table.image", "/table.settled", "/mesh.feed"}) {
    std::filesystem::remove(resolver_.state_folder() + file);
  }
  ASSERT_EQ(::kill(resolver_.resolver_pid().value(), SIGKILL), 0);
  const auto starts = [&] {
    const std::string log = resolver_.log();
    std::size_t count = 0;
    for (auto at = log.find("serving DNS"); at != std::string::npos;
         at = log.find("serving DNS", at + 1)) {
      ++count;
    }
    return count;
  };
  ASSERT_TRUE(wait_until([&] { return starts() == 2; }));
  const ScriptedSuccessor early(resolver_.state_folder());
  early.say({.kind = MessageKind::kHello, .number = dns::kHandoverVersion});
  const auto refused = early.wait_for(MessageKind::kRefused);
  ASSERT_TRUE(refused.has_value());
  EXPECT_THAT(refused->text, HasSubstr("is just being started"));
  ASSERT_TRUE(wait_until([&] { return has_said(resolver_.process(), "answers again"); }));
  EXPECT_EQ(starts(), 2U);
}

// The one that has let its state folder go answers meanwhile, and learns nothing any more.
TEST_F(Handover, WhoTakesThePlaceOfAFrozenResolverIsStartedAgainToo) {
  constexpr std::chrono::seconds kBound{20};
  const pid_t frozen = resolver_.resolver_pid().value();
  const auto other_than = [&](pid_t known) {
    pid_t found = 0;
    static_cast<void>(wait_until(
        [&] {
          for (const pid_t child : resolver_.process().children()) {
            found = child != frozen && child != known ? child : found;
          }
          return found != 0;
        },
        kBound));
    return found;
  };
  control_plane_.kill();
  {
    const ScriptedSuccessor successor(resolver_.state_folder());
    successor.say({.kind = MessageKind::kHello, .number = dns::kHandoverVersion});
    ASSERT_TRUE(successor.wait_for(MessageKind::kOffered).has_value());
    // So that the next one waits for somebody to tell it its table.
    for (const char* const file : {"/table.image", "/table.settled", "/mesh.feed"}) {
      std::filesystem::remove(resolver_.state_folder() + file);
    }
  }
  const pid_t first = other_than(frozen);
  ASSERT_NE(first, 0) << resolver_.log();
  ASSERT_EQ(::kill(first, SIGKILL), 0);
  EXPECT_NE(other_than(first), 0) << resolver_.log();
  EXPECT_EQ(resolver_.address_of("web.mesh"), address_) << "answered by the frozen one";
}

// It has read its configuration and waits for what a predecessor says, which is the test.
TEST(HandoverStart, AHangupBeforeAnybodyCanReloadWaits) {
  const TemporaryDirectory state;
  const UniqueFd predecessor(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  const sockaddr_un address = handover_address(state.path());
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): the socket API's own idiom.
  const auto* const raw = reinterpret_cast<const sockaddr*>(&address);
  ASSERT_EQ(::bind(predecessor.get(), raw, sizeof address), 0);
  ASSERT_EQ(::listen(predecessor.get(), 1), 0);
  Process resolver({.argv = {program_path("meshdns"), "run", "--take-over", "--state-dir",
                             state.path(), "--listen", loopback(0).to_string()}});
  UniqueFd channel(::accept4(predecessor.get(), nullptr, nullptr, SOCK_CLOEXEC));
  ASSERT_TRUE(channel.valid());
  resolver.signal(SIGHUP);
  channel.reset();
  EXPECT_EQ(resolver.wait(), 2) << "128 and more is the signal";
  EXPECT_THAT(resolver.standard_error(), HasSubstr("cannot take over"));
}

}  // namespace
}  // namespace meshdns::support
