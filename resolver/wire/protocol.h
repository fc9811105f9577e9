// Numbers of the DNS protocol, by their RFC names. Hot path.
//
// Header of every message (RFC 1035 section 4.1.1, AD and CD by RFC 4035), 12 octets, big-endian:
//
//     0  id
//     2  QR | opcode(4) | AA | TC | RD      RA | Z | AD | CD | rcode(4)
//     4  QDCOUNT     6  ANCOUNT     8  NSCOUNT     10  ARCOUNT
#pragma once

#include <cstddef>
#include <cstdint>

namespace meshdns::dns {

inline constexpr std::size_t kHeaderOctets = 12;
inline constexpr std::size_t kMaxMessageOctets = 65535;  // RFC 1035 section 4.2.2
inline constexpr std::size_t kPlainUdpOctets = 512;      // RFC 1035 section 4.2.1
inline constexpr std::size_t kOptOctets = 11;            // RFC 6891 section 6.1.2, without options
inline constexpr std::size_t kMaxExtendedErrorTextOctets = 64;
// What we are ready to receive and at most send over UDP: never fragmented (DNS flag day 2020; RFC
// 9715).
inline constexpr std::uint16_t kOurUdpPayloadOctets = 1232;

namespace flag {
inline constexpr std::uint16_t kResponse = 0x8000;
inline constexpr std::uint16_t kOpcodeMask = 0x7800;
inline constexpr std::uint16_t kAuthoritative = 0x0400;
inline constexpr std::uint16_t kTruncated = 0x0200;
inline constexpr std::uint16_t kRecursionDesired = 0x0100;
inline constexpr std::uint16_t kRecursionAvailable = 0x0080;
inline constexpr std::uint16_t kAuthenticData = 0x0020;
inline constexpr std::uint16_t kCheckingDisabled = 0x0010;
inline constexpr std::uint16_t kRcodeMask = 0x000f;
}  // namespace flag

namespace opcode {
inline constexpr std::uint8_t kQuery = 0;
}  // namespace opcode

// RFC 6895 section 2.3; values above 15 need an OPT record.
namespace rcode {
inline constexpr std::uint16_t kNoError = 0;
inline constexpr std::uint16_t kFormErr = 1;
inline constexpr std::uint16_t kServFail = 2;
inline constexpr std::uint16_t kNxDomain = 3;
inline constexpr std::uint16_t kNotImp = 4;
inline constexpr std::uint16_t kRefused = 5;
inline constexpr std::uint16_t kBadVers = 16;
}  // namespace rcode

namespace rrtype {
inline constexpr std::uint16_t kA = 1;
inline constexpr std::uint16_t kNs = 2;
inline constexpr std::uint16_t kMd = 3;
inline constexpr std::uint16_t kMf = 4;
inline constexpr std::uint16_t kCname = 5;
inline constexpr std::uint16_t kSoa = 6;
inline constexpr std::uint16_t kMb = 7;
inline constexpr std::uint16_t kMg = 8;
inline constexpr std::uint16_t kMr = 9;
inline constexpr std::uint16_t kPtr = 12;
inline constexpr std::uint16_t kHinfo = 13;
inline constexpr std::uint16_t kMinfo = 14;
inline constexpr std::uint16_t kMx = 15;
inline constexpr std::uint16_t kTxt = 16;
inline constexpr std::uint16_t kRp = 17;
inline constexpr std::uint16_t kAfsdb = 18;
inline constexpr std::uint16_t kRt = 21;
inline constexpr std::uint16_t kSig = 24;
inline constexpr std::uint16_t kPx = 26;
inline constexpr std::uint16_t kAaaa = 28;
inline constexpr std::uint16_t kNxt = 30;
inline constexpr std::uint16_t kSrv = 33;
inline constexpr std::uint16_t kNaptr = 35;
inline constexpr std::uint16_t kOpt = 41;
inline constexpr std::uint16_t kDs = 43;
inline constexpr std::uint16_t kSvcb = 64;
inline constexpr std::uint16_t kHttps = 65;
inline constexpr std::uint16_t kNxName = 128;
inline constexpr std::uint16_t kTkey = 249;
inline constexpr std::uint16_t kTsig = 250;
inline constexpr std::uint16_t kIxfr = 251;
inline constexpr std::uint16_t kAxfr = 252;
inline constexpr std::uint16_t kMailb = 253;
inline constexpr std::uint16_t kMaila = 254;
inline constexpr std::uint16_t kAny = 255;
}  // namespace rrtype

namespace rrclass {
inline constexpr std::uint16_t kIn = 1;
inline constexpr std::uint16_t kChaos = 3;
inline constexpr std::uint16_t kNone = 254;
inline constexpr std::uint16_t kAny = 255;
}  // namespace rrclass

// EDNS option codes that the parser looks at.
namespace edns_option {
inline constexpr std::uint16_t kClientSubnet = 8;    // RFC 7871
inline constexpr std::uint16_t kTcpKeepalive = 11;   // RFC 7828
inline constexpr std::uint16_t kExtendedError = 15;  // RFC 8914
}  // namespace edns_option

// RFC 8914 section 4; the last one RFC 9824 section 9.
namespace extended_error {
inline constexpr std::uint16_t kOther = 0;
inline constexpr std::uint16_t kStaleAnswer = 3;
inline constexpr std::uint16_t kCachedError = 13;
inline constexpr std::uint16_t kNotReady = 14;
inline constexpr std::uint16_t kBlocked = 15;
inline constexpr std::uint16_t kStaleNxDomainAnswer = 19;
inline constexpr std::uint16_t kNotSupported = 21;
inline constexpr std::uint16_t kNoReachableAuthority = 22;
inline constexpr std::uint16_t kNetworkError = 23;
inline constexpr std::uint16_t kInvalidQueryType = 30;
}  // namespace extended_error

}  // namespace meshdns::dns
