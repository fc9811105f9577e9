// What became of a request: the result of answer/.
#pragma once

#include <cstddef>
#include <cstdint>

namespace meshdns::dns {

enum class Verdict : std::uint8_t {
  kAnswer,   // `size` octets of the response buffer are ready to send
  kForward,  // ask upstream; the parsed query says what
  kDrop,     // send nothing
};

struct Outcome {
  Verdict verdict = Verdict::kDrop;
  std::size_t size = 0;
  std::uint8_t rcode = 0;  // of the answer's header, for metrics
};

}  // namespace meshdns::dns
