#include "tests/support/question_load.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <exception>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/unique_fd.h"
#include "tests/support/dns_client.h"
#include "tests/support/wait_until.h"

namespace meshdns::support {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

bool is_right(const std::vector<std::uint8_t>& octets, const std::string& address) {
  const auto reply = DnsReply::decode(octets);
  return reply && reply->answer_data("A") == std::vector{address};
}

milliseconds since(Clock::time_point begin) {
  return std::chrono::duration_cast<milliseconds>(Clock::now() - begin);
}

// The questions of one UDP socket that still wait for their answers.
class OpenQuestions {
 public:
  OpenQuestions(const QuestionLoad::Options& options, QuestionLoad::Tally& tally)
      : options_(options),
        tally_(tally),
        socket_(connect_socket(options.server, DnsTransport::kUdp)) {}

  [[nodiscard]] bool is_empty() const { return open_.empty(); }

  void ask(Clock::time_point now) {
    do {
      id_ = static_cast<std::uint16_t>(std::max(1, (id_ + 1) & 0xffff));
    } while (open_.contains(id_));
    open_.emplace(id_, Open{.first = now, .last = now});
    ++tally_.asked;
    send(id_);
  }

  // Each once more, when its answer has been waited for long enough.
  void ask_again(Clock::time_point now) {
    for (auto& [id, question] : open_) {
      if (!question.again && now - question.last >= options_.retry_after) {
        question.again = true;
        ++tally_.retried;
        send(id);
      }
    }
  }

  // Hears for as long as the pause is; how many were answered.
  std::uint64_t hear(Clock::time_point now) {
    std::uint64_t answered = 0;
    const auto due = now + options_.pause;
    for (auto rest = options_.pause; rest.count() > 0;
         rest = std::chrono::duration_cast<milliseconds>(due - Clock::now())) {
      if (const auto octets = receive_octets(socket_.get(), DnsTransport::kUdp, rest)) {
        answered += take(*octets) ? 1U : 0U;
      }
    }
    return answered;
  }

 private:
  struct Open {
    Clock::time_point first;
    Clock::time_point last;
    bool again = false;
  };

  void send(std::uint16_t id) {
    // A socket that nobody has is an error of a later call: asked again like any that is lost.
    static_cast<void>(
        send_message(socket_.get(), DnsTransport::kUdp, encode({.name = options_.name, .id = id})));
  }

  // False for a second reply to a question that was asked twice.
  bool take(const std::vector<std::uint8_t>& octets) {
    const auto reply = DnsReply::decode(octets);
    const auto found = reply ? open_.find(reply->message().id) : open_.end();
    if (found == open_.end()) {
      return false;
    }
    tally_.longest = std::max(tally_.longest, since(found->second.first));
    tally_.wrong += is_right(octets, options_.address) ? 0U : 1U;
    ++tally_.answered;
    open_.erase(found);
    return true;
  }

  const QuestionLoad::Options& options_;
  QuestionLoad::Tally& tally_;
  const UniqueFd socket_;
  std::map<std::uint16_t, Open> open_;
  std::uint16_t id_ = 0;
};

}  // namespace

QuestionLoad::QuestionLoad(Options options)
    : options_(std::move(options)),
      udp_([this] { ask_over_udp(); }),
      tcp_([this] { ask_over_tcp(); }) {}

QuestionLoad::~QuestionLoad() { static_cast<void>(stop()); }

bool QuestionLoad::wait_for_more(std::uint64_t count) const {
  const std::uint64_t udp = answered_udp_ + count;
  const std::uint64_t tcp = answered_tcp_ + count;
  return wait_until([&] { return answered_udp_ >= udp && answered_tcp_ >= tcp; });
}

QuestionLoad::Result QuestionLoad::stop() {
  stopping_ = true;
  for (std::thread* const thread : {&udp_, &tcp_}) {
    if (thread->joinable()) {
      thread->join();
    }
  }
  return result_;
}

void QuestionLoad::ask_over_udp() {
  OpenQuestions open(options_, result_.udp);
  std::optional<Clock::time_point> end;
  for (auto now = Clock::now(); !end || (now < *end && !open.is_empty()); now = Clock::now()) {
    if (!stopping_) {
      open.ask(now);
    } else if (!end) {
      end = now + kHangBound;
    }
    open.ask_again(now);
    const std::uint64_t answered = open.hear(now);
    answered_udp_ += answered;
    answered_ += answered;
  }
}

void QuestionLoad::ask_over_tcp() {
  Tally& tally = result_.tcp;
  for (std::uint16_t id = 1; !stopping_; ++id) {
    ++tally.asked;
    const auto begin = Clock::now();
    std::optional<std::vector<std::uint8_t>> octets;
    for (int attempt = 0; attempt < 2 && !octets; ++attempt) {
      tally.retried += attempt == 0 ? 0U : 1U;
      try {
        const UniqueFd socket = connect_socket(options_.server, DnsTransport::kTcp);
        if (send_message(socket.get(), DnsTransport::kTcp,
                         encode({.name = options_.name, .id = std::max<std::uint16_t>(id, 1)}))) {
          octets = receive_octets(socket.get(), DnsTransport::kTcp,
                                  attempt == 0 ? options_.retry_after : milliseconds(kHangBound));
        }
      } catch (const std::exception&) {  // no connection
      }
    }
    if (octets) {
      tally.longest = std::max(tally.longest, since(begin));
      tally.wrong += is_right(*octets, options_.address) ? 0U : 1U;
      ++tally.answered;
      ++answered_tcp_;
      ++answered_;
    }
    std::this_thread::sleep_for(options_.pause);
  }
}

}  // namespace meshdns::support
