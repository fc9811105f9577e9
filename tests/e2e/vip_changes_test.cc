// `meshdns vip` that changes something: on a running resolver, on a folder that none uses, and what
// it refuses.
#include <cstddef>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/ip_address.h"
#include "base/unique_fd.h"
#include "tests/support/dns_client.h"
#include "tests/support/http_get.h"
#include "tests/support/process.h"
#include "tests/support/programs.h"
#include "tests/support/wait_until.h"

namespace meshdns::support {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr int kExitConfiguration = 1;
constexpr int kExitNetwork = 2;
constexpr int kExitFile = 3;
constexpr int kExitRefused = 5;

class VipChanges : public testing::Test {
 protected:
  void SetUp() override {
    control_plane_.put({.name = "web-1", .service = "web"});
    control_plane_.put({.name = "cache-1", .service = "cache"});
    control_plane_.start();
  }
  void start() {
    resolver_.start_ready(control_plane_, {"--vip-quarantine", "300s", "--ttl", "1s"});
  }
  [[nodiscard]] CommandResult vip(std::vector<std::string> words) const {
    words.insert(words.begin(), {program_path("meshdns"), "vip"});
    words.insert(words.end(), {"--state-dir", resolver_.state_folder()});
    return run_command(words);
  }
  void expect_refused(const std::vector<std::string>& words, const std::string& reason,
                      int exit_code = kExitRefused) const {
    const CommandResult result = vip(words);
    EXPECT_EQ(result.exit_code, exit_code) << result.output << result.error;
    EXPECT_THAT(result.error, HasSubstr(reason));
    EXPECT_EQ(result.output, "");
  }
  void expect_done(const std::vector<std::string>& words, const std::string& report) const {
    const CommandResult result = vip(words);
    EXPECT_EQ(result.exit_code, 0) << result.error;
    EXPECT_THAT(result.output, HasSubstr(report));
  }
  [[nodiscard]] bool becomes(const std::string& name, const std::string& address) const {
    return wait_until([&] { return resolver_.address_of(name) == address; });
  }
  [[nodiscard]] std::string write_file(const std::string& content) const {
    return resolver_.folder().write("import.json", content);
  }

