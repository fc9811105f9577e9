#include "discovery/control/hostname_template.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "base/log.h"
#include "base/refuse.h"
#include "base/result.h"
#include "discovery/dns_name.h"

namespace meshdns::discovery {
namespace {

constexpr std::string_view kOpen = "{{";
constexpr std::string_view kClose = "}}";
constexpr std::string_view kSpace = " \t\r\n";
constexpr std::string_view kLabel = "label";
constexpr std::array<std::string_view, 5> kFields = {".Name", ".DisplayName", ".Namespace", ".Mesh",
                                                     ".Zone"};

std::string_view trim(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(kSpace);
  return begin == std::string_view::npos
             ? std::string_view()
             : text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

}  // namespace

Result<HostnameTemplate::Part> HostnameTemplate::parse_action(std::string_view action) {
  const std::string_view words = trim(action);
  if (std::ranges::find(kFields, words) != kFields.end()) {
    return Part{.text = {}, .field = std::string(words), .label = {}};
  }
  const std::string_view key = trim(words.substr(std::min(kLabel.size(), words.size())));
  const bool is_quoted =
      key.size() > 2 && key.front() == key.back() && (key.front() == '"' || key.front() == '`') &&
      key.find(key.front(), 1) == key.size() - 1 && key.find('\\') == std::string_view::npos;
  if (!words.starts_with(kLabel) || !is_quoted) {
    return refuse(
        fmt::format("{{{{{}}}}} is unknown; there are {{{{ .DisplayName }}}}, .Name, "
                    ".Namespace, .Mesh, .Zone and {{{{ label \"KEY\" }}}}",
                    escape_text(action)));
  }
  return Part{.text = {},
              .field = std::string(kLabel),
              .label = std::string(key.substr(1, key.size() - 2))};
}

Result<HostnameTemplate> HostnameTemplate::parse(std::string_view text) {
  HostnameTemplate result;
  while (!text.empty()) {
    const std::size_t open = std::min(text.find(kOpen), text.size());
    if (open > 0) {
      result.parts_.push_back(
          {.text = std::string(text.substr(0, open)), .field = {}, .label = {}});
      text.remove_prefix(open);
      continue;
    }
    const std::size_t close = text.find(kClose);
    if (close == std::string_view::npos) {
      return refuse("{{ is not closed by }}");
    }
    auto part = parse_action(text.substr(kOpen.size(), close - kOpen.size()));
    if (!part) {
      return tl::unexpected(std::move(part.error()));
    }
    result.parts_.push_back(*std::move(part));
    text.remove_prefix(close + kClose.size());
  }
  // As Kuma does: what stands between the actions must be that of a name.
  std::string sample;
  for (const Part& part : result.parts_) {
    sample += part.field.empty() ? part.text : "x";
  }
  if (!is_dns_name(sample)) {
    return refuse("what it gives is no DNS name, whatever is filled in");
  }
  return result;
}

Result<std::string> HostnameTemplate::value_of(const Part& part, const TemplateFields& fields) {
  if (part.field.empty()) {
    return part.text;
  }
  if (part.field == kLabel) {
    const auto found = fields.labels.find(part.label);
    return found == fields.labels.end()
               ? Result<std::string>(
                     refuse(fmt::format("it has no label or tag '{}'", escape_name(part.label))))
               : Result<std::string>(found->second);
  }
  const std::string& value = part.field == ".Namespace" ? fields.name_space
                             : part.field == ".Mesh"    ? fields.mesh
                             : part.field == ".Zone"    ? fields.zone
                                                        : fields.name;
  return value.empty() ? Result<std::string>(refuse(fmt::format("it has no {}", part.field)))
                       : Result<std::string>(value);
}

Result<std::string> HostnameTemplate::render(const TemplateFields& fields) const {
  std::string name;
  for (const Part& part : parts_) {
    auto value = value_of(part, fields);
    if (!value) {
      return value;
    }
    name += *value;
  }
  if (!is_dns_name(name)) {
    return refuse(fmt::format("'{}' is no DNS name", escape_name(name)));
  }
  return fold_name(name);
}

}  // namespace meshdns::discovery
