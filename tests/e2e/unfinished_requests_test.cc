// A client that begins requests and finishes none: gRPC holds what came of them, and the control
// plane sees to it that this is no more than it may be.
#include <algorithm>
#include <cstdint>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/e2e/python_tools.h"
#include "tests/support/http_get.h"
#include "tests/support/process.h"
#include "tests/support/process_memory.h"
#include "tests/support/programs.h"
#include "tests/support/wait_until.h"

namespace meshdns::e2e {
namespace {

using support::resident_kib;
using testing::HasSubstr;

TEST(UnfinishedRequests, TakeBoundedMemoryOfTheControlPlaneAndKeepNobodyOut) {
  support::ControlPlaneProgram control_plane;
  control_plane.put({.name = "web-1", .service = "web"});
  control_plane.start();
  support::ResolverProgram resolver;
  resolver.start_ready(control_plane);
  const auto memory = [&] { return resident_kib(control_plane.process().pid()); };
  const std::uint64_t before = memory();

  // 1.2 GB, and as much as one can say that it has.
  for (const auto& [streams, octets] :
       {std::pair("20", "60000000"), std::pair("1", "4000000000")}) {
    support::Process client(
        python_script("unfinished_requests.py", {control_plane.address(), streams, octets}));
    std::uint64_t most = before;
    EXPECT_TRUE(support::wait_until([&] {
      most = std::max(most, memory());
      return !client.is_running();
    })) << streams;
    EXPECT_EQ(client.wait(), 0) << client.standard_error();
    EXPECT_LT(most - before, 640U << 10U) << streams << ": KiB; a sanitizer keeps what is freed";
  }
  EXPECT_THAT(control_plane.log(), HasSubstr("octets of requests that are not finished"));

  control_plane.put({.name = "news-1", .service = "news"});
  EXPECT_NE(resolver.wait_for_address("news.mesh"), "");
  EXPECT_THAT(resolver.get("/metrics").body,
              HasSubstr("meshdns_xds_connection_attempts_total 1\n"));
}

}  // namespace
}  // namespace meshdns::e2e
