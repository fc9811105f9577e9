// An HTTP server on a unix socket whose every octet the test decides: what Envoy says to kuma-dp,
// and what it never would. One connection at a time; a thread of its own.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/unique_fd.h"

namespace meshdns::support {

class UnixHttpServer {
 public:
  // Gets a request (up to its empty line) and writes to the connection itself. It ends when
  // write_all() says that nobody listens any more; then the connection is closed.
  class Connection {
   public:
    Connection(int fd, const std::atomic<bool>& stopping) : fd_(fd), stopping_(stopping) {}
    // False when the other end, or the test, has gone.
    bool write_all(const std::string& octets);
    // Until the other end hangs up.
    void wait_for_end();
    // Whether it does so, or the test ends, within that time.
    bool ends_within(std::chrono::milliseconds time);

   private:
    int fd_;
    const std::atomic<bool>& stopping_;
  };
  using Script = std::function<void(const std::string& request, Connection& connection)>;

  // A file of that name is replaced.
  UnixHttpServer(const std::string& path, Script script);
  UnixHttpServer(const UnixHttpServer&) = delete;
  UnixHttpServer& operator=(const UnixHttpServer&) = delete;
  ~UnixHttpServer();

  [[nodiscard]] std::vector<std::string> requests() const;
  // From the next request on.
  void set_script(Script script);

 private:
  void serve();
  void serve(int fd);

  std::string path_;
  UniqueFd listener_;
  std::atomic<bool> stopping_{false};
  mutable std::mutex mutex_;  // guards these two
  Script script_;
  std::vector<std::string> requests_;
  std::thread thread_;
};

// "HTTP/1.1 STATUS" with these headers ("Name: value") and this body with its length.
[[nodiscard]] std::string http_response(int status, const std::string& body,
                                        const std::vector<std::string>& headers = {});
// The value of a header of a request; empty when it is not there.
[[nodiscard]] std::string header_of(const std::string& request, const std::string& name);

// What a kuma-dp's Envoy does with a table: 304 for who has it, else 200; 404 while it is empty.
[[nodiscard]] UnixHttpServer::Script serve_kuma_table(const std::string& body);

}  // namespace meshdns::support
