#include "resolver/app/certificate_file.h"

#include <cstddef>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "base/file_system.h"
#include "base/log.h"
#include "base/result.h"

namespace meshdns::dns {
namespace {

constexpr std::size_t kMaxCertificateBytes = 1UL << 20U;

}  // namespace

Result<std::string> read_certificates(FileSystem& files, const std::string& path,
                                      std::string_view where_from) {
  auto text = read_file(files, path, kMaxCertificateBytes);
  if (!text) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{} ({})", escape_text(text.error().message), where_from));
  }
  if (text->find("-----BEGIN CERTIFICATE-----") == std::string::npos) {
    return fail(
        ErrorCode::kInvalidArgument,
        fmt::format("{} holds no certificate (it is to be in PEM form)", escape_text(path)));
  }
  return text;
}

}  // namespace meshdns::dns
