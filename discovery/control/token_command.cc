#include "discovery/control/token_command.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <fcntl.h>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <openssl/rand.h>
#include <sys/types.h>

#include "base/file_system.h"
#include "base/log.h"
#include "base/refuse.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "base/wall_clock.h"
#include "discovery/control/json_web_token.h"
#include "discovery/control/token_claims.h"
#include "discovery/control/token_key.h"
#include "discovery/control/token_keys.h"
#include "discovery/control/token_revocations.h"
#include "discovery/control/token_verifier.h"
#include "discovery/dns_name.h"

namespace meshdns::discovery {
namespace {

constexpr mode_t kFolderMode = 0755;
constexpr mode_t kLockMode = 0600;
// As Kuma has it, for clocks that are behind ours.
constexpr std::chrono::seconds kEarlier{5};

// Makes the folder. While the descriptor is open nobody else changes what is in it.
Result<UniqueFd> lock_folder(FileSystem& files, const std::string& folder) {
  if (auto made = make_directories(files, folder, kFolderMode); !made) {
    return tl::unexpected(std::move(made.error()));
  }
  auto file = files.open(folder + "/lock", O_RDWR | O_CREAT | O_NOFOLLOW, kLockMode);
  if (!file) {
    return file;
  }
  if (auto locked = files.lock(file->get()); !locked) {
    return fail(locked.error().code,
                fmt::format("{}/lock: another command is at it (try again)", escape_text(folder)));
  }
  return file;
}

Result<std::string> make_id() {
  std::array<unsigned char, 16> octets{};
  if (RAND_bytes(octets.data(), static_cast<int>(octets.size())) != 1) {
    return fail(ErrorCode::kInternal, "OpenSSL has no randomness");
  }
  std::string id;
  for (const unsigned char octet : octets) {
    id += fmt::format("{:02x}", octet);
  }
  return id;
}

// A node's id and zone come as such text.
bool is_word(std::string_view text) {
  return !text.empty() && text.size() <= kMaxNameOctets &&
         std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~'; });
}

Result<TokenClaims> claims_of(const TokenWish& wish, const WallClock& wall) {
  if (!is_dns_name(wish.mesh)) {
    return refuse(fmt::format("'{}' is no mesh (give one with --mesh)", escape_name(wish.mesh)));
  }
  if (!wish.name.empty() && !is_word(wish.name)) {
    return refuse(fmt::format("'{}' is no name (write printable ASCII, at most {} characters)",
                              escape_name(wish.name), kMaxNameOctets));
  }
  if (!std::ranges::all_of(wish.zones, is_word)) {
    return refuse(fmt::format(
        "one --zone is no zone (write printable ASCII, at most {} characters)", kMaxNameOctets));
  }
  const auto validity = parse_validity(wish.valid_for);
  if (!validity) {
    return tl::unexpected(validity.error());
  }
  auto id = make_id();
  if (!id) {
    return tl::unexpected(std::move(id.error()));
  }
  const WallTime now = wall.now();
  return TokenClaims{.id = *std::move(id),
                     .mesh = wish.mesh,
                     .name = wish.name,
                     .zones = wish.zones,
                     .issued = now,
                     .not_before = now - kEarlier,
                     .expires = now + *validity};
}

Result<TokenKey> signing_key(FileSystem& files, const std::string& folder, const TokenWish& wish) {
  if (!wish.key_file.empty()) {
    auto key = read_token_key(files, wish.key_file);
    if (key && !key->is_private()) {
      return refuse(escape_text(wish.key_file) + " holds a public key, which signs nothing");
    }
    return key;
  }
  const auto lock = lock_folder(files, folder);
  if (!lock) {
    return tl::unexpected(lock.error());
  }
  return find_or_make_signing_key(files, token_keys_folder(folder));
}

}  // namespace

Result<std::chrono::seconds> parse_validity(const std::string& text) {
  constexpr std::int64_t kMinute = 60;
  constexpr std::int64_t kHour = 60 * kMinute;
  constexpr std::int64_t kDay = 24 * kHour;
  constexpr std::int64_t kMost = 3660 * kDay;
  std::int64_t number = 0;
  const char* const last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, number);
  std::int64_t unit = 0;
  if (error == std::errc() && last - end == 1) {
    unit = *end == 's' ? 1 : *end == 'm' ? kMinute : *end == 'h' ? kHour : *end == 'd' ? kDay : 0;
  }
  if (unit == 0 || number < 1 || number > kMost / unit) {
    return refuse(
        fmt::format("'{}' is no time (write such as 90s, 30m, 720h or 30d, at most ten years)",
                    escape_name(text)));
  }
  return std::chrono::seconds(number * unit);
}

Result<IssuedToken> issue_token(FileSystem& files, const std::string& folder, const WallClock& wall,
                                const TokenWish& wish) {
  auto claims = claims_of(wish, wall);
  if (!claims) {
    return tl::unexpected(std::move(claims.error()));
  }
  return signing_key(files, folder, wish)
      .and_then([&](const TokenKey& key) { return sign_token(print_claims(*claims), key); })
      .and_then([&](std::string&& text) -> Result<IssuedToken> {
        if (text.size() > kMaxTokenOctets) {
          return refuse("the token would be too long to be sent (give it fewer zones)");
        }
        return IssuedToken{.text = std::move(text), .claims = *std::move(claims)};
      });
}

Result<void> revoke_token(FileSystem& files, const std::string& folder, const std::string& id) {
  if (!is_token_id(id)) {
    return refuse(
        fmt::format("'{}' is no jti (it is in what `meshdns-cp token` says, and /streams)",
                    escape_name(id.substr(0, 64))));
  }
  const auto lock = lock_folder(files, folder);
  if (!lock) {
    return tl::unexpected(lock.error());
  }
  return add_revocation(files, token_revocations_file(folder), id);
}

Result<std::string> rotate_token_key(FileSystem& files, const std::string& folder) {
  const auto lock = lock_folder(files, folder);
  if (!lock) {
    return tl::unexpected(lock.error());
  }
  return make_signing_key(files, token_keys_folder(folder)).map([](const TokenKey& key) {
    return key.id();
  });
}

}  // namespace meshdns::discovery
