#include "discovery/xds/grpc_queue.h"

#include <pthread.h>
#include <thread>

namespace meshdns::discovery {

GrpcQueue::GrpcQueue() : thread_([this] { run(); }) {
  pthread_setname_np(thread_.native_handle(), "xds-stream");  // for `top -H`
}

GrpcQueue::~GrpcQueue() {
  queue_.Shutdown();
  thread_.join();
}

void GrpcQueue::run() {
  void* tag = nullptr;
  bool ok = false;
  while (queue_.Next(&tag, &ok)) {
    // A copy: what it runs may let its owner, and with it the operation, go.
    const auto done = static_cast<Operation*>(tag)->done_;
    done(ok);
  }
}

}  // namespace meshdns::discovery
