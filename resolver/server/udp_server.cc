#include "resolver/server/udp_server.h"

#include <array>
#include <chrono>
#include <cstddef>
#include <memory>
#include <span>
#include <utility>

#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include "base/ip_address.h"
#include "base/metrics.h"
#include "base/one_by_one.h"
#include "base/unique_fd.h"
#include "resolver/answer/outcome.h"
#include "resolver/answer/query_handler.h"
#include "resolver/forward/upstream_tap.h"
#include "resolver/resolve/cached_answers.h"
#include "resolver/resolve/resolver.h"
#include "resolver/server/datagram_batch.h"
#include "resolver/server/datagram_sender.h"
#include "resolver/server/dns_event.h"
#include "resolver/server/metrics.h"
#include "resolver/server/query_recorder.h"
#include "resolver/server/worker_context.h"
#include "resolver/snapshot/snapshot.h"
#include "resolver/wire/transport.h"

namespace meshdns::dns {

struct UdpServer::Socket {
  Socket(boost::asio::io_context& io, UniqueFd fd) : descriptor(io, fd.release()) {}
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  // Another process may hold the socket too: closing alone would leave it in the reactor.
  ~Socket() { const UniqueFd fd(descriptor.release()); }
  boost::asio::posix::stream_descriptor descriptor;
};

UdpServer::UdpServer(WorkerContext& context, UniqueFd socket)
    : context_(context), socket_(std::make_unique<Socket>(context.io, std::move(socket))) {}

UdpServer::~UdpServer() = default;

void UdpServer::start() { wait(); }

void UdpServer::stop() {
  if (!std::exchange(stopped_, true)) {
    drain();
    socket_->descriptor.cancel();
  }
}

void UdpServer::wait() {
  socket_->descriptor.async_wait(
      boost::asio::posix::stream_descriptor::wait_read,
      [self = shared_from_this()](const boost::system::error_code& /*error*/) {
        if (self->stopped_) {
          return;
        }
        try {
          self->drain();
        } catch (...) {
          self->wait();  // a step that failed must not make us deaf
          throw;
        }
        self->wait();
      });
}

void UdpServer::drain() {
  DatagramBatch& batch = context_.datagrams;
  const int fd = socket_->descriptor.native_handle();
  for (std::size_t i = 0; i < kMaxBatches; ++i) {
    const std::size_t count = batch.receive(context_.sockets, fd);
    if (count == 0) {
      return;
    }
    OneByOne each;
    each.take_step([&] { answer_batch(count); });
    each.take_step([&] { record(batch.send(context_.sockets, fd)); });
    each.finish();
    if (count < DatagramBatch::kMaxDatagrams) {
      return;
    }
  }
}

void UdpServer::answer_batch(std::size_t count) {
  context_.snapshot.refresh();
  const Snapshot& snapshot = context_.snapshot.current();
  DatagramBatch& batch = context_.datagrams;
  for (std::size_t i = 0; i < count; ++i) {
    QueryHandler::prepare(snapshot, batch.request(i), batch.query(i));
  }
  Tally tally;
  tally.queries = count;
  if (context_.recorder != nullptr) {
    context_.recorder->begin();
  }
  std::array<std::size_t, DatagramBatch::kMaxDatagrams> others{};  // that are not ours to answer
  std::size_t other_count = 0;
  for (std::size_t i = 0; i < count; ++i) {
    record_query(i);
    const Verdict verdict = answer(i, tally);
    if (verdict == Verdict::kForward) {
      context_.resolver.prefetch(batch.query(i));
      others[other_count++] = i;
    } else if (verdict == Verdict::kAnswer) {
      record_reply(i, EventSource::kLocal);
    }
  }
  OneByOne each;
  for (const std::size_t i : std::span(others).first(other_count)) {
    each.take_step([&] {
      if (const EventSource source = forward(i, tally); source != EventSource::kNone) {
        record_reply(i, source);
      }
    });
  }
  record(tally);
  each.finish();
}

void UdpServer::record_query(std::size_t index) {
  if (context_.recorder != nullptr) {
    const DatagramBatch& batch = context_.datagrams;
    context_.recorder->record_query(batch.client(index), MessageTransport::kUdp,
                                    batch.request(index));
  }
}

void UdpServer::record_reply(std::size_t index, EventSource source) {
  if (context_.recorder != nullptr) {
    const DatagramBatch& batch = context_.datagrams;
    context_.recorder->record_response({.client = batch.client(index),
                                        .transport = MessageTransport::kUdp,
                                        .source = source,
                                        .message = batch.last_reply()});
  }
}

Verdict UdpServer::answer(std::size_t index, Tally& tally) {
  DatagramBatch& batch = context_.datagrams;
  if (batch.request(index).empty()) {
    ++tally.empty;
    return Verdict::kDrop;
  }
  const SocketAddress client = batch.client(index);
  if (client.port == 0) {
    ++tally.port_zero;  // nobody can be there
    return Verdict::kDrop;
  }
  const ClientAccess access = context_.access->check(client.ip);
  tally.refused += access == ClientAccess::kRefused ? 1 : 0;
  const Outcome outcome =
      context_.handler->respond(context_.snapshot.current(), batch.query(index), Transport::kUdp,
                                access, batch.response_buffer(index));
  if (outcome.verdict == Verdict::kAnswer) {
    ++tally.local_answers[ServerMetrics::rcode_cell(outcome.rcode)];
    ++tally.local_types[ServerMetrics::type_cell(batch.query(index).qtype)];
    batch.add_reply(index, outcome.size);
  } else if (outcome.verdict == Verdict::kDrop) {
    ++tally.unanswerable;
  }
  return outcome.verdict;
}

EventSource UdpServer::forward(std::size_t index, Tally& tally) {
  DatagramBatch& batch = context_.datagrams;
  const auto found = context_.resolver.find_cached(batch.query(index), Transport::kUdp,
                                                   batch.response_buffer(index));
  const std::size_t type = ServerMetrics::type_cell(batch.query(index).qtype);
  if (found.outcome == CachedAnswers::Outcome::kRouted) {
    ++tally.local_answers[ServerMetrics::rcode_cell(found.rcode)];
    ++tally.local_types[type];
    batch.add_reply(index, found.size);
    return EventSource::kLocal;
  }
  ++tally.upstream_types[type];
  if (found.outcome == CachedAnswers::Outcome::kAnswered) {
    ++tally.cached_answers[ServerMetrics::rcode_cell(found.rcode)];
    batch.add_reply(index, found.size);
    return found.is_stale ? EventSource::kStale : EventSource::kCache;
  }
  context_.resolver.resolve(batch.query(index), Transport::kUdp,
                            context_.access->counted_as(batch.client(index).ip), found.outcome,
                            [self = shared_from_this(), peer = batch.peer(index)](
                                const ResolvedReply& reply) { self->on_resolved(peer, reply); });
  return EventSource::kNone;
}

void UdpServer::on_resolved(const DatagramPeer& peer, const ResolvedReply& reply) {
  context_.metrics.count_answer(AnswerSource::kUpstream, reply.rcode);
  context_.metrics.answer_seconds.observe(std::chrono::duration<double>(reply.elapsed).count());
  if (context_.recorder != nullptr) {
    context_.recorder->record_response(
        {.client = peer.socket_address(),
         .transport = MessageTransport::kUdp,
         .source = reply.is_stale ? EventSource::kStale : EventSource::kUpstream,
         .server = reply.server,
         .elapsed = reply.elapsed,
         .message = reply.message});
  }
  if (!replies_.add(peer, reply.message)) {
    send_replies();
    static_cast<void>(replies_.add(peer, reply.message));  // an empty one has room for any
  }
  if (replies_.size() == 1) {
    context_.with_replies.push_back(shared_from_this());
  }
}

void UdpServer::send_replies() {
  if (replies_.size() != 0) {
    record(replies_.send(context_.sockets, socket_->descriptor.native_handle()));
  }
}

void UdpServer::record(const Tally& tally) {
  ServerMetrics& metrics = context_.metrics;
  const auto add = [](Counter& counter, std::size_t value) {
    if (value != 0) {
      counter.add(value);
    }
  };
  add(metrics.udp_queries, tally.queries);
  add(metrics.refused, tally.refused);
  add(metrics.dropped_unanswerable, tally.unanswerable);
  add(metrics.dropped_empty, tally.empty);
  add(metrics.dropped_port_zero, tally.port_zero);
  const auto add_all = [&](const auto& cells, const auto& counts) {
    for (std::size_t i = 0; i < counts.size(); ++i) {
      add(*cells[i], counts[i]);
    }
  };
  add_all(metrics.answers[static_cast<std::size_t>(AnswerSource::kLocal)], tally.local_answers);
  add_all(metrics.answers[static_cast<std::size_t>(AnswerSource::kCache)], tally.cached_answers);
  add_all(metrics.questions[static_cast<std::size_t>(QuestionOwner::kLocal)], tally.local_types);
  add_all(metrics.questions[static_cast<std::size_t>(QuestionOwner::kUpstream)],
          tally.upstream_types);
}

void UdpServer::record(const DatagramSender::Result& result) {
  if (result.no_room != 0) {
    context_.metrics.dropped_send_buffer.add(result.no_room);
  }
  if (result.failed != 0) {
    context_.metrics.dropped_send_error.add(result.failed);
  }
}

}  // namespace meshdns::dns
