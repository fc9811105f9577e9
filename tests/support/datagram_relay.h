// A UDP relay in front of one server, which loses, delays, duplicates and reorders datagrams both
// ways: what a bad network does, drawn from a seed. Without faults it is a packet redirect.
//
// Each client keeps a port of its own towards the server. Works from a thread of its own; the
// public functions may be called from any.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <queue>
#include <random>
#include <thread>
#include <vector>

#include "base/ip_address.h"
#include "base/unique_fd.h"
#include "tests/support/stop_signal.h"

namespace meshdns::support {

// For each way.
struct RelayFaults {
  double loss = 0;         // of 1
  double duplication = 0;  // of 1
  std::chrono::milliseconds delay{0};
  std::chrono::milliseconds jitter{0};  // up to so much more: later datagrams overtake
};

class DatagramRelay {
 public:
  explicit DatagramRelay(const SocketAddress& server, const RelayFaults& faults = {},
                         std::uint64_t seed = 1,
                         const SocketAddress& address = {
                             .ip = IpAddress::parse("127.0.0.1").value(), .port = 0});
  DatagramRelay(const DatagramRelay&) = delete;
  DatagramRelay& operator=(const DatagramRelay&) = delete;
  ~DatagramRelay();

  [[nodiscard]] SocketAddress address() const { return address_; }
  // From now on.
  void set_faults(const RelayFaults& faults);
  [[nodiscard]] std::size_t questions() const { return questions_; }  // from clients
  [[nodiscard]] std::size_t lost() const { return lost_; }

 private:
  using TimePoint = std::chrono::steady_clock::time_point;
  // A client and the socket that stands for it.
  struct Flow {
    SocketAddress client;
    UniqueFd socket;
  };
  // A datagram on its way.
  struct Transit {
    TimePoint due;
    std::uint64_t order = 0;
    int socket = -1;       // to send on
    SocketAddress client;  // unspecified port: towards the server
    std::vector<std::uint8_t> octets;
    friend bool operator>(const Transit& a, const Transit& b) {
      return a.due != b.due ? a.due > b.due : a.order > b.order;
    }
  };

  void serve();
  void take_from_clients();
  void take_from_server(const Flow& flow);
  void schedule(Transit transit);
  void send_due();
  [[nodiscard]] Flow& flow_of(const SocketAddress& client);
  [[nodiscard]] int milliseconds_to_next() const;

  const SocketAddress server_;
  SocketAddress address_;
  UniqueFd socket_;
  StopSignal stop_;
  UniqueFd epoll_;
  std::mutex mutex_;  // guards faults_
  RelayFaults faults_;
  std::mt19937_64 random_;
  std::uint64_t order_ = 0;
  std::map<SocketAddress, Flow> flows_;
  std::map<int, SocketAddress> client_of_;
  std::queue<SocketAddress> by_age_;  // the clients of all flows
  std::priority_queue<Transit, std::vector<Transit>, std::greater<>> transits_;
  std::atomic<std::size_t> questions_{0};
  std::atomic<std::size_t> lost_{0};
  std::thread thread_;
};

}  // namespace meshdns::support
