#include "discovery/xds/response.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/result.h"
#include "discovery/xds/request.h"
#include "discovery/xds/type_urls.h"
#include "envoy/config/endpoint/v3/endpoint.pb.h"
#include "envoy/service/discovery/v3/discovery.pb.h"
#include "meshdns/mesh/v1/service.pb.h"

namespace meshdns::discovery {
namespace {

using envoy::service::discovery::v3::DeltaDiscoveryResponse;
using envoy::service::discovery::v3::DiscoveryResponse;

const std::string kService{kServiceTypeUrl};

std::string service_bytes() {
  mesh::v1::Service service;
  service.set_mesh("default");
  service.set_name("web");
  service.add_hostnames("web.mesh");
  return service.SerializeAsString();
}

TEST(DecodeResponse, DeltaCarriesNamesVersionsAndRemovals) {
  DeltaDiscoveryResponse message;
  message.set_system_version_info("v");
  message.set_nonce("n");
  message.set_type_url(kService);
  auto* const one = message.add_resources();
  one->set_name("default/web");
  one->set_version("1");
  one->mutable_resource()->set_type_url(kService);
  one->mutable_resource()->set_value(service_bytes());
  message.add_resources()->set_name("default/heartbeat");
  message.add_removed_resources("default/gone");
  const std::string bytes = message.SerializeAsString();

  const auto response = decode_response(XdsVariant::kDelta, bytes);
  ASSERT_TRUE(response);
  EXPECT_EQ(response->type_url, kService);
  EXPECT_EQ(response->version, "v");
  EXPECT_EQ(response->nonce, "n");
  EXPECT_EQ(response->size_bytes, bytes.size());
  ASSERT_EQ(response->resources.size(), 2U);
  EXPECT_EQ(response->resources[0].name, "default/web");
  EXPECT_EQ(response->resources[0].version, "1");
  EXPECT_EQ(response->resources[0].value, service_bytes());
  EXPECT_TRUE(response->resources[0].has_body);
  EXPECT_FALSE(response->resources[1].has_body);
  EXPECT_EQ(response->removed, std::vector<std::string>{"default/gone"});
}

// Fields are given by hand: the message itself lets nobody write a name that is no UTF-8.
TEST(DecodeResponse, DamagedResourcesLeaveTheOthersWhole) {
  DeltaDiscoveryResponse message;
  message.set_nonce("n");
  message.set_type_url(kService);
  message.add_resources()->set_name("default/web");
  const std::string good = message.SerializeAsString();
  const std::string no_utf8(
      "\x12\x05\x1a\x03"
      "a\xff"
      "b");  // resources { name: "a\xffb" }
  const std::string cut(
      "\x12\x05\x1a\x01"
      "c\x12\x7f");  // resources { name: "c" resource...
  const auto response = decode_response(XdsVariant::kDelta, no_utf8 + good + cut);
  ASSERT_TRUE(response);
  EXPECT_EQ(response->nonce, "n");
  EXPECT_EQ(response->type_url, kService);
  ASSERT_EQ(response->resources.size(), 3U);
  EXPECT_EQ(response->resources[0].name,
            "a\xff"
            "b");
  EXPECT_TRUE(response->resources[0].is_damaged);
  EXPECT_EQ(response->resources[1].name, "c");
  EXPECT_TRUE(response->resources[1].is_damaged);
  EXPECT_EQ(response->resources[2].name, "default/web");
  EXPECT_FALSE(response->resources[2].is_damaged);
  // What is wrong outside of a resource leaves nothing to go by.
  EXPECT_FALSE(decode_response(XdsVariant::kDelta, good + "\x2a\x7f"));
  EXPECT_FALSE(decode_response(XdsVariant::kDelta, good + "\x12\x7f"));
  EXPECT_FALSE(decode_response(XdsVariant::kDelta, good + "\x2a\x01\xff"));
}

TEST(DecodeResponse, SotwTakesTheNameFromTheMessageAndTheWrapperOff) {
  DiscoveryResponse message;
  auto* const bare = message.add_resources();
  bare->set_type_url(kService);
  bare->set_value(service_bytes());
  envoy::service::discovery::v3::Resource wrapper;
  wrapper.set_name("default/wrapped");
  *wrapper.mutable_resource() = *bare;
  message.add_resources()->PackFrom(wrapper);
  auto* const broken = message.add_resources();
  broken->set_type_url(std::string(kWrapperTypeUrl));
  broken->set_value("\xff");

  const auto response = decode_response(XdsVariant::kSotw, message.SerializeAsString());
  ASSERT_TRUE(response);
  ASSERT_EQ(response->resources.size(), 3U);
  EXPECT_EQ(response->resources[0].name, "default/web");
  EXPECT_EQ(response->resources[1].name, "default/wrapped");
  EXPECT_EQ(response->resources[1].type_url, kService);
  EXPECT_EQ(response->resources[1].value, service_bytes());
  EXPECT_EQ(response->resources[2].type_url, kWrapperTypeUrl) << "for the subscriber to refuse";
}

TEST(DecodeResponse, RefusesWhatIsNoMessage) {
  for (const XdsVariant variant : {XdsVariant::kSotw, XdsVariant::kDelta}) {
    const auto response = decode_response(variant, "\xff\xff");
    ASSERT_FALSE(response);
    EXPECT_EQ(response.error().code, ErrorCode::kInvalidArgument);
  }
}

struct NameCase {
  std::string_view type_url;
  std::string value;
  std::string want;
};

TEST(NameOfResource, IsTheFirstFieldOrMeshAndName) {
  envoy::config::endpoint::v3::ClusterLoadAssignment assignment;
  assignment.set_cluster_name("default/web");
  assignment.mutable_policy();
  const std::vector<NameCase> cases = {
      {kServiceTypeUrl, service_bytes(), "default/web"},
      {kServiceTypeUrl, "", "/"},
      {kClusterLoadAssignmentTypeUrl, assignment.SerializeAsString(), "default/web"},
      {kClusterLoadAssignmentTypeUrl, "", ""},
      {"type.googleapis.com/example.Unknown", assignment.SerializeAsString(), ""},
      {kServiceTypeUrl, "\x0a\x7f", ""},                  // longer than there is
      {kServiceTypeUrl, "\x0a\xff\xff\xff\xff\x0f", ""},  // a length of 4 GiB
      {kClusterTypeUrl,
       std::string("\x0a\x01"
                   "a\x0a\x01"
                   "b"),
       "b"},  // the last one counts
      {kClusterTypeUrl,
       std::string("\x08\x01\x0a\x01"
                   "a"),
       "a"},  // field 1 of another type
  };
  for (const NameCase& row : cases) {
    EXPECT_EQ(name_of_resource(row.type_url, row.value), row.want) << row.type_url;
  }
}

}  // namespace
}  // namespace meshdns::discovery
