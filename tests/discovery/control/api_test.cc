#include "discovery/control/api.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/log.h"
#include "base/wall_clock.h"
#include "discovery/control/api_store.h"
#include "discovery/control/dataplane_store.h"
#include "discovery/control/dataplane_yaml.h"
#include "discovery/control/entity_log.h"
#include "discovery/control/entity_source.h"
#include "discovery/control/http_server.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/temporary_directory.h"

namespace meshdns::discovery {
namespace {

using support::FaultyFileSystem;
using support::FileStep;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class SetClock final : public WallClock {
 public:
  [[nodiscard]] WallTime now() const override { return WallTime(std::chrono::seconds(seconds)); }
  int seconds = 0;
};

std::string dataplane(const std::string& name, const std::string& mesh = "default",
                      std::uint16_t port = 80) {
  return R"({"type":"Dataplane","mesh":")" + mesh + R"(","name":")" + name +
         R"(","networking":{"address":"192.0.2.1","inbound":[{"port":)" + std::to_string(port) +
         R"(,"tags":{"kuma.io/service":"web"}}]}})";
}

class ApiTest : public testing::Test {
 protected:
  void SetUp() override { start(); }

  // As a process that starts on what the one before left.
  void start() {
    api_.reset();
    entities_.reset();
    store_ = std::make_unique<DataplaneStore>("east", logs_->logger("control"));
    entities_ = std::make_unique<ApiStore>(io_, *store_, clock_, logs_->logger("control"));
    entities_->load(state_.path(), files_);
    api_ = std::make_unique<Api>(*entities_, *store_);
  }
  HttpAnswer ask(HttpRequest request) {
    std::optional<HttpAnswer> got;
    request.host = request.host.empty() ? "127.0.0.1:5681" : request.host;
    api_->handle(request, [&](HttpAnswer answer) { got = std::move(answer); });
    while (!got) {
      io_.run_one();
    }
    return *got;
  }
  HttpAnswer ask(const std::string& method, const std::string& path, const std::string& body = "") {
    const std::size_t end = std::min(path.find('?'), path.size());
    return ask({.method = method,
                .path = path.substr(0, end),
                .query = end < path.size() ? path.substr(end + 1) : "",
                .host = {},
                .origin = {},
                .content_type = "application/json",
                .body = body});
  }
  HttpAnswer put(const std::string& name, const std::string& body) {
    return ask("PUT", "/meshes/default/dataplanes/" + name, body);
  }
  void tell(const EntitySource& source, const std::string& document) {
    const auto parsed = parse_document(document);
    store_->change(
        source,
        {.put = {{parsed.dataplane->id(), {parsed.dataplane, std::make_shared<const int>(7)}}},
         .removed = {}});
    store_->commit();
  }

  const support::TemporaryDirectory state_;
  const support::TemporaryDirectory folder_;
  FaultyFileSystem files_;
  SetClock clock_;
  boost::asio::io_context io_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{
      io_.get_executor()};
  std::unique_ptr<Logs> logs_ = Logs::create({"off", LogFormat::kText}).value();
  std::unique_ptr<DataplaneStore> store_;
  std::unique_ptr<ApiStore> entities_;
  std::unique_ptr<Api> api_;
};

constexpr const char* kWeb = "/meshes/default/dataplanes/web-1";

TEST_F(ApiTest, PutsGetsAndDeletesADataplane) {
  EXPECT_EQ(ask("GET", kWeb).status, 404U);
  EXPECT_EQ(put("web-1", dataplane("web-1")).status, 201U);
  EXPECT_EQ(store_->dataplanes(), 1U);
  clock_.seconds = 60;
  EXPECT_EQ(put("web-1", dataplane("web-1", "default", 81)).status, 200U);
  EXPECT_EQ(ask("GET", kWeb).body,
            R"({"type":"Dataplane","mesh":"default","name":"web-1",)"
            R"("creationTime":"1970-01-01T00:00:00Z","modificationTime":"1970-01-01T00:01:00Z",)"
            R"("networking":{"address":"192.0.2.1","inbound":[{"port":81,)"
            R"("tags":{"kuma.io/service":"web"}}]}})"
            "\n");
  EXPECT_EQ(ask("DELETE", kWeb).status, 200U);
  EXPECT_EQ(ask("DELETE", kWeb).status, 404U);
  EXPECT_EQ(store_->dataplanes(), 0U);
}

TEST_F(ApiTest, TakesBackWhatItTold) {
  ASSERT_EQ(put("web-1", dataplane("web-1")).status, 201U);
  const std::uint64_t steps = files_.steps();
  EXPECT_EQ(put("web-1", ask("GET", kWeb).body).status, 200U);
  EXPECT_EQ(files_.steps(), steps) << "what is the same is not written";
}

TEST_F(ApiTest, SaysWhoAnswers) {
  EXPECT_THAT(ask("GET", "/").body, HasSubstr(R"("product":"meshdns-cp","version":")"));
  EXPECT_EQ(ask("PUT", "/").allow, "GET");
}

TEST_F(ApiTest, TakesWhatKumasToolsSendAlong) {
  std::string sent = dataplane("web-1");
  sent.insert(1, R"("kri":"kri_dp_default__web-1_","creationTime":"0001-01-01T00:00:00Z",)");
  EXPECT_EQ(put("web-1", sent).status, 201U);
  EXPECT_THAT(ask("GET", kWeb).body, Not(HasSubstr("kri")));
}

TEST_F(ApiTest, TakesYamlToo) {
  EXPECT_EQ(put("web-1",
                "type: Dataplane\nmesh: default\nname: web-1\nnetworking:\n  address: 192.0.2.1\n")
                .status,
            201U);
}

TEST_F(ApiTest, HasAfterARestartWhatItTook) {
  ASSERT_EQ(put("web-1", dataplane("web-1")).status, 201U);
  ASSERT_EQ(put("web-2", dataplane("web-2")).status, 201U);
  ASSERT_EQ(ask("DELETE", "/meshes/default/dataplanes/web-2").status, 200U);
  const std::string told = ask("GET", kWeb).body;
  start();
  EXPECT_EQ(ask("GET", kWeb).body, told);
  EXPECT_EQ(store_->dataplanes(), 1U);
  EXPECT_THAT(entities_->problems(), IsEmpty());
}

// What it takes it must know after a restart.
TEST_F(ApiTest, RefusesWhatItCouldNotReadBack) {
  const std::string body = "type: Dataplane\nname: web-1\nnetworking: {address: 192.0.2.1}\n";
  // What is two octets in YAML is six in JSON.
  std::string bells;
  for (int i = 0; i < 50'000; ++i) {
    bells += R"(\a)";
  }
  const HttpAnswer too_long = put("web-1", body + "probes: \"" + bells + "\"\n");
  EXPECT_EQ(too_long.status, 400U);
  EXPECT_THAT(too_long.body, HasSubstr("it cannot be kept: the document is longer than"));
  const HttpAnswer endless = put("web-1", body + "probes: &a [*a]\n");
  EXPECT_EQ(endless.status, 400U);
  EXPECT_THAT(endless.body, HasSubstr("lists and maps in each other"));
  EXPECT_EQ(entities_->size(), 0U);
}

TEST_F(ApiTest, NamesEachFieldThatIsWrongAndTakesNothing) {
  const HttpAnswer answer =
      put("web-1", R"({"type":"Dataplane","name":"other","networking":{"address":"nowhere!",)"
                   R"("inbound":[{"port":99999}],"extra":1}})");
  EXPECT_EQ(answer.status, 400U);
  EXPECT_THAT(answer.body,
              AllOf(HasSubstr(R"("title":"Could not process a resource","status":400)"),
                    HasSubstr(R"({"field":"networking","reason":"'extra' is no key of networking)"),
                    HasSubstr(R"({"field":"networking.address","reason":"address: 'nowhere!')"),
                    HasSubstr(R"({"field":"networking.inbound[0].port","reason":"port: '99999')"),
                    HasSubstr(R"({"field":"networking.inbound[0].tags","reason":"tags: )"),
                    HasSubstr(R"({"field":"name","reason":"name from the URL has to be)")));
  EXPECT_EQ(store_->dataplanes(), 0U);
}

TEST_F(ApiTest, RefusesABodyThatIsNoEntityOfThePath) {
  for (const std::string body :
       {"", "null", "[]", "1", "{", "\"", "a: [", R"({"type":"Mesh","name":"web-1"})", "\xff\xfe",
        "&a [*a]", "? [a]\n: b"}) {
    EXPECT_EQ(put("web-1", body).status, 400U) << body;
  }
  EXPECT_EQ(put("web-1", dataplane("web-1", "other")).status, 400U);
  EXPECT_EQ(put("web-1", dataplane("web-2")).status, 400U);
  EXPECT_EQ(put("web-1", dataplane("web-1") + "\n---\n" + dataplane("web-1")).status, 400U);
  EXPECT_EQ(put("web-1", std::string(100'000, '[')).status, 400U);
  EXPECT_EQ(put("web-1", R"({"name":"web-1",)" + dataplane("web-1").substr(1)).status, 400U)
      << "a key that stands twice";
  EXPECT_EQ(entities_->size(), 0U);
}

TEST_F(ApiTest, ListsByMeshAndByPage) {
  ASSERT_EQ(put("a", dataplane("a")).status, 201U);
  ASSERT_EQ(put("b", dataplane("b")).status, 201U);
  ASSERT_EQ(ask("PUT", "/meshes/other/dataplanes/c", dataplane("c", "other")).status, 201U);
  EXPECT_THAT(ask("GET", "/dataplanes").body,
              AllOf(HasSubstr(R"({"total":3,"items":[{)"), HasSubstr(R"("next":null})")));
  EXPECT_THAT(ask("GET", "/meshes/other/dataplanes").body,
              AllOf(HasSubstr(R"({"total":1,)"), HasSubstr(R"("name":"c")")));
  EXPECT_EQ(ask("GET", "/meshes/none/dataplanes").body,
            "{\"total\":0,\"items\":[],\"next\":null}\n");
  EXPECT_THAT(ask("GET", "/dataplanes?size=2").body,
              AllOf(HasSubstr(R"("name":"b")"), Not(HasSubstr(R"("name":"c")")),
                    HasSubstr(R"("next":"http://127.0.0.1:5681/dataplanes?offset=2&size=2")")));
  EXPECT_THAT(ask("GET", "/dataplanes?offset=2&size=2").body,
              AllOf(HasSubstr(R"("name":"c")"), HasSubstr(R"("next":null)")));
  EXPECT_THAT(ask("GET", "/dataplanes?offset=99").body, HasSubstr(R"("total":3,"items":[])"));
}

TEST_F(ApiTest, RefusesPagesThatAreNone) {
  EXPECT_EQ(ask("GET", "/dataplanes?size=1000").status, 200U);
  for (const std::string query : {"size=0", "size=1001", "size=-1", "size=x", "size=", "size=%31%",
                                  "offset=-1", "offset=99999999999999999999", "offset=a"}) {
    const HttpAnswer answer = ask("GET", "/dataplanes?" + query);
    EXPECT_EQ(answer.status, 400U) << query;
    EXPECT_THAT(answer.body, HasSubstr("invalid_parameters")) << query;
  }
}

TEST_F(ApiTest, SaysWhichMethodsAPathHas) {
  const HttpAnswer one = ask("POST", kWeb);
  EXPECT_EQ(one.status, 405U);
  EXPECT_EQ(one.allow, "GET, PUT, DELETE");
  EXPECT_EQ(ask("PUT", "/meshes/default/dataplanes").allow, "GET");
  EXPECT_EQ(ask("OPTIONS", "/dataplanes").status, 405U);
  for (const std::string path :
       {"/meshes", "/meshes/default", "/meshes/default/dataplanes/", "/meshes//dataplanes",
        "/meshes/default/dataplanes/a/b", "/meshes/default/dataplanes/%zz",
        "/meshes/default/secrets/a", "*"}) {
    EXPECT_EQ(ask("GET", path).status, 404U) << path;
  }
}

TEST_F(ApiTest, UnescapesThePath) {
  EXPECT_EQ(ask("PUT", "/meshes/default/dataplanes/web%2D1", dataplane("web-1")).status, 201U);
  EXPECT_EQ(ask("GET", kWeb).status, 200U);
}

// DNS rebinding, and pages that send requests to others.
TEST_F(ApiTest, AnswersNoPageOfOthers) {
  const auto status = [&](const std::string& host, const std::string& origin) {
    return ask({.method = "GET",
                .path = "/dataplanes",
                .query = {},
                .host = host,
                .origin = origin,
                .content_type = {},
                .body = {}})
        .status;
  };
  EXPECT_EQ(status("127.0.0.1:5681", ""), 200U);
  EXPECT_EQ(status("localhost:5681", ""), 200U);
  EXPECT_EQ(status("localhost", "http://localhost"), 200U);
  EXPECT_EQ(status("[::1]:5681", "http://[::1]:5681"), 200U);
  EXPECT_EQ(status("192.0.2.1", ""), 200U);
  for (const std::string host : {"evil.example.org:5681", "localhost.example.org", "[", "[]", ":",
                                 "127.0.0.1.example.org", "[::1", " "}) {
    EXPECT_EQ(status(host, ""), 403U) << host;
  }
  EXPECT_EQ(status("127.0.0.1:5681", "http://evil.example.org"), 403U);
  EXPECT_EQ(status("127.0.0.1:5681", "null"), 403U);
  EXPECT_EQ(status("127.0.0.1:5681", "https://127.0.0.1:5681"), 403U);
}

TEST_F(ApiTest, TellsWhatCountsWhereverItComesFrom) {
  tell({SourceKind::kDirectory, "mesh/web.yaml"}, dataplane("web-1", "default", 1));
  EXPECT_THAT(ask("GET", kWeb).body,
              AllOf(HasSubstr(R"("port":1,)"), Not(HasSubstr("creationTime"))));
  const HttpAnswer shadowed = put("web-1", dataplane("web-1", "default", 2));
  EXPECT_EQ(shadowed.status, 201U);
  EXPECT_EQ(shadowed.body,
            R"({"warnings":["stored, but does not count: it is at mesh/web.yaml:7"]})"
            "\n");
  EXPECT_THAT(ask("GET", kWeb).body, HasSubstr(R"("port":1,)"));
  EXPECT_THAT(store_->problems(),
              ElementsAre("the API: the dataplane default/web-1 is already at mesh/web.yaml:7"));
  EXPECT_EQ(ask("DELETE", kWeb).status, 200U);
  const HttpAnswer not_ours = ask("DELETE", kWeb);
  EXPECT_EQ(not_ours.status, 409U);
  EXPECT_THAT(not_ours.body, HasSubstr("it is at mesh/web.yaml:7"));
}

TEST_F(ApiTest, ChangesNothingThatItCannotStore) {
  ASSERT_EQ(put("web-1", dataplane("web-1")).status, 201U);
  const std::string told = ask("GET", "/dataplanes").body;
  files_.set_fault(
      [](FileStep step, std::uint64_t) { return step == FileStep::kWrite ? ENOSPC : 0; });
  EXPECT_EQ(put("web-1", dataplane("web-1", "default", 81)).status, 507U);
  EXPECT_EQ(put("web-2", dataplane("web-2")).status, 507U);
  EXPECT_EQ(ask("DELETE", kWeb).status, 507U);
  files_.set_fault([](FileStep step, std::uint64_t) { return step == FileStep::kSync ? EIO : 0; });
  EXPECT_EQ(put("web-2", dataplane("web-2")).status, 500U);
  EXPECT_EQ(ask("GET", "/dataplanes").body, told);
  files_.set_fault({});
  start();
  EXPECT_EQ(ask("GET", "/dataplanes").body, told);
  EXPECT_EQ(put("web-2", dataplane("web-2")).status, 201U);
}

TEST_F(ApiTest, TakesNoChangesWithoutAFolderAndGoesOnTelling) {
  files_.set_fault(
      [](FileStep step, std::uint64_t) { return step == FileStep::kOpen ? EACCES : 0; });
  start();
  tell({SourceKind::kDirectory, "mesh/web.yaml"}, dataplane("web-1"));
  EXPECT_EQ(put("web-2", dataplane("web-2")).status, 503U);
  EXPECT_EQ(ask("DELETE", kWeb).status, 503U);
  EXPECT_EQ(ask("GET", kWeb).status, 200U);
  EXPECT_THAT(entities_->problems(), ElementsAre(HasSubstr("the API takes no changes: ")));
}

TEST_F(ApiTest, MakesChangesInTheirOrder) {
  std::string statuses;
  const HttpRequest put_it{.method = "PUT",
                           .path = kWeb,
                           .query = {},
                           .host = "localhost",
                           .origin = {},
                           .content_type = {},
                           .body = dataplane("web-1")};
  HttpRequest delete_it = put_it;
  delete_it.method = "DELETE";
  int waiting = 0;
  for (const HttpRequest& request : {put_it, put_it, delete_it, delete_it, put_it}) {
    ++waiting;
    api_->handle(request, [&](const HttpAnswer& answer) {
      statuses += std::to_string(answer.status) + " ";
      --waiting;
    });
  }
  while (waiting > 0) {
    io_.run_one();
  }
  EXPECT_EQ(statuses, "201 200 200 404 201 ");
}

TEST_F(ApiTest, KeepsWhatThisVersionCannotReadUntilItIsPutAnew) {
  {
    const auto log = EntityLog::open(folder_.path(), files_).value();
    ASSERT_TRUE(log->store("Dataplane/default/web-1", std::make_shared<const StoredEntity>(
                                                          StoredEntity{"then then", "\"a\":1"})));
    ASSERT_TRUE(log->store("Comet/default/halley",
                           std::make_shared<const StoredEntity>(StoredEntity{"", "\"a\":1"})));
  }
  entities_ = std::make_unique<ApiStore>(io_, *store_, clock_, logs_->logger("control"));
  entities_->load(folder_.path(), files_);
  api_ = std::make_unique<Api>(*entities_, *store_);
  EXPECT_THAT(entities_->problems(),
              ElementsAre(HasSubstr("Comet/default/halley"),
                          HasSubstr("Dataplane/default/web-1: 'a' is no key")));
  EXPECT_EQ(ask("GET", kWeb).status, 404U);
  EXPECT_EQ(put("web-1", dataplane("web-1")).status, 200U);
  EXPECT_THAT(entities_->problems(), ElementsAre(HasSubstr("Comet/default/halley")));
  EXPECT_EQ(ask("DELETE", kWeb).status, 200U);
}

TEST_F(ApiTest, HasExternalServicesAndHostnameGeneratorsToo) {
  const std::string service =
      R"({"type":"ExternalService","mesh":"default","name":"web-1",)"
      R"("tags":{"kuma.io/service":"pay"},"networking":{"address":"192.0.2.7:443"}})";
  const std::string generator = R"({"type":"HostnameGenerator","name":"local",)"
                                R"("spec":{"template":"{{ .DisplayName }}.svc.mesh.local"}})";
  EXPECT_EQ(put("web-1", dataplane("web-1")).status, 201U);
  EXPECT_EQ(ask("PUT", "/meshes/default/external-services/web-1", service).status, 201U)
      << "of the same name, and another kind";
  EXPECT_EQ(ask("PUT", "/hostnamegenerators/local", generator).status, 201U);
  EXPECT_EQ(store_->dataplanes(), 1U);
  EXPECT_EQ(store_->services(), 2U);
  start();
  EXPECT_THAT(ask("GET", "/external-services").body,
              AllOf(HasSubstr(R"("total":1,)"), HasSubstr(R"("address":"192.0.2.7:443")")));
  EXPECT_THAT(ask("GET", "/hostnamegenerators/local").body,
              AllOf(HasSubstr(R"({"type":"HostnameGenerator","name":"local","creationTime")"),
                    Not(HasSubstr("mesh\":"))));
  EXPECT_THAT(ask("GET", "/dataplanes").body, HasSubstr(R"("total":1,)"));
  EXPECT_EQ(ask("PUT", "/meshes/default/external-services/web-1", dataplane("web-1")).status, 400U);
  EXPECT_EQ(ask("GET", "/meshes/default/hostnamegenerators/local").status, 404U);
  EXPECT_EQ(ask("GET", "/external-services/web-1").status, 404U);
  EXPECT_EQ(ask("DELETE", "/hostnamegenerators/local").status, 200U);
  EXPECT_EQ(ask("DELETE", "/meshes/default/external-services/web-1").status, 200U);
  EXPECT_EQ(ask("GET", kWeb).status, 200U);
}

}  // namespace
}  // namespace meshdns::discovery
