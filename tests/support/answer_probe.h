// Asks resolvers for known names over and over, and has each reply judged: whether answers stop,
// and whether they are right, while something else happens to the resolvers.
//
// A thread of its own asks over UDP, one question at a time.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "base/ip_address.h"
#include "base/unique_fd.h"
#include "tests/support/dns_client.h"

namespace meshdns::support {

class AnswerProbe {
 public:
  // Past this an answer has stopped: what a stub waits for before it gives up is half of it.
  static constexpr std::chrono::seconds kBound{10};

  // What is wrong with a reply; empty when nothing is. On the probe's thread.
  struct Question {
    std::size_t server = 0;  // its place among the servers
    std::string name;
    std::chrono::steady_clock::time_point asked_at;  // a reply may be true of any time since
  };
  using Judge = std::function<std::string(const Question& question, const DnsReply& reply)>;

  struct Findings {
    std::uint64_t questions = 0;
    std::uint64_t wrong = 0;               // or not answered within kBound
    std::vector<std::string> first_wrong;  // the first few in words
    std::chrono::microseconds longest{0};
  };

  AnswerProbe(std::vector<SocketAddress> servers, std::vector<std::string> names, Judge judge);
  AnswerProbe(const AnswerProbe&) = delete;
  AnswerProbe& operator=(const AnswerProbe&) = delete;
  ~AnswerProbe();

  // Ends it. Findings before that may be read at any time by wrong_so_far().
  [[nodiscard]] Findings stop();
  [[nodiscard]] std::uint64_t wrong_so_far() const { return wrong_; }

 private:
  void run();
  void ask_one(std::size_t server, const std::string& name);

  std::vector<SocketAddress> servers_;
  std::vector<std::string> names_;
  Judge judge_;
  std::vector<UniqueFd> sockets_;
  Findings findings_;
  std::atomic<std::uint64_t> wrong_ = 0;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

}  // namespace meshdns::support
