// What the client status discovery service makes of streams, octets in and octets out.
#include "discovery/xds/client_status.h"

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/result.h"
#include "discovery/xds/stream_status.h"
#include "discovery/xds/type_urls.h"
#include "envoy/admin/v3/config_dump_shared.pb.h"
#include "envoy/service/status/v3/csds.pb.h"

namespace meshdns::discovery {
namespace {

namespace admin = envoy::admin::v3;
namespace status = envoy::service::status::v3;

using testing::HasSubstr;

using GenericXdsConfig = status::ClientConfig::GenericXdsConfig;

status::ClientStatusResponse shown(const std::vector<StreamStatus>& streams) {
  status::ClientStatusResponse response;
  EXPECT_TRUE(response.ParseFromString(encode_client_status(streams)));
  return response;
}

// What is said of a stream's only type.
GenericXdsConfig shown(TypeStatus type) {
  StreamStatus stream;
  stream.types.push_back(std::move(type));
  const status::ClientStatusResponse response = shown(std::vector{stream});
  EXPECT_EQ(response.config_size(), 1);
  EXPECT_EQ(response.config(0).generic_xds_configs_size(), 1);
  return response.config(0).generic_xds_configs(0);
}

// A response that was sent as version "v10" under the nonce "10".
TypeStatus sent() {
  return {.type_url = std::string(kClusterTypeUrl), .sent_version = "v10", .sent_nonce = "10"};
}

TEST(ClientStatus, OfNoStreamIsEmpty) {
  EXPECT_EQ(shown(std::vector<StreamStatus>{}).config_size(), 0);
}

TEST(ClientStatus, SaysWhoTheClientIsAndOfEachTypeWhatItWasSent) {
  StreamStatus stream{
      .node = "default.a", .zone = "east", .user_agent = "envoy/1.30", .types = {sent(), sent()}};
  stream.types.back().type_url = kListenerTypeUrl;
  const auto response = shown({stream, StreamStatus{}});
  ASSERT_EQ(response.config_size(), 2);
  const status::ClientConfig& config = response.config(0);
  EXPECT_EQ(config.node().id(), "default.a");
  EXPECT_EQ(config.node().locality().zone(), "east");
  EXPECT_EQ(config.node().user_agent_name(), "envoy/1.30");
  ASSERT_EQ(config.generic_xds_configs_size(), 2);
  EXPECT_EQ(config.generic_xds_configs(0).type_url(), kClusterTypeUrl);
  EXPECT_EQ(config.generic_xds_configs(0).version_info(), "v10");
  EXPECT_FALSE(config.generic_xds_configs(0).has_xds_config()) << "never what is in it";
  EXPECT_EQ(config.generic_xds_configs(1).type_url(), kListenerTypeUrl);
  EXPECT_EQ(response.config(1).generic_xds_configs_size(), 0) << "it has not asked yet";
}

TEST(ClientStatus, OfATypeThatNothingWasSentOfIsNotSent) {
  const GenericXdsConfig config = shown(TypeStatus{.type_url = std::string(kClusterTypeUrl)});
  EXPECT_EQ(config.config_status(), status::NOT_SENT);
  EXPECT_EQ(config.client_status(), admin::REQUESTED);
  EXPECT_FALSE(config.has_error_state());
}

TEST(ClientStatus, OfAnAnswerThatIsOpenIsStale) {
  TypeStatus type = sent();
  type.awaits_ack = true;
  EXPECT_EQ(shown(type).config_status(), status::STALE);
  EXPECT_EQ(shown(type).client_status(), admin::REQUESTED);
  // What it took before it still holds.
  type.acknowledged_nonce = "9";
  EXPECT_EQ(shown(type).config_status(), status::STALE);
  EXPECT_EQ(shown(type).client_status(), admin::ACKED);
}

TEST(ClientStatus, OfWhatTheClientTookIsSyncedUntilThereAreChanges) {
  TypeStatus type = sent();
  type.acknowledged_version = type.sent_version;
  type.acknowledged_nonce = type.sent_nonce;
  EXPECT_EQ(shown(type).config_status(), status::SYNCED);
  EXPECT_EQ(shown(type).client_status(), admin::ACKED);
  type.lag = 1;
  EXPECT_EQ(shown(type).config_status(), status::STALE);
  EXPECT_EQ(shown(type).client_status(), admin::ACKED);
}

TEST(ClientStatus, OfWhatTheClientRefusedIsAnErrorInItsWords) {
  TypeStatus type = sent();
  type.acknowledged_nonce = "9";  // an earlier number, though a later text
  type.nack_nonce = type.sent_nonce;
  type.nack_text = "no cluster pleases me";
  type.lag = 1;
  const GenericXdsConfig config = shown(type);
  EXPECT_EQ(config.config_status(), status::ERROR);
  EXPECT_EQ(config.client_status(), admin::NACKED);
  EXPECT_EQ(config.error_state().details(), "no cluster pleases me");
  EXPECT_EQ(config.error_state().version_info(), "v10");
}

TEST(ClientStatus, OfARefusalLastsUntilTheClientTakesWhatComesNext) {
  TypeStatus type = sent();
  type.awaits_ack = true;
  type.nack_nonce = "9";
  type.nack_text = "not this one";
  const GenericXdsConfig open = shown(type);
  EXPECT_EQ(open.config_status(), status::STALE);
  EXPECT_EQ(open.client_status(), admin::NACKED);
  EXPECT_EQ(open.error_state().details(), "not this one");
  EXPECT_EQ(open.error_state().version_info(), "") << "v10 is not what it refused";

  type.awaits_ack = false;
  type.acknowledged_nonce = type.sent_nonce;
  const GenericXdsConfig taken = shown(type);
  EXPECT_EQ(taken.config_status(), status::SYNCED);
  EXPECT_EQ(taken.client_status(), admin::ACKED);
  EXPECT_FALSE(taken.has_error_state());
}

TEST(ClientStatus, CutsWhatClientsSayBetweenCharacters) {
  std::string text(511, 'x');
  text += "\u00e9\u00e9";  // of two octets each
  TypeStatus type = sent();
  type.type_url = text;
  type.nack_nonce = type.sent_nonce;
  type.nack_text = text.substr(0, 512);  // as a session keeps it
  const auto response =
      shown({StreamStatus{.node = text, .zone = text, .user_agent = text, .types = {type}}});
  const status::ClientConfig& config = response.config(0);
  const std::string cut(511, 'x');
  EXPECT_EQ(config.node().id(), cut);
  EXPECT_EQ(config.node().locality().zone(), cut);
  EXPECT_EQ(config.node().user_agent_name(), cut);
  EXPECT_EQ(config.generic_xds_configs(0).type_url(), cut);
  EXPECT_EQ(config.generic_xds_configs(0).error_state().details(), cut);
}

ClientStatusQuery decoded(const status::ClientStatusRequest& request) {
  auto query = decode_client_status_request(request.SerializeAsString());
  EXPECT_TRUE(query) << query.error().message;
  return query.value_or(ClientStatusQuery{});
}

TEST(ClientStatusQuery, WithoutAMatcherWantsAll) {
  const ClientStatusQuery query = decoded({});
  EXPECT_TRUE(query.wants("default.a"));
  EXPECT_TRUE(query.wants(""));
}

TEST(ClientStatusQuery, WantsWhatAnyMatcherTakes) {
  status::ClientStatusRequest request;
  request.add_node_matchers()->mutable_node_id()->set_exact("default.a");
  request.add_node_matchers()->mutable_node_id()->set_prefix("other.");
  request.add_node_matchers()->mutable_node_id()->set_suffix("-west");
  const ClientStatusQuery query = decoded(request);
  for (const char* const wanted : {"default.a", "other.", "other.b", "default.c-west"}) {
    EXPECT_TRUE(query.wants(wanted)) << wanted;
  }
  for (const char* const unwanted : {"", "default.ab", "a.default.a", "another.b", "-west."}) {
    EXPECT_FALSE(query.wants(unwanted)) << unwanted;
  }
}

TEST(ClientStatusQuery, AMatcherWithNothingInItTakesAll) {
  status::ClientStatusRequest empty;
  empty.add_node_matchers();
  EXPECT_TRUE(decoded(empty).wants("default.a"));
  status::ClientStatusRequest empty_id;
  empty_id.add_node_matchers()->mutable_node_id();
  EXPECT_TRUE(decoded(empty_id).wants("default.a"));
}

TEST(ClientStatusQuery, ByAnythingElseIsRefusedAndNotTakenForAll) {
  // ClientStatusRequest.node_matchers = 1, NodeMatcher.node_id = 1, node_metadatas = 2,
  // StringMatcher.contains = 7.
  for (const std::string& bytes :
       {std::string("\x0a\x02\x12\x00", 4), std::string("\x0a\x05\x0a\x03\x3a\x01x", 7)}) {
    const auto query = decode_client_status_request(bytes);
    ASSERT_FALSE(query);
    EXPECT_EQ(query.error().code, ErrorCode::kInvalidArgument);
    EXPECT_THAT(query.error().message, HasSubstr("exact, prefix and suffix"));
  }
}

TEST(ClientStatusQuery, OfOneMatcherTooManyIsRefused) {
  status::ClientStatusRequest request;
  for (std::size_t i = 0; i < kMaxNodeMatchers; ++i) {
    request.add_node_matchers();
  }
  EXPECT_TRUE(decode_client_status_request(request.SerializeAsString()));
  request.add_node_matchers();
  const auto query = decode_client_status_request(request.SerializeAsString());
  ASSERT_FALSE(query);
  EXPECT_EQ(query.error().code, ErrorCode::kInvalidArgument);
}

TEST(ClientStatusQuery, ThatDoesNotDecodeIsAnInvalidArgument) {
  for (const std::string& bytes : {std::string("\xff\xff\xff"), std::string("\x0a\x7f"),
                                   std::string("\x0a\x05\x0a\x03\x0a\x01\xff", 7)}) {
    const auto query = decode_client_status_request(bytes);
    ASSERT_FALSE(query);
    EXPECT_EQ(query.error().code, ErrorCode::kInvalidArgument);
  }
}

}  // namespace
}  // namespace meshdns::discovery
