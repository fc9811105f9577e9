// How a question came in: decides the size of its answer and the meaning of TC.
#pragma once

#include <cstdint>

namespace meshdns::dns {

enum class Transport : std::uint8_t { kUdp, kTcp };

}  // namespace meshdns::dns
