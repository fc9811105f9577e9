#include "resolver/app/config_print.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "resolver/app/config_loader.h"
#include "resolver/app/settings.h"

namespace meshdns::dns {
namespace {

// A scalar that YAML reads back as the same text.
std::string quoted(const std::string& text) {
  std::string result = "\"";
  for (const char c : text) {
    const auto octet = static_cast<unsigned char>(c);
    if (octet < 0x20 || octet == 0x7f) {
      result += fmt::format("\\x{:02x}", octet);
      continue;
    }
    if (c == '"' || c == '\\') {
      result += '\\';
    }
    result += c;
  }
  return result + "\"";
}

}  // namespace

std::string print_config(const LoadedConfig& loaded) {
  std::string out;
  std::string open_section;
  for (const Setting& setting : settings()) {
    const std::size_t dot = setting.key.find('.');
    const std::string section(dot == std::string_view::npos ? "" : setting.key.substr(0, dot));
    if (section != open_section && !section.empty()) {
      out += section + ":\n";
    }
    open_section = section;
    std::vector<std::string> texts = setting.print(loaded.config);
    if (is_secret(setting) && !texts.front().empty()) {
      texts = {"(not shown)"};
    }
    std::ranges::transform(texts, texts.begin(), quoted);
    const auto origin = loaded.origins.find(setting.key);
    out += fmt::format("{}{}: {}  # {}\n", section.empty() ? "" : "  ",
                       section.empty() ? setting.key : setting.key.substr(dot + 1),
                       setting.shape == SettingShape::kList
                           ? fmt::format("[{}]", fmt::join(texts, ", "))
                           : texts.front(),
                       origin == loaded.origins.end() ? "default" : origin->second);
  }
  return out;
}

}  // namespace meshdns::dns