  ControlPlaneProgram control_plane_;
  ResolverProgram resolver_;
};

TEST_F(VipChanges, APinOfARunningResolverIsAnsweredAndStays) {
  start();
  const std::string old = resolver_.wait_for_address("web.mesh");
  const std::string cache = resolver_.wait_for_address("cache.mesh");
  expect_refused({"pin", "web", "244.0.0.7"}, "web: has " + old +
                                                  " already; `meshdns vip pin "
                                                  "--force` takes 244.0.0.7 instead");
  EXPECT_EQ(resolver_.address_of("web.mesh"), old);
  expect_refused({"pin", "web", cache, "--force"}, cache + " belongs to cache");
  expect_done({"pin", "web", "244.0.0.7", "--force"}, "web has 244.0.0.7\n");
  EXPECT_TRUE(becomes("web.mesh", "244.0.0.7")) << resolver_.log();
  // The address that it lost is nobody's before its quarantine is over.
  expect_refused({"pin", "late", old}, "is in quarantine for another");
  // For a service that is yet to come.
  expect_done({"pin", "late", "244.0.0.9"}, "late has 244.0.0.9\n");
  control_plane_.put({.name = "late-1", .service = "late"});
  EXPECT_EQ(resolver_.wait_for_address("late.mesh"), "244.0.0.9");

  // It was on disk when it was reported.
  expect_done({"pin", "soon", "244.0.0.11"}, "soon has 244.0.0.11\n");
  resolver_.kill();
  control_plane_.put({.name = "soon-1", .service = "soon"});
  start();
  EXPECT_EQ(resolver_.wait_for_address("web.mesh"), "244.0.0.7");
  EXPECT_EQ(resolver_.wait_for_address("late.mesh"), "244.0.0.9");
  EXPECT_EQ(resolver_.wait_for_address("soon.mesh"), "244.0.0.11");
  EXPECT_EQ(resolver_.wait_for_address("cache.mesh"), cache);
}

TEST_F(VipChanges, OnlyWhatNoServiceHoldsIsReleased) {
  start();
  const std::string web = resolver_.wait_for_address("web.mesh");
  expect_refused({"release", "web"}, "web: a service holds it");
  EXPECT_EQ(resolver_.address_of("web.mesh"), web);
  expect_refused({"release", "wbe"}, "wbe: there is no lease of that name");
  expect_done({"pin", "gone", "244.0.0.9"}, "gone has 244.0.0.9");
  expect_done({"release", "gone"}, "released gone: nobody else gets 244.0.0.9 before");
  expect_refused({"release", "gone"}, "gone: it is released already");
  expect_refused({"pin", "other", "244.0.0.9"}, "244.0.0.9 was the address of gone and is in");
  expect_done({"pin", "gone", "244.0.0.9"}, "gone has 244.0.0.9");  // it returns
}

TEST_F(VipChanges, OfAFolderThatNobodyUsesAreThereAtTheNextStart) {
  expect_refused({"list"}, "no meshdns runs here", kExitNetwork);
  expect_done({"import", write_file(R"({"web": "244.0.0.7", "cache": ["244.0.0.8"],
      "default/early": "244.0.0.9", "other/web": "244.0.0.10"})")},
              "imported the addresses of 4 services\n");
  const CommandResult listed = vip({"list"});
  EXPECT_THAT(listed.output, HasSubstr("web        -          244.0.0.7   leased")) << listed.error;
  EXPECT_THAT(listed.output, HasSubstr("other/web"));
  EXPECT_THAT(vip({"show", "early"}).output, HasSubstr("244.0.0.9"));
  expect_done({"release", "early"}, "released early");
  expect_refused({"pin", "web", "244.0.0.20"}, "web: has 244.0.0.7 already");
  expect_done({"pin", "web", "244.0.0.20", "--force"}, "web has 244.0.0.20");
  start();
  EXPECT_EQ(resolver_.wait_for_address("web.mesh"), "244.0.0.20");
  EXPECT_EQ(resolver_.wait_for_address("cache.mesh"), "244.0.0.8");
  // What it lost is in quarantine there, too.
  expect_refused({"pin", "late", "244.0.0.7"}, "is in quarantine for another");
}

TEST_F(VipChanges, AnImportIsRefusedWholeWithALineForEachProblem) {
  expect_done({"pin", "held", "244.0.0.9"}, "held has 244.0.0.9");
  const std::string file = write_file(R"({"good": "244.0.0.7", "again": "244.0.0.7",
      "good": "244.0.0.8", "edge": "244.0.0.0", "end": "247.255.255.255", "outside": "10.0.0.1",
      "six": "fd6d:6573:6864:6e73::8", "taken": "244.0.0.9", "held": "244.0.0.12"})");
  const CommandResult result = vip({"import", file});
  EXPECT_EQ(result.exit_code, kExitRefused);
  for (const std::string line :
       {"again: the name or 244.0.0.7 stands there twice", "good: the name or 244.0.0.8 stands",
        "edge: 244.0.0.0 is the first or last", "end: 247.255.255.255 is the first or last",
        "outside: 10.0.0.1 is outside of 244.0.0.0/6", "six: fd6d:6573:6864:6e73::8 is outside",
        "taken: 244.0.0.9 belongs to held", "held: has 244.0.0.9 already"}) {
    EXPECT_THAT(result.error, HasSubstr(line));
  }
  EXPECT_THAT(vip({"list"}).output, Not(HasSubstr("good")));
}

