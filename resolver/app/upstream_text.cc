#include "resolver/app/upstream_text.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "base/ip_address.h"
#include "base/log.h"
#include "base/refuse.h"
#include "base/result.h"
#include "resolver/app/setting_text.h"
#include "resolver/app/setting_values.h"
#include "resolver/forward/tls_client.h"
#include "resolver/forward/upstream_server.h"

namespace meshdns::dns {
namespace {

constexpr std::uint16_t kDnsPort = 53;
constexpr std::uint16_t kTlsPort = 853;  // RFC 7858 section 3.1
constexpr std::string_view kExample = "192.0.2.1:53 or tls://192.0.2.1#dns.example.org";

constexpr std::array<std::pair<std::string_view, UpstreamTransport>, 3> kSchemes{
    {{"udp://", UpstreamTransport::kUdp},
     {"tcp://", UpstreamTransport::kTcp},
     {"tls://", UpstreamTransport::kTls}}};

// What stands before `end`, which is taken away with it.
std::string take_until(std::string& text, char end) {
  const std::string::size_type at = text.find(end);
  std::string part = text.substr(0, at);
  text.erase(0, at == std::string::npos ? at : at + 1);
  return part;
}

Result<void> apply_part(const std::string& part, TlsClient::Options& tls) {
  constexpr std::string_view kPin = "pin=";
  constexpr std::string_view kCa = "ca=";
  if (part.starts_with(kPin)) {
    const auto pin = parse_pin(part.substr(kPin.size()));
    if (!pin) {
      return tl::unexpected(pin.error());
    }
    if (std::ranges::find(tls.pins, *pin) == tls.pins.end()) {
      tls.pins.push_back(*pin);
    }
    return {};
  }
  if (part.starts_with(kCa) && tls.ca_file.empty()) {
    auto path = parse_path(part.substr(kCa.size()));
    if (!path) {
      return tl::unexpected(std::move(path.error()));
    }
    tls.ca_file = *std::move(path);
    return {};
  }
  return refuse(fmt::format("'{}' says nothing of a server (write pin=sha256/..., or ca=PATH once)",
                            escape_name(part)));
}

Result<TlsClient::Options> parse_tls(std::string name, std::string parts) {
  TlsClient::Options tls;
  if (!name.empty()) {
    auto checked = parse_zone(name);
    if (!checked || SocketAddress::parse(name, 1)) {
      return refuse(
          fmt::format("'{}' is no name of a server (write such as dns.example.org behind the #)",
                      escape_name(name)));
    }
    tls.name = *std::move(checked);
  }
  while (!parts.empty()) {
    if (auto applied = apply_part(take_until(parts, ';'), tls); !applied) {
      return tl::unexpected(std::move(applied.error()));
    }
  }
  if (tls.name.empty() && tls.pins.empty()) {
    return refuse(
        "a server over TLS is known by its name or its key (write such as "
        "tls://192.0.2.1#dns.example.org or tls://192.0.2.1;pin=sha256/...)");
  }
  if (tls.name.empty() && !tls.ca_file.empty()) {
    return refuse("without a name no authority can vouch for it (write #NAME, or leave ca= out)");
  }
  return tls;
}

}  // namespace

Result<UpstreamServer> parse_upstream_server(const std::string& text) {
  UpstreamServer server;
  std::string rest = text;
  for (const auto& [scheme, transport] : kSchemes) {
    if (rest.starts_with(scheme)) {
      rest.erase(0, scheme.size());
      server.transport = transport;
      break;
    }
  }
  const bool is_tls = server.transport == UpstreamTransport::kTls;
  std::string parts = rest;
  std::string name = take_until(parts, ';');
  const std::string address_text = take_until(name, '#');
  auto address = SocketAddress::parse(address_text, is_tls ? kTlsPort : kDnsPort);
  if (!address) {
    return refuse(fmt::format("{} (write such as {})", address.error().message, kExample));
  }
  server.address = *address;
  if (!is_tls) {
    return address_text == rest
               ? Result<UpstreamServer>(server)
               : refuse(fmt::format("'{}' has a name or a key without TLS (write tls:// in front)",
                                    escape_name(text)));
  }
  auto tls = parse_tls(std::move(name), std::move(parts));
  if (!tls) {
    return tl::unexpected(std::move(tls.error()));
  }
  server.tls = *std::move(tls);
  return server;
}

std::string print_upstream_server(const UpstreamServer& server) {
  std::string text = server.label();
  for (const TlsClient::Pin& pin : server.tls.pins) {
    text += ";pin=" + print_pin(pin);
  }
  if (!server.tls.ca_file.empty()) {
    text += ";ca=" + server.tls.ca_file;
  }
  return text;
}

}  // namespace meshdns::dns
