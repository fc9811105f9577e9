// What a worker's UDP and TCP servers share: the way to an answer and the buffers for it.
//
// Belongs to the worker's thread; what it refers to outlives it.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "base/socket_layer.h"
#include "resolver/answer/query_handler.h"
#include "resolver/resolve/resolver.h"
#include "resolver/server/access_list.h"
#include "resolver/server/metrics.h"
#include "resolver/server/query_recorder.h"
#include "resolver/snapshot/snapshot_holder.h"

namespace boost::asio {
class io_context;
}

namespace meshdns::dns {

class DatagramBatch;
class TcpServer;
class UdpServer;

struct WorkerContext {
  boost::asio::io_context& io;
  SocketLayer& sockets;
  const Clock& clock;
  Logger& log;
  ServerMetrics& metrics;
  std::shared_ptr<const QueryHandler> handler;  // replaced on the worker's thread
  SnapshotHolder::Worker& snapshot;
  Resolver& resolver;
  QueryRecorder* recorder;                   // null: nobody wants to know
  std::shared_ptr<const AccessList> access;  // replaced on the worker's thread
  DatagramBatch& datagrams;
  std::vector<std::uint8_t>& stream_buffer;  // one read or one answer of a TCP connection
  // Have replies to send, which the worker has them do at the end of its step: those that one step
  // brings leave together.
  std::vector<std::shared_ptr<UdpServer>> with_replies = {};
  // All that there are: they share the limits on connections.
  std::vector<const TcpServer*> tcp_servers = {};
};

}  // namespace meshdns::dns
