// Networks of a test's own: nothing outside is reached, and every port is free.
#pragma once

#include <functional>
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"

namespace meshdns::support {

// Moves this process, before it has a second thread, into a network of its own with lo up, and into
// a mount namespace of its own. Without root it makes a user namespace for that. Fails with a
// message that says what to do.
[[nodiscard]] Result<void> isolate_process();

// One more network beside the process's own, with lo up. Lives as long as the object or a process
// in it. Throws std::runtime_error when it cannot be made.
class NetworkNamespace {
 public:
  NetworkNamespace();

  // For ProcessOptions::network_namespace.
  [[nodiscard]] int fd() const { return fd_.get(); }
  // What `ip link ... netns` takes.
  [[nodiscard]] std::string path() const;
  // Runs `task` on a thread that is inside; sockets made there stay inside.
  void run(const std::function<void()>& task) const;

 private:
  UniqueFd fd_;
};

// Runs `ip` with words separated by blanks, in the process's own network; throws
// std::runtime_error with its message on failure.
void ip(const std::string& words);

}  // namespace meshdns::support
