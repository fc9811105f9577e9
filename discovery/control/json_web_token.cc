#include "discovery/control/json_web_token.h"

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "base/log.h"
#include "base/refuse.h"
#include "base/result.h"
#include "discovery/control/base64url.h"
#include "discovery/control/token_key.h"
#include "discovery/control/token_keys.h"

namespace meshdns::discovery {
namespace {

namespace json = boost::json;

constexpr std::string_view kAlgorithm = "RS256";

// The text of a header's field; empty where it is none.
std::string_view text_of(const json::object& header, std::string_view name) {
  const json::value* const value = header.if_contains(name);
  return value != nullptr && value->is_string() ? std::string_view(value->get_string())
                                                : std::string_view();
}

// The key that a header names.
Result<TokenKey> key_for(std::string_view header, const TokenKeys& keys) {
  json::error_code error;
  const json::value parsed = json::parse(header, error);
  if (error || !parsed.is_object()) {
    return refuse("its header is no JSON object");
  }
  const json::object& fields = parsed.get_object();
  if (text_of(fields, "alg") != kAlgorithm) {
    return refuse("it is not signed with RS256");
  }
  // RFC 7515 section 4.1.11: what must be understood, and is not.
  if (fields.contains("crit")) {
    return refuse("its header asks for something that is not known here");
  }
  const std::string_view id = text_of(fields, "kid");
  if (const TokenKey* const key = keys.find(id)) {
    return *key;
  }
  return refuse(fmt::format("it is signed with a key that is not known here, '{}'",
                            escape_name(id.substr(0, 64))));
}

}  // namespace

Result<std::string> sign_token(std::string_view claims, const TokenKey& key) {
  json::object header;
  header["alg"] = kAlgorithm;
  header["kid"] = key.id();
  header["typ"] = "JWT";
  std::string token = encode_base64url(json::serialize(header)) + "." + encode_base64url(claims);
  return key.sign(token).map(
      [&](const std::string& signature) { return token + "." + encode_base64url(signature); });
}

Result<OpenedToken> open_token(std::string_view token, const TokenKeys& keys) {
  if (token.size() > kMaxTokenOctets) {
    return refuse(fmt::format("it is longer than {} octets", kMaxTokenOctets));
  }
  const std::size_t first = token.find('.');
  const std::size_t last = token.rfind('.');
  if (first == last ||
      token.substr(first + 1, last - first - 1).find('.') != std::string_view::npos) {
    return refuse("it is no JSON Web Token");
  }
  const auto header = decode_base64url(token.substr(0, first));
  auto claims = decode_base64url(token.substr(first + 1, last - first - 1));
  const auto signature = decode_base64url(token.substr(last + 1));
  if (!header || !claims || !signature) {
    return refuse("it is no JSON Web Token");
  }
  const auto key = key_for(*header, keys);
  if (!key) {
    return tl::unexpected(key.error());
  }
  if (!key->verify(token.substr(0, last), *signature)) {
    return refuse("its signature is wrong");
  }
  return OpenedToken{.claims = *std::move(claims), .key = key->id()};
}

}  // namespace meshdns::discovery
