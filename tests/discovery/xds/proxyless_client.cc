// A gRPC client without a proxy: gRPC's own xDS client, which we did not write, finds the backend.
//
// Usage: GRPC_XDS_BOOTSTRAP=FILE proxyless_client TARGET DEADLINE_MS
// For each line on standard input it makes one call and prints a line: "ok REPLY" or
// "failed CODE TEXT". The environment is read once per process, hence a program of its own.
#include <chrono>
#include <future>
#include <iostream>
#include <string>
#include <vector>

#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/slice.h>
#include <grpcpp/support/status.h>

namespace {

std::string text_of(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  (void)buffer.Dump(&slices);
  std::string text;
  for (const grpc::Slice& slice : slices) {
    text.append(slice.begin(), slice.end());
  }
  return text;
}

std::string call(grpc::GenericStub& stub, std::chrono::milliseconds deadline) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + deadline);
  const grpc::Slice slice("hello");
  const grpc::ByteBuffer request(&slice, 1);
  grpc::ByteBuffer reply;
  std::promise<grpc::Status> done;
  stub.UnaryCall(&context, "/example.Echo/Say", {}, &request, &reply,
                 [&](const grpc::Status& status) { done.set_value(status); });
  const grpc::Status status = done.get_future().get();
  if (!status.ok()) {
    return "failed " + std::to_string(status.error_code()) + " " + status.error_message();
  }
  return "ok " + text_of(reply);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: proxyless_client TARGET DEADLINE_MS\n";
    return 2;
  }
  const std::chrono::milliseconds deadline(std::stoi(argv[2]));
  grpc::GenericStub stub(grpc::CreateChannel(argv[1], grpc::InsecureChannelCredentials()));
  for (std::string line; std::getline(std::cin, line);) {
    std::cout << call(stub, deadline) << std::endl;
  }
  return 0;
}
