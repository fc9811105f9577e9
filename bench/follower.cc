// A delta stream of gRPC and nothing behind it: it subscribes to every service, acknowledges each
// response and keeps none. What a change costs such a program is what no resolver that takes its
// services over gRPC can be below. It has one thread, and says `following` once the first services
// have come. Like the resolver's control thread it gives way to whoever answers questions.
#include <chrono>
#include <cstdio>
#include <string>
#include <thread>

#include <CLI/CLI.hpp>
#include <grpc/grpc.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>

#include "base/core_share.h"
#include "base/result.h"
#include "bench/program.h"
#include "discovery/xds/type_urls.h"
#include "envoy/service/discovery/v3/ads.grpc.pb.h"
#include "envoy/service/discovery/v3/discovery.pb.h"

namespace meshdns::bench {
namespace {

namespace xds = envoy::service::discovery::v3;

struct CommandLine {
  std::string server;
  unsigned ack_pause_ms = 0;
};

void declare(CLI::App& app, CommandLine& line) {
  app.add_option("server", line.server, "the control plane's ADDRESS:PORT")->required();
  app.add_option("--ack-pause", line.ack_pause_ms, "from one ACK to the next, at least, in ms")
      ->capture_default_str();
}

Result<void> run(const CommandLine& line) {
  give_way();
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);  // as the resolver's channel
  arguments.SetMaxReceiveMessageSize(-1);
  const auto stub = xds::AggregatedDiscoveryService::NewStub(
      grpc::CreateCustomChannel(line.server, grpc::InsecureChannelCredentials(), arguments));
  grpc::ClientContext context;
  const auto stream = stub->DeltaAggregatedResources(&context);
  xds::DeltaDiscoveryRequest request;
  request.mutable_node()->set_id("default.follower");
  request.set_type_url(std::string(discovery::kServiceTypeUrl));
  request.add_resource_names_subscribe("*");
  xds::DeltaDiscoveryResponse response;
  auto written_at = std::chrono::steady_clock::now();
  for (bool is_first = true; stream->Write(request) && stream->Read(&response); is_first = false) {
    if (is_first) {
      std::puts("following");
      std::fflush(stdout);
    }
    request.Clear();
    request.set_type_url(response.type_url());
    request.set_response_nonce(response.nonce());
    std::this_thread::sleep_until(written_at + std::chrono::milliseconds(line.ack_pause_ms));
    written_at = std::chrono::steady_clock::now();
  }
  return fail(ErrorCode::kNetwork, line.server + ": " + stream->Finish().error_message());
}

}  // namespace
}  // namespace meshdns::bench

int main(int argc, char** argv) {
  namespace bench = meshdns::bench;
  return bench::run_program<bench::CommandLine, bench::declare, bench::run>(
      "meshdns-bench-follower", "A stream of gRPC that acknowledges changes and does nothing else.",
      argc, argv);
}
