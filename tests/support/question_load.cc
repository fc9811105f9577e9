#include "tests/support/question_load.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <exception>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/unique_fd.h"
#include "tests/support/dns_client.h"
#include "tests/support/wait_until.h"

namespace meshdns::support {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

struct Open {
  Clock::time_point first;
  Clock::time_point last;
  bool again = false;
};

bool is_right(const std::vector<std::uint8_t>& octets, const std::string& address) {
  const auto reply = DnsReply::decode(octets);
  return reply && reply->answer_data("A") == std::vector{address};
}

milliseconds since(Clock::time_point begin) {
  return std::chrono::duration_cast<milliseconds>(Clock::now() - begin);
}

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
  const UniqueFd socket = connect_socket(options_.server, DnsTransport::kUdp);
  Tally& tally = result_.udp;
  std::map<std::uint16_t, Open> open;
  std::uint16_t id = 0;
  const auto send = [&](std::uint16_t number) {
    // A socket that nobody has is an error of a later call: asked again like any that is lost.
    static_cast<void>(send_message(socket.get(), DnsTransport::kUdp,
                                   encode({.name = options_.name, .id = number})));
  };
  const auto stopped_at = [&] { return stopping_.load(); };
  std::optional<Clock::time_point> end;
  while (!stopped_at() || !open.empty()) {
    const auto now = Clock::now();
    if (stopped_at() && !end) {
      end = now + kHangBound;
    }
    if (end && now >= *end) {
      return;
    }
    if (!stopped_at()) {
      do {
        id = static_cast<std::uint16_t>(std::max(1, (id + 1) & 0xffff));
      } while (open.contains(id));
      open.emplace(id, Open{.first = now, .last = now});
      ++tally.asked;
      send(id);
    }
    for (auto& [number, question] : open) {
      if (!question.again && now - question.last >= options_.retry_after) {
        question.again = true;
        ++tally.retried;
        send(number);
      }
    }
    // Until the next question is due.
    const auto due = now + options_.pause;
    for (auto rest = options_.pause; rest.count() > 0;
         rest = std::chrono::duration_cast<milliseconds>(due - Clock::now())) {
      const auto octets = receive_octets(socket.get(), DnsTransport::kUdp, rest);
      const auto reply = octets ? DnsReply::decode(*octets) : std::nullopt;
      const auto found = reply ? open.find(reply->message().id) : open.end();
      if (found == open.end()) {
        continue;  // to a question that was asked twice
      }
      tally.longest = std::max(tally.longest, since(found->second.first));
      tally.wrong += is_right(*octets, options_.address) ? 0U : 1U;
      ++tally.answered;
      ++answered_udp_;
      ++answered_;
      open.erase(found);
    }
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
