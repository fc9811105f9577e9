#include "discovery/control/token_keys.h"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <sys/types.h>

#include "base/file_system.h"
#include "base/log.h"
#include "base/result.h"
#include "discovery/control/token_key.h"

namespace meshdns::discovery {
namespace {

constexpr std::size_t kMaxKeyBytes = 65536;
constexpr std::size_t kMaxKeys = 100;
constexpr mode_t kFolderMode = 0755;
constexpr mode_t kPublicMode = 0644;
constexpr mode_t kPrivateMode = 0600;
constexpr std::string_view kPublicEnding = ".pub";
constexpr std::string_view kPrivateEnding = ".key";

// N of "N<ending>"; 0 where it is none.
std::uint32_t number_of(std::string_view name, std::string_view ending) {
  std::uint32_t number = 0;
  if (name.ends_with(ending)) {
    name.remove_suffix(ending.size());
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
    if (error != std::errc() || end != name.data() + name.size()) {
      return 0;
    }
  }
  return number;
}

// Names in the folder; none where it is missing.
Result<std::vector<std::string>> names_in(FileSystem& files, const std::string& folder) {
  auto names = files.list(folder);
  if (!names && names.error().code == ErrorCode::kNotFound) {
    return std::vector<std::string>();
  }
  return names;
}

}  // namespace

const TokenKey* TokenKeys::find(std::string_view id) const {
  const auto found =
      std::ranges::find_if(keys_, [&](const auto& entry) { return entry.second.id() == id; });
  return found == keys_.end() ? nullptr : &found->second;
}

const TokenKey* TokenKeys::find_file(const std::string& file) const {
  const auto found = keys_.find(file);
  return found == keys_.end() ? nullptr : &found->second;
}

Result<TokenKey> read_token_key(FileSystem& files, const std::string& path) {
  return read_file(files, path, kMaxKeyBytes).and_then([&](const std::string& text) {
    return TokenKey::parse(text).map_error([&](Error error) {
      error.message = fmt::format("{} {}", path, error.message);
      return error;
    });
  });
}

TokenKeys read_token_keys(FileSystem& files, const std::string& folder, const TokenKeys& before,
                          std::vector<std::string>& problems) {
  const auto names = names_in(files, folder);
  if (!names) {
    problems.push_back(escape_text(names.error().message));
    return before;
  }
  TokenKeys keys;
  std::size_t read = 0;
  for (const std::string& name : *names) {
    if (!name.ends_with(kPublicEnding)) {
      continue;
    }
    if (++read > kMaxKeys) {
      problems.push_back(fmt::format("{} has more than {} keys; the rest does not count",
                                     escape_text(folder), kMaxKeys));
      break;
    }
    if (auto key = read_token_key(files, fmt::format("{}/{}", folder, name))) {
      keys.add(name, *std::move(key));
      continue;
    } else if (key.error().code != ErrorCode::kNotFound) {
      problems.push_back(escape_text(key.error().message));
    }
    if (const TokenKey* const held = before.find_file(name)) {
      keys.add(name, *held);
    }
  }
  return keys;
}

Result<TokenKey> find_or_make_signing_key(FileSystem& files, const std::string& folder) {
  const auto names = names_in(files, folder);
  if (!names) {
    return tl::unexpected(names.error());
  }
  std::uint32_t newest = 0;
  for (const std::string& name : *names) {
    newest = std::max(newest, number_of(name, kPrivateEnding));
  }
  return newest == 0
             ? make_signing_key(files, folder)
             : read_token_key(files, fmt::format("{}/{}{}", folder, newest, kPrivateEnding));
}

Result<TokenKey> make_signing_key(FileSystem& files, const std::string& folder) {
  if (auto made = make_directories(files, folder, kFolderMode); !made) {
    return tl::unexpected(std::move(made.error()));
  }
  const auto names = names_in(files, folder);
  if (!names) {
    return tl::unexpected(names.error());
  }
  std::uint32_t newest = 0;
  for (const std::string& name : *names) {
    newest = std::max({newest, number_of(name, kPrivateEnding), number_of(name, kPublicEnding)});
  }
  const auto write = [&](std::string_view ending, const Result<std::string>& pem, mode_t mode) {
    return !pem ? Result<void>(tl::unexpected(pem.error()))
                : replace_file(files, fmt::format("{}/{}{}", folder, newest + 1, ending), *pem,
                               mode);
  };
  return TokenKey::generate().and_then([&](const TokenKey& key) {
    // The public half first: what is signed can be checked.
    return write(kPublicEnding, key.public_pem(), kPublicMode)
        .and_then([&] { return write(kPrivateEnding, key.private_pem(), kPrivateMode); })
        .map([&] { return key; });
  });
}

}  // namespace meshdns::discovery
