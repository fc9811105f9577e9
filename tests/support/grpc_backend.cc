#include "tests/support/grpc_backend.h"

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/slice.h>
#include <grpcpp/support/status.h>

namespace meshdns::support {
namespace {

class Call final : public grpc::ServerGenericBidiReactor {
 public:
  explicit Call(const std::string& name) : slice_(name), reply_(&slice_, 1) {
    StartRead(&request_);
  }
  void OnReadDone(bool ok) override {
    if (ok) {
      StartWriteAndFinish(&reply_, {}, grpc::Status::OK);
    } else {
      Finish(grpc::Status::CANCELLED);
    }
  }
  void OnDone() override { delete this; }  // NOLINT(*-owning-memory): gRPC held it till now

 private:
  grpc::Slice slice_;
  grpc::ByteBuffer request_;
  grpc::ByteBuffer reply_;
};

}  // namespace

class GrpcBackend::Service final : public grpc::CallbackGenericService {
 public:
  explicit Service(std::string name) : name_(std::move(name)) {}
  grpc::ServerGenericBidiReactor* CreateReactor(grpc::GenericCallbackServerContext*) override {
    return new Call(name_);
  }

 private:
  std::string name_;
};

GrpcBackend::GrpcBackend(std::string name, const std::string& listen)
    : service_(std::make_unique<Service>(std::move(name))) {
  grpc::ServerBuilder builder;
  builder.AddListeningPort(listen, grpc::InsecureServerCredentials(), &port_)
      .RegisterCallbackGenericService(service_.get());
  server_ = builder.BuildAndStart();
  if (server_ == nullptr || port_ == 0) {
    throw std::runtime_error("no backend can listen on " + listen);
  }
}

GrpcBackend::~GrpcBackend() = default;

}  // namespace meshdns::support
