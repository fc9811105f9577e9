#include "discovery/control/streams_page.h"

#include <cstddef>
#include <iterator>
#include <span>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "base/json_text.h"
#include "discovery/xds/request.h"
#include "discovery/xds/stream_status.h"
#include "discovery/xds/type_urls.h"

namespace meshdns::discovery {
namespace {

// {"version":V,"nonce":N}, or null when there is none.
std::string response_text(const std::string& version, const std::string& nonce) {
  return nonce.empty() ? "null"
                       : fmt::format(R"({{"version":{},"nonce":{}}})", json_string(version),
                                     json_string(nonce));
}

std::string nack_text(const TypeStatus& type) {
  return type.nack_nonce.empty()
             ? "null"
             : fmt::format(R"({{"nonce":{},"text":{}}})", json_string(type.nack_nonce),
                           json_string(type.nack_text));
}

std::string type_text(const TypeStatus& type) {
  return fmt::format(
      R"({{"type":{},"type_url":{},"wildcard":{},"names":{},"sent":{},"acknowledged":{},)"
      R"("awaits_ack":{},"lag":{},"last_nack":{}}})",
      json_string(type_label(type.type_url)), json_string(type.type_url), type.wildcard, type.names,
      response_text(type.sent_version, type.sent_nonce),
      response_text(type.acknowledged_version, type.acknowledged_nonce), type.awaits_ack, type.lag,
      nack_text(type));
}

// {"WHAT":VALUE,...}, or null when nobody asked.
std::string identity_text(const StreamStatus& stream) {
  std::string text;
  for (const auto& [what, value] : stream.identity) {
    fmt::format_to(std::back_inserter(text), "{}{}:{}", text.empty() ? "{" : ",", json_string(what),
                   json_string(value));
  }
  return text.empty() ? "null" : text + "}";
}

std::string stream_text(const StreamStatus& stream) {
  std::string text = fmt::format(
      R"({{"node":{},"zone":{},"identity":{},"peer":{},"agent":{},"protocol":"{}","types":[)",
      json_string(stream.node), json_string(stream.zone), identity_text(stream),
      json_string(stream.peer), json_string(stream.user_agent),
      stream.variant == XdsVariant::kSotw ? "sotw" : "delta");
  std::string_view separator;
  for (const TypeStatus& type : stream.types) {
    fmt::format_to(std::back_inserter(text), "{}\n  {}", separator, type_text(type));
    separator = ",";
  }
  return text + "]}";
}

}  // namespace

std::string streams_page(std::span<const StreamStatus> streams, std::size_t open) {
  std::string page = fmt::format(R"({{"open":{},"streams":[)", open);
  std::string_view separator;
  for (const StreamStatus& stream : streams) {
    fmt::format_to(std::back_inserter(page), "{}\n {}", separator, stream_text(stream));
    separator = ",";
  }
  return page + "]}\n";
}

}  // namespace meshdns::discovery
