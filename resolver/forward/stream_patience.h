// For how long a connection to an upstream server may say nothing while something is expected of
// it: several times what its slowest replies took lately, within bounds that are well under a
// stub's 5 seconds and well over what a slow server needs. Twice as long after a silence.
//
// One thread.
#pragma once

#include <chrono>
#include <optional>

namespace meshdns::dns {

class StreamPatience {
 public:
  // With a server whose replies are known to be quick.
  static constexpr std::chrono::milliseconds kShortest{1000};
  // With one that has not replied yet, and with a connection that is being made: the kernel sends a
  // lost SYN again after one second (RFC 6298 section 2.1).
  static constexpr std::chrono::milliseconds kUnknown{1500};
  // Twice this, and some time is left to ask another server.
  static constexpr std::chrono::milliseconds kLongest{2000};

  // A reply came, so long after its question.
  void note_reply(std::chrono::nanoseconds rtt);
  // Something came, whatever it is.
  void note_message() { was_silent_ = false; }
  void note_silence() { was_silent_ = true; }

  // From a question to the next octet.
  [[nodiscard]] std::chrono::nanoseconds for_reply() const;
  // For each step in which a connection comes about.
  [[nodiscard]] std::chrono::nanoseconds for_set_up() const { return grown(kUnknown); }

 private:
  [[nodiscard]] std::chrono::nanoseconds grown(std::chrono::nanoseconds first) const;

  // Rises with a reply at once, and falls by an eighth of the difference.
  std::optional<std::chrono::nanoseconds> usual_;
  bool was_silent_ = false;  // and has said nothing since
};

}  // namespace meshdns::dns
