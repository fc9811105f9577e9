// A stream's server side without the stream: bytes in, bytes out.
#include "discovery/xds/server_session.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/metrics.h"
#include "base/result.h"
#include "discovery/xds/ads_server.h"
#include "discovery/xds/metrics.h"
#include "discovery/xds/node.h"
#include "discovery/xds/request.h"
#include "discovery/xds/resource.h"
#include "discovery/xds/resource_set.h"
#include "discovery/xds/stream_status.h"
#include "discovery/xds/type_table.h"
#include "discovery/xds/type_urls.h"
#include "envoy/service/discovery/v3/discovery.pb.h"
#include "tests/discovery/xds/xds_fixture.h"

namespace meshdns::discovery {
namespace {

using envoy::service::discovery::v3::DeltaDiscoveryRequest;
using envoy::service::discovery::v3::DeltaDiscoveryResponse;
using envoy::service::discovery::v3::DiscoveryRequest;
using envoy::service::discovery::v3::DiscoveryResponse;
using testing::ElementsAre;
using testing::HasSubstr;

const std::string kService{kServiceTypeUrl};

std::string bytes_of(const EncodedResponse& response) {
  std::string bytes = response.head;
  for (const SharedBytes& part : response.resources) {
    bytes += part.bytes;
  }
  EXPECT_EQ(bytes.size(), response.size());
  return bytes;
}

class Session : public testing::Test {
 protected:
  void open(XdsVariant variant, const SessionTerms& terms = {}) {
    session = std::make_unique<ServerSession>(variant, options, audience_for, log.logger(), metrics,
                                              terms);
  }

  Result<void> receive(const google::protobuf::MessageLite& request) {
    return session->receive(request.SerializeAsString());
  }
  Result<void> ask(std::string_view type_url, const std::string& nonce = "") {
    DiscoveryRequest request;
    request.set_type_url(std::string(type_url));
    request.set_response_nonce(nonce);
    return receive(request);
  }

  // The next response's type and nonce, "" when there is none.
  std::string next_type() {
    const auto response = session->next();
    if (!response || !*response) {
      return "";
    }
    DiscoveryResponse message;
    EXPECT_TRUE(message.ParseFromString(bytes_of(**response)));
    last_nonce = message.nonce();
    return message.type_url();
  }

