// How an AdsClient reaches a server: the seam between its rules and gRPC, so that tests can play
// the server and own the time.
//
// All calls and all events belong to the control thread.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "discovery/xds/ads_client.h"
#include "discovery/xds/request.h"
#include "discovery/xds/response.h"

namespace meshdns::discovery {

// One stream. Destroying it cancels the stream and waits until nothing of it runs any more; no
// event comes afterwards.
class AdsCall {
 public:
  AdsCall() = default;
  AdsCall(const AdsCall&) = delete;
  AdsCall& operator=(const AdsCall&) = delete;
  virtual ~AdsCall() = default;

  // Runs `task` once the stream stands and can be written to, unless it ends or is destroyed
  // before: what is large need not be made for a server that is not there. Once.
  virtual void when_standing(std::function<void()> task) = 0;
  // Sends a request after those before it, not before the stream stands.
  virtual void send(std::string request) = 0;
  // Asks for one response: exactly one event follows.
  virtual void read() = 0;
  // Runs `task` once, later, unless the stream is destroyed before. A new one replaces the one
  // before.
  virtual void run_after(std::chrono::milliseconds delay, std::function<void()> task) = 0;
};

// Why a stream ended, as gRPC says it.
struct AdsCallEnd {
  bool unimplemented = false;  // the server does not know the method
  // Something was more than the server takes, or waits for: a request, for one.
  bool exhausted = false;
  std::string reason;
};

struct AdsCallEvents {
  // An error: the bytes were no response.
  std::function<void(Result<DecodedResponse>)> on_response;
  std::function<void(const AdsCallEnd&)> on_end;  // once, and the last
};

// Whom to connect to, and with what.
struct AdsPeer {
  std::string target;     // as AdsClient::Options has it, without its name
  std::string authority;  // empty: gRPC's own
  AdsCredentials credentials;

  friend bool operator==(const AdsPeer&, const AdsPeer&) = default;
};

class AdsTransport {
 public:
  AdsTransport() = default;
  AdsTransport(const AdsTransport&) = delete;
  AdsTransport& operator=(const AdsTransport&) = delete;
  virtual ~AdsTransport() = default;

  // Connects anew. Failure to connect is an on_end like any other.
  [[nodiscard]] virtual std::unique_ptr<AdsCall> open(const AdsPeer& peer, XdsVariant variant,
                                                      AdsCallEvents events) = 0;
  // Connects beside any stream, and says whether that went well; TLS counts, a stream is not
  // begun. A new one replaces the one before, whose `done` is then not called; so does nullptr.
  virtual void probe(const AdsPeer* peer, std::function<void(bool reached)> done) = 0;
  // Runs `task` once, later. A new one replaces the one before.
  virtual void run_after(std::chrono::milliseconds delay, std::function<void()> task) = 0;
  // Forgets the task of run_after(); it does not run afterwards.
  virtual void cancel_timer() = 0;
  // Closes what streams that are gone have left open.
  virtual void disconnect() = 0;
};

}  // namespace meshdns::discovery
