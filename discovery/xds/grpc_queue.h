// GrpcQueue: gRPC's completion queue, and the one thread that takes from it. gRPC's own threads,
// which its callbacks run on, are two at least and wake each other for each message.
#pragma once

#include <functional>
#include <thread>
#include <utility>

#include <grpcpp/completion_queue.h>

namespace meshdns::discovery {

class GrpcQueue {
 public:
  // What a tag points to. It outlives the operation that was begun with its address; `done` runs on
  // the queue's thread and must not wait for another operation.
  class Operation {
   public:
    explicit Operation(std::function<void(bool ok)> done) : done_(std::move(done)) {}
    Operation(const Operation&) = delete;
    Operation& operator=(const Operation&) = delete;
    ~Operation() = default;

   private:
    friend class GrpcQueue;
    std::function<void(bool ok)> done_;
  };

  GrpcQueue();
  GrpcQueue(const GrpcQueue&) = delete;
  GrpcQueue& operator=(const GrpcQueue&) = delete;
  // Waits for every operation that was begun. Not on the queue's own thread.
  ~GrpcQueue();

  [[nodiscard]] grpc::CompletionQueue& queue() { return queue_; }

 private:
  void run();

  grpc::CompletionQueue queue_;
  std::thread thread_;
};

}  // namespace meshdns::discovery
