// Answers one UDP socket of one worker. Hot path.
//
// Waits for readability, then receives, answers and sends batch by batch until one comes back
// short; after kMaxBatches others get their turn. Local answers take no lock, look at no clock,
// allocate nothing and count per batch. What must be forwarded goes to the resolver, whose replies
// leave together when the step of the worker that they became ready in is done.
//
// Belongs to the worker's thread. Shared with the replies that are still to come: stop() ends the
// reading, the socket closes after the last of them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/unique_fd.h"
#include "resolver/answer/outcome.h"
#include "resolver/resolve/resolver.h"
#include "resolver/server/datagram_batch.h"
#include "resolver/server/datagram_sender.h"
#include "resolver/server/dns_event.h"
#include "resolver/server/metrics.h"
#include "resolver/server/worker_context.h"

namespace meshdns::dns {

class UdpServer : public std::enable_shared_from_this<UdpServer> {
 public:
  static constexpr std::size_t kMaxBatches = 16;

  // `socket` is bound and non-blocking.
  UdpServer(WorkerContext& context, UniqueFd socket);
  UdpServer(const UdpServer&) = delete;
  UdpServer& operator=(const UdpServer&) = delete;
  ~UdpServer();

  void start();
  // Answers what has arrived already, then reads no more.
  void stop();
  // The replies to forwarded questions (WorkerContext::with_replies).
  void send_replies();

 private:
  // What one batch adds to the metrics.
  struct Tally {
    std::size_t queries = 0;
    std::size_t refused = 0;
    std::size_t unanswerable = 0;
    std::size_t empty = 0;
    std::size_t port_zero = 0;
    std::array<std::size_t, ServerMetrics::kRcodeCells> local_answers{};
    std::array<std::size_t, ServerMetrics::kRcodeCells> cached_answers{};
    std::array<std::size_t, ServerMetrics::kTypeCells> local_types{};
    std::array<std::size_t, ServerMetrics::kTypeCells> upstream_types{};
  };
  struct Socket;

  void wait();
  void drain();
  void answer_batch(std::size_t count);
  // Puts our own answer on the list of replies, if it is ours to answer.
  Verdict answer(std::size_t index, Tally& tally);
  // Puts the cache's answer on the list and says where it is from; hands the question to the
  // resolver where there is none (kNone).
  EventSource forward(std::size_t index, Tally& tally);
  void record_query(std::size_t index);
  void record_reply(std::size_t index, EventSource source);  // the last one on the list
  void on_resolved(const DatagramPeer& peer, const ResolvedReply& reply);
  void record(const Tally& tally);
  void record(const DatagramSender::Result& result);

  WorkerContext& context_;
  std::unique_ptr<Socket> socket_;
  DatagramQueue replies_;
  bool stopped_ = false;
};

}  // namespace meshdns::dns