TEST_F(VipChanges, WhatIsNoImportIsRefusedWithItsReason) {
  for (const auto& [content, reason] : std::vector<std::pair<std::string, std::string>>{
           {"", "there is no name in it"},
           {"[]", "there is no name in it"},
           {"{", "this is no JSON"},
           {R"({"web": "244.0.0"})", "web: '244.0.0' is no address"},
           {R"({"web": {}})", "web: its value is no address"},
           {R"({"web": []})", "web: has no address"},
           {R"({"web": ["244.0.0.7", "244.0.0.8"]})", "has two addresses of one family"},
           {R"({"": "244.0.0.7"})", "is no name of a service"},
           {R"({"/web": "244.0.0.7"})", "is no name of a service"}}) {
    expect_refused({"import", write_file(content)}, reason, kExitConfiguration);
  }
  expect_refused({"import", resolver_.folder().file("none.json")}, "No such file", kExitFile);
  expect_refused({"pin", "web", "web"}, "web: 'web' is no address", kExitConfiguration);
}

// A service that the control plane gives an address has no lease that could be pinned; a folder
// that cannot be used takes nothing.
TEST_F(VipChanges, WhatCannotBeRecordedIsNotDone) {
  std::filesystem::create_directories(resolver_.state_folder());
  (void)resolver_.folder().write("state/vips.journal", "no journal, and somebody's\n");
  expect_refused({"pin", "web", "244.0.0.7"}, "is no lease journal", kExitFile);
  start();  // best effort: in memory
  expect_refused({"pin", "new", "244.0.0.7"}, "is no lease journal", kExitFile);
}

// A whole HTTP request over TCP, as a browser or any local user may send it.
std::string exchange(const SocketAddress& server, const std::string& request) {
  const UniqueFd fd = connect_socket(server, DnsTransport::kTcp);
  std::string reply(65536, '\0');
  (void)::send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL);
  const ssize_t count = ::recv(fd.get(), reply.data(), reply.size(), 0);
  reply.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
  return reply;
}

TEST_F(VipChanges, NothingIsChangedButByTheOwnerOfTheSocket) {
  start();
  const std::string old = resolver_.wait_for_address("web.mesh");
  const std::string body = R"({"web":"244.0.0.7"})";
  for (const std::string path : {"/vips/pin?force", "/vips/pin", "/vips/import", "/vips/release"}) {
    for (const std::string type : {"text/plain", "application/json"}) {
      const std::string reply =
          exchange(resolver_.admin(), "POST " + path +
                                          " HTTP/1.1\r\nHost: localhost\r\nContent-Type: " + type +
                                          "\r\nContent-Length: " + std::to_string(body.size()) +
                                          "\r\nConnection: close\r\n\r\n" + body);
      EXPECT_THAT(reply, testing::StartsWith("HTTP/1.1 4")) << path;
    }
    EXPECT_EQ(http_get(resolver_.admin(), path)->status, 404);
  }
  EXPECT_THAT(exchange(resolver_.admin(),
                       "GET /vips HTTP/1.1\r\nHost: evil.example.org\r\n"
                       "Connection: close\r\n\r\n"),
              testing::StartsWith("HTTP/1.1 421 "));
  EXPECT_EQ(resolver_.address_of("web.mesh"), old);
  struct stat status{};
  ASSERT_EQ(::stat((resolver_.state_folder() + "/admin.sock").c_str(), &status), 0);
  EXPECT_TRUE(S_ISSOCK(status.st_mode));
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
  // It is gone with the resolver, and one that a killed resolver left stands in nobody's way.
  ASSERT_EQ(resolver_.terminate(), 0);
  EXPECT_FALSE(std::filesystem::exists(resolver_.state_folder() + "/admin.sock"));
  start();
  resolver_.kill();
  EXPECT_TRUE(std::filesystem::exists(resolver_.state_folder() + "/admin.sock"));
  expect_done({"pin", "offline", "244.0.0.9"}, "offline has 244.0.0.9");
  start();
  expect_done({"pin", "online", "244.0.0.10"}, "online has 244.0.0.10");
}

}  // namespace
}  // namespace meshdns::support
