#include "base/resident_memory.h"

#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <fcntl.h>
#include <string_view>
#include <unistd.h>

#include "base/unique_fd.h"

namespace meshdns {

std::uint64_t resident_octets() {
  const UniqueFd file(::open("/proc/self/statm", O_RDONLY | O_CLOEXEC));
  std::array<char, 128> buffer{};
  const ssize_t size = file.valid() ? ::read(file.get(), buffer.data(), buffer.size()) : 0;
  if (size <= 0) {
    return 0;
  }
  // "TOTAL RESIDENT ...", in pages.
  const std::string_view text(buffer.data(), static_cast<std::size_t>(size));
  const std::size_t begin = text.find(' ') + 1;
  std::uint64_t pages = 0;
  std::from_chars(text.data() + begin, text.data() + text.size(), pages);
  return pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace meshdns
