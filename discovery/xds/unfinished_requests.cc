#include "discovery/xds/unfinished_requests.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/ip_address.h"
#include "base/result.h"
#include "discovery/xds/local_peer.h"

namespace meshdns::discovery {
namespace {

constexpr std::size_t kPrefixOctets = 5;  // of each message of gRPC

// As gRPC names it and as the kernel does.
SocketAddress key_of(SocketAddress peer) {
  peer.ip = peer.ip.unmapped();
  peer.scope_id = 0;
  return peer;
}

std::uint64_t less(std::uint64_t from, std::uint64_t what) { return from - std::min(from, what); }

}  // namespace

void RequestingCall::note_request(std::size_t octets) {
  octets_ += kPrefixOctets + octets;
  has_spoken_ = true;
}

void UnfinishedRequests::add_connection(const SocketAddress& peer, Received received) {
  const std::lock_guard lock(mutex_);
  Connection connection;
  connection.received = std::move(received);
  connections_.insert_or_assign(key_of(peer), std::move(connection));
}

void UnfinishedRequests::add_call(std::string_view peer,
                                  const std::shared_ptr<RequestingCall>& call) {
  const std::lock_guard lock(mutex_);
  if (Connection* const connection = find(peer)) {
    connection->calls.push_back(call);
  }
}

void UnfinishedRequests::remove_call(std::string_view peer, const RequestingCall* call) {
  const std::lock_guard lock(mutex_);
  if (Connection* const connection = find(peer)) {
    const std::size_t gone =
        std::erase_if(connection->calls, [call](const auto& other) { return other.get() == call; });
    connection->finished_by_others += gone > 0 ? call->octets_.load() : 0;
  }
}

UnfinishedRequests::Connection* UnfinishedRequests::find(std::string_view peer) {
  const auto address = address_of_peer(peer);
  const auto found = address ? connections_.find(key_of(*address)) : connections_.end();
  return found == connections_.end() ? nullptr : &found->second;
}

UnfinishedRequests::Findings UnfinishedRequests::look(Time now) {
  const std::lock_guard lock(mutex_);
  for (auto at = connections_.begin(); at != connections_.end();) {
    Connection& connection = at->second;
    if (!count(connection)) {
      at = connections_.erase(at);
      continue;
    }
    if (counted(connection) == 0) {
      connection.since.reset();
      connection.asked_at.reset();
    } else if (!connection.since) {
      connection.since = now;
    }
    ++at;
  }
  Findings findings;
  find_too_large(findings);
  find_slowest(now, findings);
  find_silent(now, findings);
  return findings;
}

bool UnfinishedRequests::count(Connection& connection) {
  Mark now{.finished = connection.finished_by_others};
  bool have_all_spoken = true;
  for (const auto& call : connection.calls) {
    now.finished += call->octets_;
    have_all_spoken = have_all_spoken && call->has_spoken_;
  }
  // Now: what becomes whole meanwhile still counts as unfinished.
  const std::optional<std::uint64_t> received = connection.received();
  if (!received) {
    return false;
  }
  now.received = *received;
  if (connection.calls.empty()) {
    connection.base = now;
  } else if (have_all_spoken) {
    connection.base = connection.next;
    connection.asked_at.reset();
  }
  now.unfinished = unfinished_since(connection.base, now);
  connection.now = now;
  if (have_all_spoken) {
    mark(connection);
  }
  return true;
}

// From now on all calls are to speak again.
void UnfinishedRequests::mark(Connection& connection) {
  connection.next = connection.now;
  std::ranges::for_each(connection.calls, [](auto& call) { call->has_spoken_ = false; });
}

// Each call's unfinished request began after the mark. What became whole since may have come
// before it, but no more of that than was unfinished then.
std::uint64_t UnfinishedRequests::unfinished_since(const Mark& mark, const Mark& now) {
  return less(now.received - mark.received, less(now.finished - mark.finished, mark.unfinished));
}

std::uint64_t UnfinishedRequests::counted(const Connection& connection) {
  const std::uint64_t free = kFreeOctets + connection.calls.size() * kFreeOctetsOfCall;
  return less(connection.now.unfinished, free);
}

UnfinishedRequests::Cut UnfinishedRequests::cut(Entry& entry, std::string_view why) {
  Cut cut{.peer = entry.first,
          .calls = entry.second.calls,
          .reason = {ErrorCode::kExhausted,
                     fmt::format("{} octets of requests that are not finished, {}",
                                 entry.second.now.unfinished, why)}};
  entry.second.now.unfinished = 0;  // so that no rule finds it again
  return cut;
}

void UnfinishedRequests::find_too_large(Findings& findings) {
  for (Entry& entry : connections_) {
    if (counted(entry.second) > limits_.octets_of_one) {
      findings.to_cut.push_back(cut(entry, "more than one connection may have"));
    }
  }
}

// Who is in the middle of a request is sooner done with it the more comes of it. So who began many
// and goes on with none makes room, not who reconnects with all that it holds.
void UnfinishedRequests::find_slowest(Time now, Findings& findings) {
  std::vector<std::pair<double, Entry*>> by_pace;
  std::uint64_t all = 0;
  for (Entry& entry : connections_) {
    if (const std::uint64_t octets = counted(entry.second); octets > 0) {
      const std::chrono::duration<double> time = now - entry.second.since.value_or(now);
      by_pace.emplace_back(static_cast<double>(octets) / (1 + time.count()), &entry);
      all += octets;
    }
  }
  std::ranges::sort(by_pace);
  for (auto at = by_pace.begin(); all > limits_.octets_of_all && at != by_pace.end(); ++at) {
    Entry& entry = *at->second;
    all -= counted(entry.second);
    findings.to_cut.push_back(cut(entry, "while all together have too many"));
  }
}

void UnfinishedRequests::find_silent(Time now, Findings& findings) {
  for (Entry& entry : connections_) {
    Connection& connection = entry.second;
    if (counted(connection) == 0) {
      continue;
    }
    if (!connection.asked_at && now - connection.since.value_or(now) > limits_.patience) {
      connection.asked_at = now;
      mark(connection);
      findings.to_ask.insert(findings.to_ask.end(), connection.calls.begin(),
                             connection.calls.end());
    } else if (connection.asked_at && now - *connection.asked_at > limits_.patience) {
      Cut of_silent = cut(entry, "and none became whole in time");
      std::erase_if(of_silent.calls, [](const auto& call) { return call->has_spoken_.load(); });
      findings.to_cut.push_back(std::move(of_silent));
    }
  }
}

}  // namespace meshdns::discovery
