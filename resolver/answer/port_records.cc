#include "resolver/answer/port_records.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "resolver/snapshot/port_lists.h"
#include "resolver/wire/protocol.h"
#include "resolver/wire/response_writer.h"

namespace meshdns::dns {
namespace {

// RFC 9460 section 14.3.2. A record lists them in ascending order (section 2.2).
namespace svc_param {
constexpr std::uint16_t kAlpn = 1;
constexpr std::uint16_t kNoDefaultAlpn = 2;
constexpr std::uint16_t kPort = 3;
constexpr std::uint16_t kIpv4Hint = 4;
constexpr std::uint16_t kIpv6Hint = 6;
}  // namespace svc_param

constexpr std::uint16_t kServiceMode = 1;  // SvcPriority: any but 0, which is an alias
constexpr std::uint16_t kHttpsPort = 443;
constexpr std::size_t kMaxHints = 4;
constexpr std::array<std::uint8_t, 1> kOwnerItself{0};  // TargetName "." (section 2.5.2)

// As values of the alpn parameter: each identifier behind its length (section 7.1.1).
constexpr std::array<std::uint8_t, 9> kHttp11{8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
constexpr std::array<std::uint8_t, 3> kH2{2, 'h', '2'};

}  // namespace

bool PortRecords::add(std::uint16_t type, const Port& port, AddressHints hints) {
  writer_.begin_record(Section::kAnswer, owner_at_,
                       {.type = type, .rrclass = rrclass::kIn, .ttl = host_.ttl});
  if (type == rrtype::kSrv) {
    put_srv(port);
  } else {
    put_svcb(type, port, hints);
  }
  return writer_.end_record();
}

void PortRecords::put_srv(const Port& port) {
  writer_.put_u16(0);  // priority
  writer_.put_u16(0);  // weight
  writer_.put_u16(port.number);
  writer_.put_plain_name(target_);
}

void PortRecords::put_svcb(std::uint16_t type, const Port& port, AddressHints hints) {
  writer_.put_u16(kServiceMode);
  writer_.put_octets(kOwnerItself);
  put_alpn(type, port.alpn);
  if (type != rrtype::kHttps || port.number != kHttpsPort) {
    writer_.put_u16(svc_param::kPort);
    writer_.put_u16(sizeof(std::uint16_t));
    writer_.put_u16(port.number);
  }
  if (hints == AddressHints::kGiven) {
    put_hints();
  }
}

void PortRecords::put_alpn(std::uint16_t type, Alpn alpn) {
  if (alpn == Alpn::kNone) {
    return;
  }
  const std::span<const std::uint8_t> value =
      alpn == Alpn::kH2 ? std::span<const std::uint8_t>(kH2) : kHttp11;
  writer_.put_u16(svc_param::kAlpn);
  writer_.put_u16(static_cast<std::uint16_t>(value.size()));
  writer_.put_octets(value);
  // An HTTPS record means http/1.1 too, unless it says otherwise (section 7.1.2).
  if (type == rrtype::kHttps && alpn == Alpn::kH2) {
    writer_.put_u16(svc_param::kNoDefaultAlpn);
    writer_.put_u16(0);
  }
}

void PortRecords::put_hints() {
  const auto put = [this](std::uint16_t key, std::span<const std::uint8_t> octets) {
    if (!octets.empty()) {
      writer_.put_u16(key);
      writer_.put_u16(static_cast<std::uint16_t>(octets.size()));
      writer_.put_octets(octets);
    }
  };
  put(svc_param::kIpv4Hint, host_.ipv4.first(std::min(host_.ipv4.size(), kMaxHints * 4)));
  put(svc_param::kIpv6Hint, host_.ipv6.first(std::min(host_.ipv6.size(), kMaxHints * 16)));
}

}  // namespace meshdns::dns
