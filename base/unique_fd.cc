#include "base/unique_fd.h"

#include <unistd.h>
#include <utility>

namespace meshdns {

void UniqueFd::reset(int fd) {
  const int old = std::exchange(fd_, fd);
  if (old >= 0 && old != fd) {
    ::close(old);
  }
}

}  // namespace meshdns
