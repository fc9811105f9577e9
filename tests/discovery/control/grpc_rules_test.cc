#include "discovery/control/grpc_rules.h"

#include <functional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <google/protobuf/message.h>
#include <google/protobuf/unknown_field_set.h>
#include <gtest/gtest.h>

#include "discovery/xds/resource_set.h"
#include "discovery/xds/type_urls.h"
#include "tests/discovery/control/grpc_rule_cases.h"

namespace meshdns::discovery {
namespace {

using testing::HasSubstr;

const std::vector<std::string> kAuthorities{std::string(kRuleAuthority)};

std::string name_of_case(const testing::TestParamInfo<RuleCase>& info) { return info.param.name; }

class GrpcRules : public testing::TestWithParam<RuleCase> {};

TEST_P(GrpcRules, TakeWhatGrpcCanUseAndNothingElse) {
  GrpcMessages messages = good_messages(8080);
  GetParam().spoil(messages);
  for (const ResourceUpdate& update : messages.updates()) {
    const bool is_spoiled =
        update.type_url == GetParam().type_url && GetParam().verdict != RuleVerdict::kTaken;
    const auto checked = check_grpc_resource(update, kAuthorities);
    EXPECT_EQ(checked.has_value(), !is_spoiled)
        << update.type_url << ": " << (checked ? "" : checked.error().message);
    if (!checked) {
      EXPECT_THAT(checked.error().message, HasSubstr("'" + update.name + "': "));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Table, GrpcRules, testing::ValuesIn(rule_cases()), name_of_case);

TEST(GrpcRules, AnErrorNamesTheResourceAndTheField) {
  GrpcMessages messages = good_messages(8080);
  messages.endpoints.mutable_endpoints(0)
      ->mutable_lb_endpoints(0)
      ->mutable_endpoint()
      ->mutable_address()
      ->mutable_socket_address()
      ->set_address("backend.example.org");
  EXPECT_EQ(
      check_grpc_endpoints(kRuleTarget, messages.endpoints.SerializeAsString()).error().message,
      "the endpoints 'default/backend:8080': "
      "endpoints[0].lb_endpoints[0].endpoint.address.socket_address.address: "
      "'backend.example.org' is no IP address");
}

// Fields of a later schema may have rules of their own.
TEST(GrpcRules, FieldsThatAreNotKnownAreRefusedInEveryPartOfTheEndpoints) {
  using Message = google::protobuf::Message;
  using Messages = GrpcMessages;
  const auto locality = [](Messages& m) { return m.endpoints.mutable_endpoints(0); };
  const auto endpoint = [&](Messages& m) { return locality(m)->mutable_lb_endpoints(0); };
  const auto address = [&](Messages& m) {
    return endpoint(m)->mutable_endpoint()->mutable_address();
  };
  const std::vector<std::function<Message*(Messages&)>> parts = {
      [](Messages& m) { return &m.endpoints; },
      [&](Messages& m) { return locality(m); },
      [&](Messages& m) { return locality(m)->mutable_locality(); },
      [&](Messages& m) { return locality(m)->mutable_load_balancing_weight(); },
      [&](Messages& m) { return endpoint(m); },
      [&](Messages& m) { return endpoint(m)->mutable_endpoint(); },
      [&](Messages& m) { return endpoint(m)->mutable_load_balancing_weight(); },
      [&](Messages& m) { return address(m); },
      [&](Messages& m) { return address(m)->mutable_socket_address(); },
  };
  for (const auto& part : parts) {
    GrpcMessages messages = good_messages(8080);
    messages.endpoints.mutable_endpoints(0)
        ->mutable_lb_endpoints(0)
        ->mutable_load_balancing_weight()
        ->set_value(1);
    ASSERT_TRUE(check_grpc_endpoints(kRuleTarget, messages.endpoints.SerializeAsString()));
    Message& message = *part(messages);
    message.GetReflection()->MutableUnknownFields(&message)->AddVarint(1000, 1);
    EXPECT_FALSE(check_grpc_endpoints(kRuleTarget, messages.endpoints.SerializeAsString()))
        << message.GetTypeName();
  }
}

TEST(GrpcRules, EveryFormOfAResourceIsChecked) {
  GrpcMessages messages = good_messages(8080);
  ResourceUpdate update = messages.updates().back();
  update.zone_values["east"] = update.value;
  EXPECT_TRUE(check_grpc_resource(update, {}));
  messages.endpoints.mutable_endpoints(0)->set_priority(1);
  update.zone_values["west"] = messages.endpoints.SerializeAsString();
  EXPECT_FALSE(check_grpc_resource(update, {}));
}

TEST(GrpcRules, OctetsThatAreNoMessageAreRefused) {
  for (const auto type_url :
       {kListenerTypeUrl, kRouteTypeUrl, kClusterTypeUrl, kClusterLoadAssignmentTypeUrl}) {
    for (const std::string& value : {std::string("\xff\xff"), std::string("\x0a\x7fx")}) {
      const ResourceUpdate update{std::string(type_url), "name", value};
      EXPECT_THAT(check_grpc_resource(update, {}).error().message, HasSubstr("does not decode"));
    }
  }
}

}  // namespace
}  // namespace meshdns::discovery
