#include "resolver/app/token_file.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "base/file_system.h"
#include "base/log.h"
#include "base/refuse.h"
#include "base/result.h"

namespace meshdns::dns {
namespace {

constexpr std::size_t kMaxTokenBytes = 16384;

}  // namespace

Result<std::string> parse_token(const std::string& text) {
  constexpr std::string_view kBlanks = " \t\r\n";
  std::string token = text.substr(0, text.find_last_not_of(kBlanks) + 1);
  token.erase(0, std::min(token.find_first_not_of(kBlanks), token.size()));
  const bool is_token = token.size() <= kMaxTokenBytes &&
                        std::ranges::all_of(token, [](char c) { return c > ' ' && c <= '~'; });
  if (!is_token) {
    return refuse("is no token (write one word)");
  }
  return token;
}

Result<std::string> read_token(FileSystem& files, const std::string& path,
                               std::string_view where_from) {
  auto text = read_file(files, path, kMaxTokenBytes);
  if (!text) {
    return refuse(fmt::format("{} ({})", escape_text(text.error().message), where_from));
  }
  auto token = parse_token(*text);
  if (!token || token->empty()) {
    return refuse(
        fmt::format("{} holds no token (it is one word; {})", escape_text(path), where_from));
  }
  return token;
}

}  // namespace meshdns::dns
