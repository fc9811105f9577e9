// The client status discovery service over real gRPC, beside the streams that it tells of.
#include "discovery/xds/client_status_service.h"

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <google/protobuf/message_lite.h>
#include <grpcpp/client_context.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/async_stream.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/slice.h>
#include <grpcpp/support/status.h>
#include <gtest/gtest.h>

#include "base/metrics.h"
#include "base/result.h"
#include "discovery/xds/ads_server.h"
#include "discovery/xds/client_authenticator.h"
#include "discovery/xds/client_status_call.h"
#include "discovery/xds/metrics.h"
#include "discovery/xds/node.h"
#include "discovery/xds/resource_set.h"
#include "discovery/xds/stream_status.h"
#include "discovery/xds/type_urls.h"
#include "discovery/xds/unfinished_requests.h"
#include "envoy/admin/v3/config_dump_shared.pb.h"
#include "envoy/service/discovery/v3/discovery.pb.h"
#include "envoy/service/status/v3/csds.pb.h"
#include "tests/discovery/xds/xds_fixture.h"
#include "tests/support/temporary_directory.h"

namespace meshdns::discovery {
namespace {

using envoy::service::discovery::v3::DeltaDiscoveryRequest;
using envoy::service::discovery::v3::DeltaDiscoveryResponse;
using envoy::service::status::v3::ClientStatusRequest;
using envoy::service::status::v3::ClientStatusResponse;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

const std::string kService = "/envoy.service.status.v3.ClientStatusDiscoveryService/";
const std::string kFetch = kService + "FetchClientStatus";
const std::string kStream = kService + "StreamClientStatus";
const std::string kDelta =
    "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";

// One call of any method, message by message. A unary one looks the same on the wire.
class Call {
 public:
  Call(const std::string& target, const std::string& method)
      : stub_(grpc::CreateChannel(target, grpc::InsecureChannelCredentials())) {
    context_.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
    stream_ = stub_.PrepareCall(&context_, method, &queue_);
    stream_->StartCall(nullptr);
    wait();
  }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;
  ~Call() {
    if (!is_finished_) {
      context_.TryCancel();
      finish();
    }
  }

  void write(const std::string& bytes) {
    const grpc::Slice slice(bytes);
    stream_->Write(grpc::ByteBuffer(&slice, 1), nullptr);
    wait();
  }
  void write(const google::protobuf::MessageLite& message) { write(message.SerializeAsString()); }
  void half_close() {
    stream_->WritesDone(nullptr);
    wait();
  }
  template <typename Message>
  std::optional<Message> read() {
    grpc::ByteBuffer buffer;
    stream_->Read(&buffer, nullptr);
    grpc::Slice slice;
    Message message;
    if (!wait() || !buffer.DumpToSingleSlice(&slice).ok() ||
        !message.ParseFromArray(slice.begin(), static_cast<int>(slice.size()))) {
      return std::nullopt;
    }
    return message;
  }
  grpc::Status finish() {
    grpc::Status status;
    stream_->Finish(&status, nullptr);
    wait();
    is_finished_ = true;
    return status;
  }

 private:
  // For the operation begun last, the only one; false when it could not be done.
  bool wait() {
    void* tag = nullptr;
    bool ok = false;
    return queue_.Next(&tag, &ok) && ok;
  }

  grpc::GenericStub stub_;
  grpc::CompletionQueue queue_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> stream_;
  bool is_finished_ = false;
};

// A client of one delta stream, which asks for all services.
class Client {
 public:
  Client(const TestServer& server, const std::string& node) : call_(server.target(), kDelta) {
    DeltaDiscoveryRequest request;
    request.mutable_node()->set_id(node);
    request.set_type_url(std::string(kServiceTypeUrl));
    call_.write(request);
  }
  void take() { answer({}); }
  void refuse(const std::string& text) { answer(text); }

