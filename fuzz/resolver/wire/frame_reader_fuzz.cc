// A TCP stream cut into messages, however it arrives.
//
// Input: one octet of how many sizes follow, then the sizes of the pieces in which the stream
// arrives (top bit: memory is given back after it; all used in turn), then the stream.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "fuzz/require.h"
#include "resolver/wire/frame_reader.h"

namespace dns = meshdns::dns;

namespace {

using Octets = std::vector<std::uint8_t>;

using meshdns::fuzz::require;

// RFC 1035 section 4.2.2, over a stream that is there as a whole. What is left stays in `stream`.
std::vector<Octets> cut(std::span<const std::uint8_t>& stream) {
  std::vector<Octets> messages;
  while (stream.size() >= 2) {
    const std::size_t length = stream[0] * 256U + stream[1];
    if (stream.size() < 2 + length) {
      break;
    }
    const auto message = stream.subspan(2, length);
    messages.emplace_back(message.begin(), message.end());
    stream = stream.subspan(2 + length);
  }
  return messages;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  const auto input = std::span(data, size).subspan(1);
  const auto sizes = input.first(std::min<std::size_t>(data[0] % 16U, input.size()));
  const auto stream = input.subspan(sizes.size());

  dns::FrameReader reader;
  std::vector<Octets> messages;
  auto rest = stream;
  std::size_t given_out = 0;
  for (std::size_t turn = 0; !rest.empty(); ++turn) {
    const unsigned choice = sizes.empty() ? 0x7fU : sizes[turn % sizes.size()];
    const auto piece = rest.first(std::min<std::size_t>((choice & 0x7fU) + 1U, rest.size()));
    rest = rest.subspan(piece.size());
    reader.append(piece);
    while (const auto message = reader.next()) {
      messages.emplace_back(message->begin(), message->end());
      given_out += 2 + message->size();
      require(reader.buffered() == stream.size() - rest.size() - given_out);
    }
    if ((choice & 0x80U) != 0) {
      reader.release();
    }
    // Half a message at most is held: never more than a message can have.
    require(reader.buffered() < 2 + 65535);
  }

  auto left = stream;
  require(messages == cut(left));
  require(reader.buffered() == left.size());
  return 0;
}
