// GrpcStream: one bidirectional call of ADS, by octets.
//
// The control thread makes, uses and destroys it; what gRPC brings is decoded on the queue's thread
// and posted to the control thread.
#pragma once

#include <deque>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <string>

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/status.h>

#include "base/result.h"
#include "discovery/xds/ads_transport.h"
#include "discovery/xds/grpc_queue.h"
#include "discovery/xds/request.h"
#include "discovery/xds/response.h"

namespace meshdns::discovery {

class GrpcStream {
 public:
  // Runs a task on the control thread, in order. Any thread.
  using Post = std::function<void(std::function<void()>)>;

  // Connects if the channel is not. `token`: of the header "authorization", or empty. Tasks that
  // are run once `events` is gone do nothing; it and `queue` outlive the stream.
  GrpcStream(std::shared_ptr<grpc::Channel> channel, const std::string& token, XdsVariant variant,
             grpc::CompletionQueue& queue, Post post, std::weak_ptr<AdsCallEvents> events);
  GrpcStream(const GrpcStream&) = delete;
  GrpcStream& operator=(const GrpcStream&) = delete;
  // Cancels the call and waits for what is under way, which comes back at once then.
  ~GrpcStream();

  // As AdsCall has them.
  void when_standing(std::function<void()> task);
  void send(std::string request);
  void read();

 private:
  // Operations that come back, on the queue's thread.
  void on_started(bool ok);
  void on_headers(bool ok);
  void on_read(bool ok);
  void on_written(bool ok);
  void on_finished();
  [[nodiscard]] Result<DecodedResponse> decode();
  void post_response(Result<DecodedResponse> response);
  void begin_read() { call_->Read(&incoming_, &read_); }
  void begin_write() { call_->Write(outgoing_, &write_); }

  // Under the mutex, to the end.
  // From now on a read that was asked for ends, and so may the call's status come.
  void finish();
  void stand_if_due();
  // Whether one is to begin now. Without the mutex, on the control thread: what it brings may come
  // at once, and the queue's thread would wake only to wait for the mutex.
  [[nodiscard]] bool take_read();
  [[nodiscard]] bool take_write();
  void refuse_requests();
  // Tells the status to a read that asks for more than there was.
  void end_if_due();
  [[nodiscard]] bool is_done() const { return finished_ && !reading_ && !writing_; }

  grpc::GenericStub stub_;
  grpc::ClientContext context_;
  XdsVariant variant_;
  Post post_;
  std::weak_ptr<AdsCallEvents> events_;
  // Kept when nothing is under way any more. Shared: who keeps it may not be back from that when
  // the rest of this is gone.
  std::shared_ptr<std::promise<void>> done_ = std::make_shared<std::promise<void>>();
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> call_;
  grpc::ByteBuffer incoming_;  // gRPC's while reading_
  grpc::ByteBuffer outgoing_;  // gRPC's while writing_
  grpc::Status status_;        // gRPC's until finished_
  GrpcQueue::Operation start_{[this](bool ok) { on_started(ok); }};
  GrpcQueue::Operation headers_{[this](bool ok) { on_headers(ok); }};
  GrpcQueue::Operation read_{[this](bool ok) { on_read(ok); }};
  GrpcQueue::Operation write_{[this](bool ok) { on_written(ok); }};
  GrpcQueue::Operation finish_{[this](bool /*always*/) { on_finished(); }};

  std::mutex mutex_;  // guards what follows
  std::deque<std::string> requests_;
  bool takes_requests_ = true;  // until one could not be sent
  std::shared_ptr<std::function<void()>> on_standing_;
  bool started_ = false;
  bool is_open_ = false;  // there may be something to read
  bool read_is_due_ = false;
  bool reading_ = false;
  bool writing_ = false;
  bool finished_ = false;
};

}  // namespace meshdns::discovery
