#include "resolver/app/cache_command.h"

#include <algorithm>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "base/log.h"
#include "base/result.h"
#include "resolver/app/admin_client.h"
#include "resolver/app/config.h"
#include "resolver/app/vip_command.h"
#include "resolver/wire/name.h"

namespace meshdns::dns {
namespace {

constexpr unsigned kOk = 200;

Result<std::string> body_of(const Result<AdminAnswer>& answer) {
  if (!answer) {
    return tl::unexpected(answer.error());
  }
  if (answer->status != kOk) {
    return fail(answer->status == 400 ? ErrorCode::kInvalidArgument : ErrorCode::kNetwork,
                answer->body.substr(0, answer->body.find('\n')));
  }
  return answer->body;
}

std::string_view take_line(std::string_view& text) {
  const std::string_view line = text.substr(0, text.find('\n'));
  text.remove_prefix(std::min(text.size(), line.size() + 1));
  return line;
}

Result<std::string> lines_of(std::string_view dump, const Name& name) {
  std::string found;
  take_line(dump);
  found += take_line(dump);
  found += '\n';
  const std::string wanted = name.to_text() + " ";
  bool any = false;
  while (!dump.empty()) {
    const std::string_view line = take_line(dump);
    if (line.starts_with(wanted)) {
      any = true;
      found += line;
      found += '\n';
    }
  }
  if (!any) {
    return fail(ErrorCode::kNotFound, fmt::format("nothing is kept of {}", name.to_text()));
  }
  return found;
}

Result<Name> parse_name(const std::string& text) {
  auto name = Name::from_text(text);
  if (!name) {
    return fail(
        ErrorCode::kInvalidArgument,
        fmt::format("'{}' is no domain name (write such as www.example.org)", escape_name(text)));
  }
  name->fold();
  return *name;
}

}  // namespace

Result<std::string> read_admin(const std::string& target, bool names_admin, const Config& config) {
  const AdminRequest request{.target = target, .is_post = false, .body = {}};
  const bool has_address = config.admin_listen && config.admin_listen->port != 0;
  if (!names_admin) {
    auto answer = body_of(ask_admin(admin_socket(config), request));
    if (answer || !has_address) {
      return answer;
    }
  } else if (!has_address) {
    return fail(ErrorCode::kInvalidArgument,
                "admin.listen names no address: set --admin to where the resolver's admin HTTP is");
  }
  return body_of(ask_admin(*config.admin_listen, request));
}

Result<std::string> run_cache_command(const CacheCommand& command, const Config& config) {
  Result<Name> name = Name();
  if (!command.name.empty()) {
    name = parse_name(command.name);
    if (!name) {
      return tl::unexpected(name.error());
    }
  }
  if (command.action == CacheAction::kFlush) {
    const bool all = command.below || command.name.empty();
    return body_of(
        ask_admin(admin_socket(config), {.target = all ? "/cache/flush?below" : "/cache/flush",
                                         .is_post = true,
                                         .body = name->to_text()}));
  }
  auto dump = read_admin("/cache", command.names_admin, config);
  if (!dump || command.action == CacheAction::kDump) {
    return dump;
  }
  if (command.action == CacheAction::kLookup) {
    return lines_of(*dump, *name);
  }
  std::string_view text = *dump;
  return fmt::format("{}\n", take_line(text).substr(2));
}

}  // namespace meshdns::dns
