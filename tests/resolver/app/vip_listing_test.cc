#include "resolver/app/vip_listing.h"

#include <string>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/ip_address.h"
#include "base/result.h"
#include "resolver/app/admin_server.h"
#include "tests/resolver/app/running_admin.h"
#include "tests/support/dns_client.h"
#include "tests/support/programs.h"

namespace meshdns::dns {
namespace {

using testing::HasSubstr;

constexpr const char* kTwoServices = R"({"vips":[
{"key":"k1","mesh":"default","service":"web","hostnames":["web.mesh","w.mesh"],"ipv4":"244.0.0.1","addresses":["244.0.0.1","fd00::1"],"ports":[{"name":"","number":80,"protocol":"http"},{"name":"x","number":443,"protocol":"tcp"}],"status":"leased"},
{"key":"k2","mesh":"default","service":"cache","hostnames":["cache.mesh"],"addresses":[],"ports":[],"status":"pending"}
]}
)";

TEST(PrintVips, GivesALineForEachServiceInColumns) {
  EXPECT_EQ(print_vips(kTwoServices, "").value(),
            "SERVICE  HOSTNAMES        ADDRESSES          STATUS   PORTS\n"
            "web      web.mesh,w.mesh  244.0.0.1,fd00::1  leased   80/http,443/tcp\n"
            "cache    cache.mesh       -                  pending  -\n");
}

TEST(PrintVips, GivesTheHeadingAloneWhenThereIsNoService) {
  EXPECT_EQ(print_vips("{\"vips\":[\n]}\n", "").value(),
            "SERVICE  HOSTNAMES  ADDRESSES  STATUS  PORTS\n");
}

TEST(PrintVips, GivesOneServiceAlone) {
  const std::string text = print_vips(kTwoServices, "cache").value();
  EXPECT_THAT(text, HasSubstr("\ncache "));
  EXPECT_THAT(text, testing::Not(HasSubstr("web")));
}

TEST(PrintVips, FailsWhenTheServiceHasNone) {
  const auto text = print_vips(kTwoServices, "we\nb");
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(text.error().message, HasSubstr("there is no service 'we\\010b'"));
}

TEST(PrintVips, FailsOnWhatIsNoListOfVips) {
  for (
      const auto* json :
      {"", "[]", "{}", "ok\n", "{\"vips\":{}}", "{\"vips\":3}", "{\"vips\":[3]}", "{\"vips\":[{}]}",
       R"({"vips":[{"service":"a","hostnames":[],"addresses":[],"status":"leased","ports":[{"number":-1}]}]})",
       R"({"vips":[{"service":"a")", "{\"vips\":[", "\xff", "[[[[[[[["}) {
    const auto text = print_vips(json, "");
    ASSERT_FALSE(text) << json << *text;
    EXPECT_EQ(text.error().code, ErrorCode::kCorrupt) << json;
  }
}

TEST(PrintVips, EscapesWhatAServiceIsCalled) {
  const std::string text =
      print_vips(R"({"vips":[{"service":"a\u001b[31m","hostnames":["b\u000ac"],"addresses":[],)"
                 R"("ports":[],"status":"x\u0007"}]})",
                 "")
          .value();
  EXPECT_THAT(text, HasSubstr("a\\027[31m"));
  EXPECT_THAT(text, HasSubstr("b\\010c"));
  EXPECT_THAT(text, HasSubstr("x\\007"));
}

AdminServer::Routes vips_route(std::string body, unsigned status = 200) {
  return {{"/vips", [body = std::move(body), status] {
             AdminReply reply;
             reply.status = status;
             reply.body = body;
             return reply;
           }}};
}

TEST(ListVips, ReadsThemFromARunningResolver) {
  const RunningAdmin admin(vips_route(kTwoServices));
  EXPECT_EQ(list_vips(admin.address(), "").value(), print_vips(kTwoServices, "").value());
}

TEST(ListVips, SaysWhomItAskedWhenNobodyAnswers) {
  const SocketAddress nobody = support::loopback(support::free_port());
  const auto text = list_vips(nobody, "");
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(text.error().message, HasSubstr("no answer from http://" + nobody.to_string()));
}

TEST(ListVips, SaysSoWhenAnotherProgramAnswers) {
  const RunningAdmin without({});
  const auto text = list_vips(without.address(), "");
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().code, ErrorCode::kNetwork);
  EXPECT_THAT(text.error().message, HasSubstr("is no meshdns: it answered 404"));

  const RunningAdmin other(vips_route("<html>hello</html>"));
  const auto page = list_vips(other.address(), "");
  ASSERT_FALSE(page);
  EXPECT_EQ(page.error().code, ErrorCode::kNetwork);
  EXPECT_THAT(page.error().message, HasSubstr("http://" + other.address().to_string()));
}

}  // namespace
}  // namespace meshdns::dns
