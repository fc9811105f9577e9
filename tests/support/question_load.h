// A stub resolver that never rests: numbered questions over UDP, and over TCP with a connection for
// each, from threads of its own, for tests that restart the server meanwhile.
//
// Every question has to be answered with the address that is right. One without an answer is asked
// once more after `retry_after`, as stub resolvers do; a test that allows no retry waits as long as
// for a program that hangs.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <thread>

#include "base/ip_address.h"
#include "tests/support/wait_until.h"

namespace meshdns::support {

class QuestionLoad {
 public:
  struct Options {
    SocketAddress server;
    std::string name;     // of the questions, for A
    std::string address;  // of the answers
    std::chrono::milliseconds retry_after{kHangBound};
    std::chrono::milliseconds pause{3};  // between two questions: a few hundred each second
  };
  struct Tally {
    std::uint64_t asked = 0;
    std::uint64_t answered = 0;
    std::uint64_t retried = 0;             // asked a second time
    std::uint64_t wrong = 0;               // answered with anything else
    std::chrono::milliseconds longest{0};  // from a question to its answer
  };

  explicit QuestionLoad(Options options);
  QuestionLoad(const QuestionLoad&) = delete;
  QuestionLoad& operator=(const QuestionLoad&) = delete;
  ~QuestionLoad();

  // How many have been answered so far.
  [[nodiscard]] std::uint64_t answered() const { return answered_; }
  // Waits until so many more are answered over each transport; false after the hang bound.
  [[nodiscard]] bool wait_for_more(std::uint64_t count) const;
  // Asks no more, waits for what is open, and says how it was.
  struct Result {
    Tally udp;
    Tally tcp;
  };
  [[nodiscard]] Result stop();

 private:
  void ask_over_udp();
  void ask_over_tcp();

  const Options options_;
  std::atomic<bool> stopping_{false};
  std::atomic<std::uint64_t> answered_{0};
  std::atomic<std::uint64_t> answered_udp_{0};
  std::atomic<std::uint64_t> answered_tcp_{0};
  Result result_;  // each half is its thread's until that has ended
  std::thread udp_;
  std::thread tcp_;
};

}  // namespace meshdns::support
