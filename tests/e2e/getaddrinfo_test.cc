// The resolvers of two C libraries, glibc's and musl's, see our answers as they are meant.
#include <chrono>
#include <cstdint>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/ip_address.h"
#include "tests/e2e/network.h"
#include "tests/support/process.h"
#include "tests/support/programs.h"
#include "tests/support/scripted_upstream.h"

namespace meshdns::support {
namespace {

using testing::UnorderedElementsAre;
using testing::UnorderedElementsAreArray;

using Lines = std::vector<std::string>;

// Names below example.: v4, v6 and both have such addresses, slow has both after a while.
std::vector<std::vector<std::uint8_t>> answer(const UpstreamQuery& query) {
  if (query.name == "servfail.example.") {
    return {make_reply(query, "SERVFAIL", {})};
  }
  const bool v4 = query.name != "v6.example." && query.type == "A";
  const bool v6 = query.name != "v4.example." && query.type == "AAAA";
  if (query.name == "slow.example.") {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));  // is what it tests
  }
  if (query.name == "missing.example.") {
    return {make_reply(query, "NXDOMAIN", {})};
  }
  Lines records;
  if (v4) {
    records.push_back(query.name + " 60 IN A 192.0.2.7");
  }
  if (v6) {
    records.push_back(query.name + " 60 IN AAAA 2001:db8::7");
  }
  return {make_reply(query, "NOERROR", records)};
}

class GetAddrInfo : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    MESHDNS_NEEDS_PRIVATE_NETWORK();
    control_plane_.put({.name = "web-1", .service = "web"});
    control_plane_.start();
    resolver_.start_ready(control_plane_,
                          {"--listen", "127.0.0.1:53", "--listen", resolver_.dns().to_string(),
                           "--vip-ipv6", "true", "--upstream", upstream_.address().to_string()});
    resolv_conf_ = resolver_.folder().write("libc.conf", "nameserver 127.0.0.1\n");
  }

  // What the library's getaddrinfo makes of the name, with a resolv.conf that names us.
  [[nodiscard]] Lines look_up(const std::string& name) const {
    const auto result = run_command(
        {"unshare", "--mount", "sh", "-c",
         "mount --bind " + resolv_conf_ + " /etc/resolv.conf && exec " + GetParam() + " " + name});
    EXPECT_EQ(result.exit_code, 0) << result.error;
    std::istringstream output(result.output);
    Lines lines;
    for (std::string line; std::getline(output, line);) {
      lines.push_back(line);
    }
    return lines;
  }

  ScriptedUpstream upstream_{answer};
  ControlPlaneProgram control_plane_;
  ResolverProgram resolver_;
  std::string resolv_conf_;
};

TEST_P(GetAddrInfo, SeesEveryKindOfName) {
  EXPECT_THAT(look_up("web.mesh"),
              UnorderedElementsAreArray(
                  {resolver_.address_of("web.mesh"), resolver_.address_of("web.mesh", "AAAA")}));
  EXPECT_THAT(look_up("v4.example"), UnorderedElementsAre("192.0.2.7"));
  EXPECT_THAT(look_up("v6.example"), UnorderedElementsAre("2001:db8::7"));
  EXPECT_THAT(look_up("both.example"), UnorderedElementsAre("192.0.2.7", "2001:db8::7"));
  EXPECT_THAT(look_up("slow.example"), UnorderedElementsAre("192.0.2.7", "2001:db8::7"));
  EXPECT_THAT(look_up("missing.example"), UnorderedElementsAre("no such name"));
  EXPECT_THAT(look_up("missing.mesh"), UnorderedElementsAre("no such name"));
  EXPECT_THAT(look_up("servfail.example"), UnorderedElementsAre("try again"));
}

INSTANTIATE_TEST_SUITE_P(, GetAddrInfo, testing::Values(MESHDNS_LOOKUP_GLIBC, MESHDNS_LOOKUP_MUSL),
                         [](const testing::TestParamInfo<const char*>& library) {
                           return library.index == 0 ? "Glibc" : "Musl";
                         });

}  // namespace
}  // namespace meshdns::support