  AdsServer::Options options;
  std::shared_ptr<ResourceSet> resources = std::make_shared<ResourceSet>();
  NodeInfo seen;
  AdsServer::AudienceFor audience_for = [this](const NodeInfo& node) {
    seen = node;
    return resources;
  };
  TestLog log;
  MetricRegistry registry;
  XdsServerMetrics metrics{registry};
  std::unique_ptr<ServerSession> session;
  std::string last_nonce;
};

TEST_F(Session, ASotwResponseIsAMessageAsProtobufReadsIt) {
  resources->apply({{kService, "default/web", "value"}}, {});
  open(XdsVariant::kSotw);
  ASSERT_TRUE(ask(kService));
  const auto response = session->next();
  ASSERT_TRUE(response && *response);
  DiscoveryResponse message;
  ASSERT_TRUE(message.ParseFromString(bytes_of(**response)));
  EXPECT_EQ(message.type_url(), kService);
  EXPECT_EQ(message.nonce(), "1");
  EXPECT_EQ(message.version_info().size(), 16U);
  EXPECT_EQ(message.control_plane().identifier(), "meshdns-cp");
  ASSERT_EQ(message.resources_size(), 1);
  EXPECT_EQ(message.resources(0).value(), "value");
  EXPECT_EQ(metrics.response_bytes.value(), (*response)->size());
}

TEST_F(Session, ItsStatusTellsWhatWasAskedSentTakenAndRefused) {
  resources->apply({{kService, "default/web", "value"}}, {});
  open(XdsVariant::kSotw);
  EXPECT_TRUE(session->status().types.empty());
  DiscoveryRequest first;
  first.mutable_node()->set_id("default.client");
  first.mutable_node()->mutable_locality()->set_zone("east");
  first.set_type_url(kService);
  first.add_resource_names("default/web");
  ASSERT_TRUE(receive(first));
  EXPECT_EQ(session->status().node, "default.client");
  EXPECT_EQ(session->status().zone, "east");
  TypeStatus type = session->status().types.at(0);
  EXPECT_EQ(type.type_url, kService);
  EXPECT_FALSE(type.wildcard);
  EXPECT_EQ(type.names, 1U);
  EXPECT_EQ(type.sent_nonce, "");
  EXPECT_GT(type.lag, 0U);

  ASSERT_EQ(next_type(), kService);
  type = session->status().types.at(0);
  EXPECT_EQ(type.sent_nonce, "1");
  EXPECT_EQ(type.acknowledged_nonce, "");
  EXPECT_TRUE(type.awaits_ack);
  EXPECT_EQ(type.lag, 0U);
  const std::string first_version = type.sent_version;

  DiscoveryRequest ack = first;
  ack.set_response_nonce("1");
  ASSERT_TRUE(receive(ack));
  EXPECT_EQ(session->status().types.at(0).acknowledged_version, first_version);
  EXPECT_FALSE(session->status().types.at(0).awaits_ack);

  resources->apply({{kService, "default/web", "worse"}}, {});
  EXPECT_EQ(session->status().types.at(0).lag, 1U);
  ASSERT_EQ(next_type(), kService);
  DiscoveryRequest nack = first;
  nack.set_response_nonce("2");
  nack.mutable_error_detail()->set_message(std::string(100'000, 'n'));
  ASSERT_TRUE(receive(nack));
  type = session->status().types.at(0);
  EXPECT_EQ(type.nack_nonce, "2");
  EXPECT_EQ(type.nack_text, std::string(512, 'n'));
  EXPECT_EQ(type.sent_nonce, "2");
  EXPECT_EQ(type.acknowledged_version, first_version);
  EXPECT_FALSE(type.awaits_ack);
}

TEST_F(Session, ADeltaResponseIsAMessageAsProtobufReadsIt) {
  resources->apply({{kService, "default/web", "value"}}, {});
  open(XdsVariant::kDelta);
  DeltaDiscoveryRequest request;
  request.set_type_url(kService);
  (*request.mutable_initial_resource_versions())["default/gone"] = "1";
  ASSERT_TRUE(receive(request));
  const auto response = session->next();
  ASSERT_TRUE(response && *response);
  DeltaDiscoveryResponse message;
  ASSERT_TRUE(message.ParseFromString(bytes_of(**response)));
  EXPECT_EQ(message.type_url(), kService);
  EXPECT_EQ(message.nonce(), "1");
  EXPECT_EQ(message.control_plane().identifier(), "meshdns-cp");
  EXPECT_THAT(message.removed_resources(), ElementsAre("default/gone"));
  ASSERT_EQ(message.resources_size(), 1);
  EXPECT_EQ(message.resources(0).name(), "default/web");
}

TEST_F(Session, TheTypesComeInOrderWhateverTheOrderOfTheQuestions) {
  open(XdsVariant::kSotw);
  const std::vector<std::string_view> asked = {kServiceTypeUrl, kListenerTypeUrl, kClusterTypeUrl};
  for (const std::string_view type : asked) {
    ASSERT_TRUE(ask(type));
  }
  EXPECT_EQ(next_type(), kClusterTypeUrl);
  EXPECT_EQ(next_type(), kListenerTypeUrl);
  EXPECT_EQ(next_type(), kServiceTypeUrl);
  EXPECT_EQ(next_type(), "");
}

TEST_F(Session, OneTypeWithoutItsAckDoesNotHoldUpTheOthers) {
  open(XdsVariant::kSotw);
  ASSERT_TRUE(ask(kClusterTypeUrl));
  ASSERT_TRUE(ask(kServiceTypeUrl));
  next_type();
  next_type();
  const std::string service_nonce = last_nonce;
  resources->apply({{std::string(kClusterTypeUrl), "c", "1"}, {kService, "s", "1"}}, {});
  EXPECT_EQ(next_type(), "");
  ASSERT_TRUE(ask(kServiceTypeUrl, service_nonce));
  EXPECT_EQ(next_type(), kServiceTypeUrl);
}

// xDS protocol, "Resource warming": a changed cluster is not used before endpoints come after it,
// though they be the same.
TEST_F(Session, TheEndpointsOfAChangedClusterAreToldAgain) {
  const std::string clusters{kClusterTypeUrl};
  const std::string endpoints{kClusterLoadAssignmentTypeUrl};
  for (const XdsVariant variant : {XdsVariant::kSotw, XdsVariant::kDelta}) {
    SCOPED_TRACE(variant == XdsVariant::kSotw ? "state of the world" : "delta");
    resources = std::make_shared<ResourceSet>();
    resources->apply({{clusters, "a", "1"},
                      {clusters, "b", "1"},
                      {endpoints, "a", "at a"},
                      {endpoints, "b", "at b"}},
                     {});
    open(variant);
    const auto next = [&](std::string_view type_url) {
      const auto response = session->next();
      std::vector<std::string> names;
      if (!response || !*response) {
        return names;
      }
      // Both variants have type and nonce in the same fields.
      DiscoveryResponse message;
      EXPECT_TRUE(message.ParseFromString(bytes_of(**response)));
      EXPECT_EQ(message.type_url(), type_url);
      last_nonce = message.nonce();
      for (const auto& resource : (*response)->resources) {
        names.emplace_back(resource.bytes);
      }
      return names;
    };
    const auto request = [&](const std::string& type_url, const std::vector<std::string>& names) {
      DiscoveryRequest sotw;
      DeltaDiscoveryRequest delta;
      sotw.set_type_url(type_url);
      delta.set_type_url(type_url);
      sotw.set_response_nonce(last_nonce);
      delta.set_response_nonce(last_nonce);
      for (const std::string& name : names) {
        sotw.add_resource_names(name);
        if (last_nonce.empty()) {
          delta.add_resource_names_subscribe(name);
        }
      }
      ASSERT_TRUE(variant == XdsVariant::kSotw ? receive(sotw) : receive(delta));
    };
    last_nonce.clear();
    request(clusters, {});
    EXPECT_THAT(next(clusters), testing::Not(testing::IsEmpty()));
    request(clusters, {});
    last_nonce.clear();
    request(endpoints, {"a", "b"});
    EXPECT_THAT(next(endpoints), ElementsAre(HasSubstr("at a"), HasSubstr("at b")));
    request(endpoints, {"a", "b"});

    resources->apply({{clusters, "b", "2"}}, {});
    EXPECT_THAT(next(clusters), testing::Contains(HasSubstr("2")));
    EXPECT_THAT(next(endpoints), ElementsAre(HasSubstr("at b"))) << "and not those of a";
    EXPECT_THAT(next(""), testing::IsEmpty());
  }
}

TEST_F(Session, NoncesOfOneTypeAreStaleForAnother) {
  open(XdsVariant::kSotw);
  ASSERT_TRUE(ask(kClusterTypeUrl));
  ASSERT_TRUE(ask(kServiceTypeUrl));
  next_type();
  const std::string cluster_nonce = last_nonce;
  next_type();
  EXPECT_NE(last_nonce, cluster_nonce) << "unique within the stream";
  ASSERT_TRUE(ask(kServiceTypeUrl, cluster_nonce));
  EXPECT_EQ(metrics.acks.of(kService).value(), 0U);
}

TEST_F(Session, AnUnknownTypeIsNotAnsweredAndHarmsNobody) {
  for (const XdsVariant variant : {XdsVariant::kSotw, XdsVariant::kDelta}) {
    open(variant);
    DeltaDiscoveryRequest delta;
    delta.set_type_url("type.googleapis.com/example.Unknown");
    EXPECT_TRUE(variant == XdsVariant::kSotw ? ask("type.googleapis.com/example.Unknown")
                                             : receive(delta));
    EXPECT_EQ(next_type(), "");
    delta.set_type_url(kService);
    EXPECT_TRUE(variant == XdsVariant::kSotw ? ask(kService) : receive(delta));
    EXPECT_NE(next_type(), "");
  }
}

TEST_F(Session, OnlyTheFirstNodeCounts) {
  open(XdsVariant::kSotw);
  DiscoveryRequest request;
  request.set_type_url(kService);
  request.mutable_node()->set_id("default.first");
  request.mutable_node()->mutable_locality()->set_zone("east");
  request.mutable_node()->set_user_agent_name("example");
  request.mutable_node()->set_user_agent_version("1.2");
  auto& metadata = *request.mutable_node()->mutable_metadata()->mutable_fields();
  metadata["mesh"].set_string_value("default");
  metadata["number"].set_number_value(5);
  ASSERT_TRUE(receive(request));
  EXPECT_EQ(seen.zone, "east");
  EXPECT_EQ(seen.user_agent, "example/1.2");
  EXPECT_THAT(seen.metadata, ElementsAre(testing::Pair("mesh", "default")));

  request.mutable_node()->set_id("default.second");
  ASSERT_TRUE(receive(request));
  EXPECT_EQ(session->node().id, "default.first");
}

TEST_F(Session, ANackIsCountedAndItsTextLoggedWithoutForgingALine) {
  open(XdsVariant::kSotw);
  ASSERT_TRUE(ask(kService));
  next_type();
  DiscoveryRequest nack;
  nack.set_type_url(kService);
  nack.set_response_nonce(last_nonce);
  nack.mutable_error_detail()->set_message("default/web: \"bad\"\nerror all is well");
  ASSERT_TRUE(receive(nack));
  EXPECT_EQ(metrics.nacks.of(kService).value(), 1U);
  EXPECT_EQ(metrics.acks.of(kService).value(), 0U);
  EXPECT_THAT(log.text(), HasSubstr("default/web: \\034bad\\034\\010error all is well"));
}

struct RefusalCase {
  std::string what;
  std::string request;  // delta
  ErrorCode want;
};

TEST_F(Session, RefusesWhatIsWrongOrTooMuch) {
  options.max_names = 3;
  options.max_types = 2;
  options.max_node_bytes = 100;
  const DeltaDiscoveryRequest no_type;
  DeltaDiscoveryRequest many_names;
  DeltaDiscoveryRequest many_versions;
  DeltaDiscoveryRequest big_node;
  for (DeltaDiscoveryRequest* const request : {&many_names, &many_versions, &big_node}) {
    request->set_type_url(kService);
  }
  big_node.mutable_node()->set_id(std::string(101, 'x'));
  for (const std::string name : {"a", "b", "c", "d"}) {
    many_names.add_resource_names_unsubscribe(name);
    (*many_versions.mutable_initial_resource_versions())[name] = "1";
  }
  const std::vector<RefusalCase> cases = {
      {"garbage", "\xff\xff\xff", ErrorCode::kInvalidArgument},
      {"no type_url", no_type.SerializeAsString(), ErrorCode::kInvalidArgument},
      {"too many names", many_names.SerializeAsString(), ErrorCode::kExhausted},
      {"too many versions", many_versions.SerializeAsString(), ErrorCode::kExhausted},
      {"too big a node", big_node.SerializeAsString(), ErrorCode::kExhausted},
  };
  for (const RefusalCase& row : cases) {
    open(XdsVariant::kDelta);
    const auto received = session->receive(row.request);
    ASSERT_FALSE(received) << row.what;
    EXPECT_EQ(received.error().code, row.want) << row.what;
  }
  EXPECT_EQ(metrics.streams_refused.value(), cases.size());
}

// Else a client of a large mesh could connect once and never again.
TEST_F(Session, TakesBackAClientThatHoldsMoreThanTheLimitBecauseThereIsMore) {
  options.max_names = 3;
  DeltaDiscoveryRequest request;
  request.set_type_url(kService);
  const auto hold = [&](int from, int to) {
    for (int i = from; i < to; ++i) {
      (*request.mutable_initial_resource_versions())["default/s" + std::to_string(i)] = "1";
    }
  };
  for (int i = 0; i < 10; ++i) {
    resources->apply({{kService, "default/s" + std::to_string(i), "value"}}, {});
  }
  hold(0, 20);
  open(XdsVariant::kDelta);
  ASSERT_TRUE(receive(request));
  const auto response = session->next();
  ASSERT_TRUE(response && *response);
  DeltaDiscoveryResponse message;
  ASSERT_TRUE(message.ParseFromString(bytes_of(**response)));
  EXPECT_EQ(message.resources_size(), 10);
  EXPECT_EQ(message.removed_resources_size(), 10);
  hold(20, 21);
  open(XdsVariant::kDelta);
  const auto refused = receive(request);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message, "21 versions in one request, more than 20");
}

TEST_F(Session, NamesAddedByManyRequestsAreBoundedToo) {
  options.max_names = 10;
  open(XdsVariant::kDelta);
  Result<void> received;
  int requests = 0;
  for (; received && requests < 100; ++requests) {
    DeltaDiscoveryRequest request;
    request.set_type_url(std::string(kClusterLoadAssignmentTypeUrl));
    request.add_resource_names_subscribe("name" + std::to_string(requests));
    received = receive(request);
  }
  EXPECT_FALSE(received);
  EXPECT_LT(requests, 30);
}

TEST_F(Session, TypesAreBounded) {
  options.max_types = 2;
  open(XdsVariant::kSotw);
  EXPECT_TRUE(ask("a"));
  EXPECT_TRUE(ask("b"));
  EXPECT_TRUE(ask("a"));
  const auto received = ask("c");
  ASSERT_FALSE(received);
  EXPECT_EQ(received.error().code, ErrorCode::kExhausted);
}

TEST_F(Session, WhileAWriteIsOutstandingNoOldBodyIsKept) {
  std::vector<ResourceUpdate> updates;
  for (int i = 0; i < 8; ++i) {
    updates.push_back({kService, "default/s" + std::to_string(i), std::string(300'000, 'v')});
  }
  resources->apply(updates, {});
  open(XdsVariant::kDelta);
  DeltaDiscoveryRequest request;
  request.set_type_url(kService);
  ASSERT_TRUE(receive(request));
  const auto being_written = session->next();
  ASSERT_TRUE(being_written && *being_written);
  std::weak_ptr<const TypeTable::Body> body;
  resources->read(kService, [&](const TypeTable& table) { body = table.delta_body(); });
  session->let_go_of_old_bytes();
  EXPECT_FALSE(body.expired());
  resources->apply({{kService, "default/s0", "new"}}, {});
  session->let_go_of_old_bytes();
  EXPECT_TRUE(body.expired());
}

TEST_F(Session, AClientTooFarBehindMustBeginAgain) {
  open(XdsVariant::kDelta);
  DeltaDiscoveryRequest request;
  request.set_type_url(kService);
  ASSERT_TRUE(receive(request));
  ASSERT_EQ(next_type(), kService);
  for (int i = 0; i < 5000; ++i) {
    const std::string name = "default/s" + std::to_string(i);
    resources->apply({{kService, name, "v"}}, {});
    resources->apply({}, {{kService, name}});
  }
  const auto response = session->next();
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, ErrorCode::kUnavailable);
}

TEST_F(Session, NothingIsSentBeforeTheFirstRequest) {
  resources->apply({{kService, "a", "1"}}, {});
  open(XdsVariant::kDelta);
  EXPECT_EQ(next_type(), "");
}

TEST_F(Session, OfAServiceForOneTypeNeedsNoTypeAndTakesNoOther) {
  open(XdsVariant::kSotw, {.identity = nullptr, .only_type = kClusterTypeUrl});
  ASSERT_TRUE(ask(""));
  EXPECT_EQ(next_type(), kClusterTypeUrl) << "told, though it was not asked by name";
  ASSERT_TRUE(ask(kClusterTypeUrl, last_nonce));
  EXPECT_EQ(session->status().types.size(), 1);
  EXPECT_EQ(session->status().types.front().acknowledged_nonce, last_nonce);
  const auto refused = ask(kListenerTypeUrl);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(refused.error().message,
              HasSubstr("is for type.googleapis.com/envoy.config.cluster"));
}

}  // namespace
}  // namespace meshdns::discovery
