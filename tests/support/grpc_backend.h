// A gRPC server that answers every method of every service with its name.
//
// gRPC headers: include it in few sources.
#pragma once

#include <memory>
#include <string>

#include <grpcpp/server.h>

namespace meshdns::support {

class GrpcBackend {
 public:
  // `listen`: "ADDRESS:PORT", port 0 takes a free one. Throws std::runtime_error when it cannot be
  // bound.
  explicit GrpcBackend(std::string name, const std::string& listen = "127.0.0.1:0");
  GrpcBackend(const GrpcBackend&) = delete;
  GrpcBackend& operator=(const GrpcBackend&) = delete;
  ~GrpcBackend();

  [[nodiscard]] int port() const { return port_; }

 private:
  class Service;

  std::unique_ptr<Service> service_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace meshdns::support
