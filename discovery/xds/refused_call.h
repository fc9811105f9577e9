// A call that ends as it begins. gRPC headers: include it in few sources.
#pragma once

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/support/status.h>

namespace meshdns::discovery {

// Made with new and handed to gRPC, which says when it is done with it.
class RefusedCall final : public grpc::ServerGenericBidiReactor {
 public:
  explicit RefusedCall(const grpc::Status& status) { Finish(status); }
  void OnDone() override { delete this; }  // NOLINT(*-owning-memory): gRPC held it till now
};

}  // namespace meshdns::discovery
