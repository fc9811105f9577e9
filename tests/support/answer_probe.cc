#include "tests/support/answer_probe.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/ip_address.h"
#include "tests/support/dns_client.h"

namespace meshdns::support {
namespace {

using std::chrono::steady_clock;

constexpr std::size_t kFirstWrong = 10;
// The machine has other things to do besides.
constexpr std::chrono::milliseconds kPause{1};

}  // namespace

AnswerProbe::AnswerProbe(std::vector<SocketAddress> servers, std::vector<std::string> names,
                         Judge judge)
    : servers_(std::move(servers)), names_(std::move(names)), judge_(std::move(judge)) {
  for (const SocketAddress& server : servers_) {
    sockets_.push_back(connect_socket(server, DnsTransport::kUdp));
  }
  thread_ = std::thread([this] { run(); });
}

AnswerProbe::~AnswerProbe() { (void)stop(); }

AnswerProbe::Findings AnswerProbe::stop() {
  stop_ = true;
  if (thread_.joinable()) {
    thread_.join();
  }
  return findings_;
}

void AnswerProbe::run() {
  while (true) {
    for (const std::string& name : names_) {
      for (std::size_t server = 0; server < servers_.size(); ++server) {
        if (stop_) {
          return;
        }
        ask_one(server, name);
        std::this_thread::sleep_for(kPause);
      }
    }
  }
}

void AnswerProbe::ask_one(std::size_t server, const std::string& name) {
  const auto began = steady_clock::now();
  const auto query = encode({.name = name});
  std::string wrong = "is not answered";
  if (send_message(sockets_[server].get(), DnsTransport::kUdp, query)) {
    std::optional<DnsReply> reply;
    // One that comes late answers a question that was given up.
    while (steady_clock::now() - began < kBound &&
           (!reply || reply->octets()[0] != query[0] || reply->octets()[1] != query[1])) {
      const auto octets = receive_octets(sockets_[server].get(), DnsTransport::kUdp, kBound);
      reply = octets ? DnsReply::decode(*octets) : std::nullopt;
    }
    if (reply) {
      wrong = judge_({server, name, began}, *reply);
    }
  }
  ++findings_.questions;
  findings_.longest =
      std::max(findings_.longest,
               std::chrono::duration_cast<std::chrono::microseconds>(steady_clock::now() - began));
  if (!wrong.empty()) {
    ++findings_.wrong;
    ++wrong_;
    if (findings_.first_wrong.size() < kFirstWrong) {
      findings_.first_wrong.push_back(servers_[server].to_string() + " " + name + ": " + wrong);
    }
  }
}

}  // namespace meshdns::support
