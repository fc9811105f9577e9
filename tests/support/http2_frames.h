// HTTP/2 as bytes (RFC 9113), valid or not: what a peer without any library can say to gRPC.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace meshdns::support::http2 {

enum FrameType : std::uint8_t {  // RFC 9113 section 6
  kData = 0,
  kHeaders = 1,
  kPriority = 2,
  kRstStream = 3,
  kSettings = 4,
  kPushPromise = 5,
  kPing = 6,
  kGoaway = 7,
  kWindowUpdate = 8,
  kContinuation = 9,
};
inline constexpr unsigned kAck = 0x1;
inline constexpr unsigned kEndStream = 0x1;
inline constexpr unsigned kEndHeaders = 0x4;

inline std::string big_endian(std::uint64_t value, int octets) {
  std::string out;
  for (int shift = (octets - 1) * 8; shift >= 0; shift -= 8) {
    out.push_back(static_cast<char>((value >> static_cast<unsigned>(shift)) & 0xffU));
  }
  return out;
}

inline std::string frame(unsigned type, unsigned flags, std::uint32_t stream,
                         const std::string& payload) {
  return big_endian(payload.size(), 3) + static_cast<char>(type) + static_cast<char>(flags) +
         big_endian(stream, 4) + payload;
}

// A header that no table knows (RFC 7541 section 6.2.2), shorter than 127 octets each.
inline std::string header(const std::string& name, const std::string& value) {
  return std::string(1, '\0') + static_cast<char>(name.size()) + name +
         static_cast<char>(value.size()) + value;
}

// ":status: 200" is the eighth of HPACK's static table.
inline std::string response_headers() {
  return "\x88" + header("content-type", "application/grpc");
}

// A message of gRPC in a DATA frame's payload.
inline std::string grpc_message(const std::string& bytes, bool compressed = false) {
  return std::string(1, compressed ? '\1' : '\0') + big_endian(bytes.size(), 4) + bytes;
}

}  // namespace meshdns::support::http2
