#include "discovery/control/streams_page.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "discovery/xds/request.h"
#include "discovery/xds/stream_status.h"
#include "discovery/xds/type_urls.h"

namespace meshdns::discovery {
namespace {

TEST(StreamsPage, SaysThatThereIsNone) {
  EXPECT_EQ(streams_page({}, 0), "{\"open\":0,\"streams\":[]}\n");
}

TEST(StreamsPage, ShowsWhatEachTypeWasToldAndSaid) {
  const TypeStatus fresh{.type_url = std::string(kClusterTypeUrl), .wildcard = true};
  const TypeStatus told{.type_url = std::string(kListenerTypeUrl),
                        .names = 2,
                        .sent_version = "v2",
                        .sent_nonce = "7",
                        .acknowledged_version = "v1",
                        .acknowledged_nonce = "5",
                        .awaits_ack = true,
                        .lag = 3,
                        .nack_nonce = "6",
                        .nack_text = "bad \"name\""};
  const std::vector<StreamStatus> streams = {{.node = "default.a",
                                              .zone = "east",
                                              .user_agent = "gRPC",
                                              .peer = "ipv4:192.0.2.1:9",
                                              .identity = {{"mesh", "default"}, {"name", "a"}},
                                              .variant = XdsVariant::kSotw,
                                              .types = {fresh, told}},
                                             {.node = "default.b",
                                              .zone = "",
                                              .user_agent = "",
                                              .peer = "",
                                              .variant = XdsVariant::kDelta,
                                              .types = {}}};
  EXPECT_EQ(streams_page(streams, 5),
            R"({"open":5,"streams":[
 {"node":"default.a","zone":"east","identity":{"mesh":"default","name":"a"},"peer":"ipv4:192.0.2.1:9","agent":"gRPC","protocol":"sotw","types":[
  {"type":"cluster","type_url":"type.googleapis.com/envoy.config.cluster.v3.Cluster","wildcard":true,"names":0,"sent":null,"acknowledged":null,"awaits_ack":false,"lag":0,"last_nack":null},
  {"type":"listener","type_url":"type.googleapis.com/envoy.config.listener.v3.Listener","wildcard":false,"names":2,"sent":{"version":"v2","nonce":"7"},"acknowledged":{"version":"v1","nonce":"5"},"awaits_ack":true,"lag":3,"last_nack":{"nonce":"6","text":"bad \"name\""}}]},
 {"node":"default.b","zone":"","identity":null,"peer":"","agent":"","protocol":"delta","types":[]}]}
)");
}

TEST(StreamsPage, WhatAClientCallsItselfForgesNothing) {
  const std::vector<StreamStatus> streams = {{.node = "\"}]\n\x1b[31m\xff",
                                              .zone = "",
                                              .user_agent = "",
                                              .peer = "",
                                              .variant = XdsVariant::kDelta,
                                              .types = {}}};
  EXPECT_EQ(streams_page(streams, 1),
            "{\"open\":1,\"streams\":[\n"
            " {\"node\":\"\\\"}]\\u000a\\u001b[31m\\ufffd\",\"zone\":\"\",\"identity\":null,"
            "\"peer\":\"\",\"agent\":\"\","
            "\"protocol\":\"delta\",\"types\":[]}]}\n");
}

}  // namespace
}  // namespace meshdns::discovery
