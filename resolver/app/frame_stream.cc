#include "resolver/app/frame_stream.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <fcntl.h>
#include <fstrm.h>
#include <poll.h>
#include <span>
#include <string>
#include <string_view>
#include <unistd.h>
#include <utility>

#include <fstrm/rdwr.h>
#include <fstrm/writer.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

#include "base/log.h"
#include "base/unique_fd.h"

namespace meshdns::dns {
namespace {

constexpr std::string_view kSocketPrefix = "unix:";
constexpr mode_t kFileMode = 0640;
// Parts of one system call (IOV_MAX is 1024).
constexpr std::size_t kMaxParts = 256;

fstrm_res result_of(bool done) { return done ? fstrm_res_success : fstrm_res_failure; }

// Drops `octets` from the front of `parts`.
std::span<iovec> skip(std::span<iovec> parts, std::size_t octets) {
  while (!parts.empty() && octets >= parts.front().iov_len) {
    octets -= parts.front().iov_len;
    parts = parts.subspan(1);
  }
  if (!parts.empty()) {
    parts.front().iov_base = static_cast<char*>(parts.front().iov_base) + octets;
    parts.front().iov_len -= octets;
  }
  return parts;
}

}  // namespace

struct FrameStream::Calls {
  static FrameStream& self(void* object) { return *static_cast<FrameStream*>(object); }
  static fstrm_res open(void* object) { return result_of(self(object).open_descriptor()); }
  static fstrm_res close(void* object) {
    self(object).fd_.reset();
    return fstrm_res_success;
  }
  static fstrm_res read(void* object, void* into, std::size_t octets) {
    return result_of(self(object).read_all(into, octets));
  }
  static fstrm_res write(void* object, const iovec* parts, int count) {
    std::array<iovec, kMaxParts> copy{};
    for (auto left = std::span(parts, static_cast<std::size_t>(count)); !left.empty();) {
      const std::size_t now = std::min(left.size(), copy.size());
      std::ranges::copy(left.first(now), copy.begin());
      if (!self(object).write_all(std::span(copy).first(now))) {
        return fstrm_res_failure;
      }
      left = left.subspan(now);
    }
    return fstrm_res_success;
  }
};

FrameStream::FrameStream(const std::string& target, std::string content_type, Logger& log)
    : path_(target.starts_with(kSocketPrefix) ? target.substr(kSocketPrefix.size()) : target),
      is_socket_(target.starts_with(kSocketPrefix)),
      content_type_(std::move(content_type)),
      log_(log) {}

FrameStream::~FrameStream() { close(); }

void FrameStream::begin_wait() { patience_end_ = std::chrono::steady_clock::now() + kPatience; }

bool FrameStream::open() {
  const auto now = std::chrono::steady_clock::now();
  if (tried_ && now - *tried_ < kOpenInterval) {
    return false;
  }
  begin_wait();
  fstrm_rdwr* channel = fstrm_rdwr_init(this);
  fstrm_rdwr_set_open(channel, &Calls::open);
  fstrm_rdwr_set_close(channel, &Calls::close);
  fstrm_rdwr_set_write(channel, &Calls::write);
  if (is_socket_) {
    fstrm_rdwr_set_read(channel, &Calls::read);  // which makes the stream one with a handshake
  }
  fstrm_writer_options* options = fstrm_writer_options_init();
  fstrm_writer_options_add_content_type(options, content_type_.data(), content_type_.size());
  writer_ = fstrm_writer_init(options, &channel);
  fstrm_writer_options_destroy(&options);
  if (fstrm_writer_open(writer_) == fstrm_res_success) {
    tried_.reset();
    log_.info("dnstap is written output={}", path_);
    is_told_ = false;
    return true;
  }
  tried_ = now;
  fd_.reset();
  fstrm_writer_destroy(&writer_);
  if (!std::exchange(is_told_, true)) {
    log_.warn("dnstap cannot be written and is dropped for now output={}", path_);
  }
  return false;
}

bool FrameStream::open_descriptor() {
  if (!is_socket_) {
    // O_NONBLOCK: a FIFO that nobody reads must not be waited for.
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-vararg): open(2) is declared so.
    fd_.reset(
        ::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NONBLOCK | O_CLOEXEC, kFileMode));
    return fd_.valid();
  }
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path_.size() >= sizeof address.sun_path) {
    return false;
  }
  std::memcpy(address.sun_path, path_.data(), path_.size());
  fd_.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): the socket API's own idiom.
  const auto* const name = reinterpret_cast<const sockaddr*>(&address);
  // A unix socket connects at once, or says EAGAIN when too many wait.
  return fd_.valid() && ::connect(fd_.get(), name, sizeof address) == 0;
}

bool FrameStream::wait_for(short events) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(patience_end_ -
                                                                 std::chrono::steady_clock::now());
  pollfd wanted{.fd = fd_.get(), .events = events, .revents = 0};
  return fd_.valid() && ::poll(&wanted, 1, std::max(0, static_cast<int>(left.count()))) == 1;
}

bool FrameStream::read_all(void* into, std::size_t octets) {
  auto* place = static_cast<char*>(into);
  while (octets != 0) {
    if (!wait_for(POLLIN)) {
      return false;
    }
    const ssize_t count = ::read(fd_.get(), place, octets);
    if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR)) {
      return false;
    }
    if (count > 0) {
      place += count;
      octets -= static_cast<std::size_t>(count);
    }
  }
  return true;
}

bool FrameStream::write_all(std::span<iovec> parts) {
  parts = skip(parts, 0);
  while (!parts.empty()) {
    if (!wait_for(POLLOUT)) {
      return false;
    }
    const ssize_t count = ::writev(fd_.get(), parts.data(), static_cast<int>(parts.size()));
    if (count < 0 && errno != EAGAIN && errno != EINTR) {
      return false;
    }
    if (count > 0) {
      parts = skip(parts, static_cast<std::size_t>(count));
    }
  }
  return true;
}

bool FrameStream::write(std::span<iovec> frames) {
  if (writer_ == nullptr && !open()) {
    return false;
  }
  begin_wait();
  if (fstrm_writer_writev(writer_, frames.data(), static_cast<int>(frames.size())) ==
      fstrm_res_success) {
    return true;
  }
  tried_ = std::chrono::steady_clock::now();
  log_.warn("dnstap's reader is gone or too slow: the stream begins anew output={}", path_);
  fd_.reset();  // nothing more is said on it: half a frame may have been
  fstrm_writer_destroy(&writer_);
  return false;
}

void FrameStream::close() {
  if (writer_ != nullptr) {
    begin_wait();
    fstrm_writer_close(writer_);
    fstrm_writer_destroy(&writer_);
  }
  fd_.reset();
}

}  // namespace meshdns::dns
