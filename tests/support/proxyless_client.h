// gRPC's own xDS client as a program: proxyless_client, one line in and one line out. It reads its
// bootstrap once, hence a process of its own.
//
// One thread uses it.
#pragma once

#include <chrono>
#include <cstdio>
#include <string>

#include <sys/types.h>

#include "tests/support/temporary_directory.h"

namespace meshdns::support {

struct ProxylessOptions {
  std::string control_plane;  // ADDRESS:PORT
  std::string target;         // HOSTNAME:PORT
  std::string zone{};
  std::string node_id = "default.client";
  // Of each call. What a client asks for and is not told of is not there after 15 s.
  std::chrono::milliseconds deadline{10'000};
};

// The bootstrap file of such a client.
[[nodiscard]] std::string xds_bootstrap(const ProxylessOptions& options);

class ProxylessClient {
 public:
  explicit ProxylessClient(const ProxylessOptions& options);
  ProxylessClient(const ProxylessClient&) = delete;
  ProxylessClient& operator=(const ProxylessClient&) = delete;
  // Ends the program, which must then exit with 0.
  ~ProxylessClient();

  // Makes a call: "ok REPLY" or "failed CODE TEXT"; "gone" when the program is.
  [[nodiscard]] std::string call();
  // Calls until the answer is `want`, within the hang bound; the last answer.
  [[nodiscard]] std::string call_until(const std::string& want);

 private:
  TemporaryDirectory folder_;
  pid_t pid_ = 0;
  int to_ = -1;
  FILE* from_ = nullptr;
};

}  // namespace meshdns::support
