#include "tests/support/reply_log.h"

#include <cstdint>
#include <fstream>
#include <ios>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/process.h"
#include "tests/support/temporary_directory.h"

namespace meshdns::support {
namespace {

using Octets = std::vector<std::uint8_t>;

struct Log {
  std::mutex mutex;
  bool on = false;
  std::set<Octets> messages;
};

Log& log() {
  static Log log;
  return log;
}

}  // namespace

void log_reply(std::span<const std::uint8_t> message) {
  const std::lock_guard lock(log().mutex);
  if (log().on) {
    log().messages.insert(Octets(message.begin(), message.end()));
  }
}

std::string dnspython_on(const std::vector<Octets>& messages) {
  const TemporaryDirectory folder;
  const std::string path = folder.file("replies");
  {
    // As over TCP: each behind its length.
    std::ofstream file(path, std::ios::binary);
    for (const Octets& message : messages) {
      file.put(static_cast<char>(message.size() >> 8U));
      file.put(static_cast<char>(message.size() & 0xffU));
      for (const std::uint8_t octet : message) {
        file.put(static_cast<char>(octet));
      }
    }
  }
  ProcessOptions options;
  options.argv = {"/usr/bin/python3", "-B", MESHDNS_PYTHON_FOLDER "/decode_replies.py", path};
  Process decoder(options);
  const auto code = decoder.wait();
  return code == 0 ? "" : decoder.standard_error() + decoder.standard_output();
}

void SecondDecoder::SetUp() {
  const std::lock_guard lock(log().mutex);
  log().on = true;
}

void SecondDecoder::TearDown() {
  const std::lock_guard lock(log().mutex);
  if (!log().messages.empty()) {
    EXPECT_EQ(dnspython_on({log().messages.begin(), log().messages.end()}), "");
  }
}

}  // namespace meshdns::support
