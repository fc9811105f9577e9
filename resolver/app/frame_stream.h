// FrameStream: data frames to a unix socket, with the handshake of Frame Streams, or to a file;
// libfstrm speaks the protocol, this class opens, writes and gives up in time.
//
// Belongs to one thread. No call waits for longer than kPatience; a stream that failed is opened
// again after kOpenInterval, at the next write().
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <span>
#include <string>

#include <sys/uio.h>

#include "base/log.h"
#include "base/unique_fd.h"

struct fstrm_rdwr;    // NOLINT(readability-identifier-naming): of libfstrm
struct fstrm_writer;  // NOLINT(readability-identifier-naming)

namespace meshdns::dns {

class FrameStream {
 public:
  static constexpr std::chrono::milliseconds kPatience{500};
  static constexpr std::chrono::seconds kOpenInterval{1};

  // `target` is "unix:/PATH" or "/PATH"; a file that is there is overwritten. `log` outlives it.
  FrameStream(const std::string& target, std::string content_type, Logger& log);
  FrameStream(const FrameStream&) = delete;
  FrameStream& operator=(const FrameStream&) = delete;
  ~FrameStream();

  // All of `frames`, or fails, after which some may have been written.
  [[nodiscard]] bool write(std::span<iovec> frames);
  // Ends the stream as the protocol says; the next write() begins another.
  void close();

 private:
  struct Calls;  // what libfstrm calls

  [[nodiscard]] bool open();
  [[nodiscard]] bool open_descriptor();
  [[nodiscard]] bool wait_for(short events);
  [[nodiscard]] bool read_all(void* into, std::size_t octets);
  [[nodiscard]] bool write_all(std::span<iovec> parts);
  void begin_wait();

  std::string path_;
  bool is_socket_;
  std::string content_type_;
  Logger& log_;
  UniqueFd fd_;
  fstrm_writer* writer_ = nullptr;
  std::optional<std::chrono::steady_clock::time_point> tried_;  // to open it, in vain
  std::chrono::steady_clock::time_point patience_end_;
  bool is_told_ = false;  // that it cannot be written to
};

}  // namespace meshdns::dns
