#include "discovery/service.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace meshdns::discovery {
namespace {

constexpr std::array<std::pair<Protocol, std::string_view>, 5> kProtocols = {{
    {Protocol::kTcp, "tcp"},
    {Protocol::kHttp, "http"},
    {Protocol::kHttp2, "http2"},
    {Protocol::kGrpc, "grpc"},
    {Protocol::kKafka, "kafka"},
}};

constexpr std::array<std::pair<Answers, std::string_view>, 3> kAnswers = {{
    {Answers::kDefault, ""},
    {Answers::kVip, "vip"},
    {Answers::kEndpoints, "endpoints"},
}};

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

}  // namespace

std::optional<ServiceId> ServiceId::parse(std::string_view text) {
  const auto slash = text.find('/');
  if (slash == std::string_view::npos) {
    return std::nullopt;
  }
  return ServiceId{std::string(text.substr(0, slash)), std::string(text.substr(slash + 1))};
}

std::string_view to_string(Protocol protocol) {
  return std::ranges::find(kProtocols, protocol, [](const auto& entry) { return entry.first; })
      ->second;
}

std::optional<Protocol> parse_protocol(std::string_view text) {
  for (const auto& [protocol, name] : kProtocols) {
    if (std::ranges::equal(text, name, {}, lower)) {
      return protocol;
    }
  }
  return std::nullopt;
}

std::string_view to_string(Answers answers) {
  return std::ranges::find(kAnswers, answers, [](const auto& entry) { return entry.first; })
      ->second;
}

std::optional<Answers> parse_answers(std::string_view text) {
  for (const auto& [answers, word] : kAnswers) {
    if (text == word) {
      return answers;
    }
  }
  return std::nullopt;
}

}  // namespace meshdns::discovery