 private:
  void answer(const std::string& error) {
    const auto response = call_.read<DeltaDiscoveryResponse>();
    ASSERT_TRUE(response);
    DeltaDiscoveryRequest request;
    request.set_type_url(response->type_url());
    request.set_response_nonce(response->nonce());
    if (!error.empty()) {
      request.mutable_error_detail()->set_message(error);
    }
    call_.write(request);
  }

  Call call_;
};

// "NODE STATUS STATUS DETAILS" for each type of each client.
std::vector<std::string> lines_of(const ClientStatusResponse& response) {
  std::vector<std::string> lines;
  for (const auto& config : response.config()) {
    for (const auto& type : config.generic_xds_configs()) {
      lines.push_back(fmt::format(
          "{} {} {} {}", config.node().id(), ConfigStatus_Name(type.config_status()),
          ClientResourceStatus_Name(type.client_status()), type.error_state().details()));
    }
  }
  return lines;
}

std::vector<std::string> fetch(const std::string& target, const ClientStatusRequest& request = {}) {
  Call call(target, kFetch);
  call.write(request);
  call.half_close();
  const auto response = call.read<ClientStatusResponse>();
  EXPECT_TRUE(call.finish().ok());
  return lines_of(response.value_or(ClientStatusResponse{}));
}

grpc::Status status_of(const std::string& target, const std::string& method,
                       const std::string& request) {
  Call call(target, method);
  call.write(request);
  EXPECT_FALSE(call.read<ClientStatusResponse>());
  return call.finish();
}

TEST(ClientStatusService, ShowsWhoTookWhatItWasToldAndWhoRefusedIt) {
  const TestServer server;
  Client content(server, "default.content");
  content.take();
  Client picky(server, "default.picky");
  picky.refuse("not to my taste");
  const Client slow(server, "other.slow");
  ControlLoop loop;
  std::vector<std::string> lines;
  const auto want = UnorderedElementsAre("default.content SYNCED ACKED ",
                                         "default.picky ERROR NACKED not to my taste",
                                         "other.slow STALE REQUESTED ");
  loop.wait_for([&] {
    lines = fetch(server.target());
    return testing::Value(lines, want);
  });
  EXPECT_THAT(lines, want);

  ClientStatusRequest request;
  request.add_node_matchers()->mutable_node_id()->set_prefix("other.");
  EXPECT_THAT(fetch(server.target(), request), ElementsAre("other.slow STALE REQUESTED "));
  request.mutable_node_matchers(0)->mutable_node_id()->set_prefix("nobody");
  EXPECT_THAT(fetch(server.target(), request), IsEmpty());
}

TEST(ClientStatusService, AnswersEachRequestOfAStreamUntilTheClientEndsIt) {
  const TestServer server;
  Call call(server.target(), kStream);
  call.write(ClientStatusRequest());
  const auto first = call.read<ClientStatusResponse>();
  ASSERT_TRUE(first);
  EXPECT_THAT(lines_of(*first), IsEmpty());

  const Client client(server, "default.a");
  std::vector<std::string> lines;
  ControlLoop loop;
  EXPECT_TRUE(loop.wait_for([&] {
    call.write(ClientStatusRequest());
    lines = lines_of(call.read<ClientStatusResponse>().value_or(ClientStatusResponse{}));
    return lines == std::vector<std::string>{"default.a STALE REQUESTED "};
  })) << testing::PrintToString(lines);
  call.half_close();
  EXPECT_FALSE(call.read<ClientStatusResponse>());
  EXPECT_TRUE(call.finish().ok());
}

TEST(ClientStatusService, IsServedOnAUnixSocket) {
  const support::TemporaryDirectory folder;
  const std::string target = "unix:" + folder.file("cp.sock");
  TestLog log;
  MetricRegistry registry;
  XdsServerMetrics metrics(registry);
  AdsServer::Options options;
  options.listen = target;
  const auto server = AdsServer::start(
      options, [](const NodeInfo&) { return std::make_shared<ResourceSet>(); }, log.logger(),
      metrics);
  ASSERT_TRUE(server) << server.error().message;
  EXPECT_THAT(fetch(target), IsEmpty());
}

TEST(ClientStatusService, TakesAnythingElseThanARequestForAnInvalidArgument) {
  const TestServer server;
  for (const std::string& method : {kFetch, kStream}) {
    const grpc::Status status = status_of(server.target(), method, "\xff\xff\xff");
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_EQ(status.error_message(), "not a ClientStatusRequest");
  }
  Call silent(server.target(), kFetch);
  silent.half_close();
  EXPECT_FALSE(silent.read<ClientStatusResponse>());
  EXPECT_EQ(silent.finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST(ClientStatusService, HasNoOtherMethods) {
  const TestServer server;
  for (const char* const method : {"", "FetchClientStatus/", "ListClientStatus"}) {
    EXPECT_EQ(status_of(server.target(), kService + method, "").error_code(),
              grpc::StatusCode::UNIMPLEMENTED);
  }
}

// Lets everybody in.
class OpenDoor final : public ClientAuthenticator {
 public:
  Result<std::shared_ptr<const ClientIdentity>> authenticate(
      const std::vector<std::string>& /*authorization*/) override {
    return std::shared_ptr<const ClientIdentity>();
  }
};

TEST(ClientStatusService, IsDeniedWhereClientsShowTokensEvenToOneThatHasOne) {
  OpenDoor authenticator;
  AdsServer::Options options;
  options.authenticator = &authenticator;
  TestServer server(options);
  for (const std::string& method : {kFetch, kStream}) {
    const grpc::Status status = status_of(server.target(), method, "");
    EXPECT_EQ(status.error_code(), grpc::StatusCode::PERMISSION_DENIED);
    EXPECT_THAT(status.error_message(), HasSubstr("where clients show tokens"));
  }
  EXPECT_EQ(server.metrics().streams_refused.value(), 2);
}

TEST(ClientStatusService, IsDeniedToAnotherHost) {
  const AdsServer::Options options;
  TestLog log;
  MetricRegistry registry;
  XdsServerMetrics metrics(registry);
  UnfinishedRequests unfinished({});
  ClientStatusService service(
      options,
      [](std::size_t, const auto&) {
        ADD_FAILURE() << "nothing is to be looked up";
        return std::vector<StreamStatus>();
      },
      log.logger(), metrics, unfinished);
  grpc::GenericCallbackServerContext context;
  // As gRPC says when it is done with it.
  service.open(ClientStatusMethod::kFetch, "ipv4:192.0.2.1:40000", context)->OnDone();
  EXPECT_EQ(metrics.streams_refused.value(), 1);
  EXPECT_THAT(log.text(),
              HasSubstr("client status is served over loopback and unix sockets alone"));
}

TEST(ClientStatusService, OneCallTooManyIsRefusedAndAPlaceThatBecomesFreeIsGivenAgain) {
  const TestServer server;
  std::vector<std::unique_ptr<Call>> calls;
  for (std::size_t i = 0; i < ClientStatusService::kMaxCalls; ++i) {
    calls.push_back(std::make_unique<Call>(server.target(), kStream));
    calls.back()->write(ClientStatusRequest());
    ASSERT_TRUE(calls.back()->read<ClientStatusResponse>());
  }
  EXPECT_EQ(status_of(server.target(), kStream, "").error_code(),
            grpc::StatusCode::RESOURCE_EXHAUSTED);
  calls.pop_back();
  ControlLoop loop;
  EXPECT_TRUE(loop.wait_for([&] {
    Call call(server.target(), kStream);
    call.write(ClientStatusRequest());
    return call.read<ClientStatusResponse>().has_value();
  }));
}

TEST(ClientStatusService, AStoppingServerSaysSoToWhoAsks) {
  TestServer server;
  Call call(server.target(), kStream);
  call.write(ClientStatusRequest());
  ASSERT_TRUE(call.read<ClientStatusResponse>());
  server.stop();
  EXPECT_FALSE(call.read<ClientStatusResponse>());
  EXPECT_EQ(call.finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

}  // namespace
}  // namespace meshdns::discovery
