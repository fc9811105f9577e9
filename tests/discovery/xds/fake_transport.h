// A transport whose server and whose timer are the test.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "discovery/xds/ads_transport.h"
#include "discovery/xds/request.h"

namespace meshdns::discovery {

// What the test sees of a stream.
struct FakeStream {
  std::string target;
  XdsVariant variant = XdsVariant::kDelta;
  AdsCallEvents events;
  std::vector<std::string> requests;
  int reads = 0;
  bool open = true;
  AdsPeer peer = {};
  std::chrono::milliseconds delay{};  // of the timer
  std::function<void()> timer{};
  bool stands = true;
  std::function<void()> stand{};  // makes it so
};

class FakeCall final : public AdsCall {
 public:
  explicit FakeCall(FakeStream& stream) : stream_(stream) {}
  FakeCall(const FakeCall&) = delete;
  FakeCall& operator=(const FakeCall&) = delete;
  ~FakeCall() override { stream_.open = false; }
  void when_standing(std::function<void()> task) override {
    if (stream_.stands) {
      task();
    } else {
      stream_.stand = std::move(task);
    }
  }
  void send(std::string request) override { stream_.requests.push_back(std::move(request)); }
  void read() override { ++stream_.reads; }
  void run_after(std::chrono::milliseconds delay, std::function<void()> task) override {
    stream_.delay = delay;
    stream_.timer = std::move(task);
  }

 private:
  FakeStream& stream_;
};

struct FakeWorld {
  std::deque<FakeStream> streams;
  bool is_reached = true;  // a new stream stands at once
  std::vector<std::chrono::milliseconds> delays;
  std::function<void()> timer;
  std::string probed;                      // the target that is looked at; empty: none is
  std::function<void(bool)> answer_probe;  // says whether it was reached
};

class FakeTransport final : public AdsTransport {
 public:
  explicit FakeTransport(FakeWorld& world) : world_(world) {}
  std::unique_ptr<AdsCall> open(const AdsPeer& peer, XdsVariant variant,
                                AdsCallEvents events) override {
    world_.streams.push_back({peer.target, variant, std::move(events), {}, 0, true, peer});
    world_.streams.back().stands = world_.is_reached;
    return std::make_unique<FakeCall>(world_.streams.back());
  }
  void probe(const AdsPeer* peer, std::function<void(bool)> done) override {
    world_.probed = peer == nullptr ? "" : peer->target;
    world_.answer_probe = std::move(done);
  }
  void run_after(std::chrono::milliseconds delay, std::function<void()> task) override {
    world_.delays.push_back(delay);
    world_.timer = std::move(task);
  }
  void cancel_timer() override { world_.timer = nullptr; }
  void disconnect() override {}

 private:
  FakeWorld& world_;
};

}  // namespace meshdns::discovery
