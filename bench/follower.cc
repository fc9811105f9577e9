// A delta stream of gRPC and nothing behind it: it subscribes to every service, acknowledges each
// response and keeps none. What a change costs such a program is what no resolver that takes its
// services over gRPC can be below. It has one thread, and says `following` once the first services
// have come.
//
// usage: meshdns-bench-follower ADDRESS:PORT
#include <cstdio>
#include <exception>
#include <string>

#include <fmt/format.h>
#include <grpc/grpc.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>

#include "discovery/xds/type_urls.h"
#include "envoy/service/discovery/v3/ads.grpc.pb.h"
#include "envoy/service/discovery/v3/discovery.pb.h"

namespace meshdns::bench {
namespace {

namespace xds = envoy::service::discovery::v3;

int run(const char* server) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);  // as the resolver's channel
  arguments.SetMaxReceiveMessageSize(-1);
  const auto stub = xds::AggregatedDiscoveryService::NewStub(
      grpc::CreateCustomChannel(server, grpc::InsecureChannelCredentials(), arguments));
  grpc::ClientContext context;
  const auto stream = stub->DeltaAggregatedResources(&context);
  xds::DeltaDiscoveryRequest request;
  request.mutable_node()->set_id("default.follower");
  request.set_type_url(std::string(discovery::kServiceTypeUrl));
  request.add_resource_names_subscribe("*");
  xds::DeltaDiscoveryResponse response;
  for (bool is_first = true; stream->Write(request) && stream->Read(&response); is_first = false) {
    if (is_first) {
      std::puts("following");
      std::fflush(stdout);
    }
    request.Clear();
    request.set_type_url(response.type_url());
    request.set_response_nonce(response.nonce());
  }
  fmt::print(stderr, "meshdns-bench-follower: {}\n", stream->Finish().error_message());
  return 1;
}

}  // namespace
}  // namespace meshdns::bench

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: meshdns-bench-follower ADDRESS:PORT\n", stderr);
    return 1;
  }
  try {
    return meshdns::bench::run(argv[1]);
  } catch (const std::exception& error) {
    fmt::print(stderr, "meshdns-bench-follower: {}\n", error.what());
    return 2;
  }
}
