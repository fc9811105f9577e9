#include "resolver/app/vip_command.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/file_system.h"
#include "base/ip_address.h"
#include "base/json_text.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/result.h"
#include "resolver/app/admin_client.h"
#include "resolver/app/config.h"
#include "resolver/app/control_loop.h"
#include "resolver/app/dns_front.h"
#include "resolver/app/service_lease_key.h"
#include "resolver/app/vip_editor.h"
#include "resolver/app/vip_listing.h"
#include "vip/allocator.h"
#include "vip/lease_record.h"
#include "vip/lease_store.h"
#include "vip/metrics.h"
#include "vip/pin.h"
#include "vip/state_folder.h"

namespace meshdns::dns {
namespace {

constexpr std::size_t kMaxImportBytes = std::size_t{16} << 20U;
// Of a change: the disk may be slow.
constexpr std::chrono::seconds kChangeTimeout{60};

bool is_nobody(const Error& error) { return error.code == ErrorCode::kUnavailable; }

std::string lines_of(std::string text) {
  while (text.ends_with('\n')) {
    text.pop_back();
  }
  return text;
}

// --- Reading -------------------------------------------------------------------------------------

// The leases of a folder that nobody uses, in the form of /vips.
Result<std::string> list_folder(const VipCommand& command, const Config& config,
                                FileSystem& files) {
  const auto options = lease_options(config);
  const auto logs = Logs::create({.level = "off"});
  MetricRegistry registry;
  vip::VipMetrics metrics(registry);
  SystemClock clock;
  vip::Allocator leases({}, clock);
  const vip::StateFolder folder(options.directory, options.instance, files, (*logs)->logger("vip"),
                                metrics);
  const auto found = folder.read([&](const vip::LeaseRecord& record) { leases.restore(record); });
  if (!found) {
    return tl::unexpected(found.error());
  }
  if (!found->is_there) {
    return fail(ErrorCode::kUnavailable,
                fmt::format("no meshdns runs here, and {} holds no leases (is it --state-dir?)",
                            options.directory));
  }
  std::vector<std::string> vips;
  leases.for_each([&](std::string_view key, const vip::Allocator::Entry& entry) {
    const auto id = service_of_lease_key(key);
    if (!id) {
      return;
    }
    std::vector<std::string> addresses;
    for (const auto& address : {entry.ipv4, entry.ipv6}) {
      if (address) {
        addresses.push_back(json_string(address->to_string()));
      }
    }
    vips.push_back(
        fmt::format(R"({{"service":{},"hostnames":[],"addresses":[{}],"ports":[],"status":"{}"}})",
                    json_string(id->mesh == config.mesh ? id->name : id->to_string()),
                    fmt::join(addresses, ","),
                    entry.state == vip::LeaseState::kActive ? "leased" : "released"));
  });
  std::ranges::sort(vips);
  return print_vips(fmt::format("{{\"vips\":[{}]}}", fmt::join(vips, ",")), command.name);
}

Result<std::string> list(const VipCommand& command, const Config& config, FileSystem& files) {
  const bool has_admin = config.admin_listen && config.admin_listen->port != 0;
  if (command.names_admin) {
    return has_admin ? list_vips(*config.admin_listen, command.name)
                     : fail(ErrorCode::kInvalidArgument,
                            "admin.listen names no address: set --admin to where the resolver's "
                            "admin HTTP is, or leave it out");
  }
  auto listed = list_vips(admin_socket(config), command.name);
  const bool is_out_of_reach =
      !listed && (is_nobody(listed.error()) || listed.error().code == ErrorCode::kPermissionDenied);
  if (is_out_of_reach && has_admin && !command.names_folder) {
    listed = list_vips(*config.admin_listen, command.name);
  }
  return !listed && is_nobody(listed.error()) ? list_folder(command, config, files) : listed;
}

// --- Changing ------------------------------------------------------------------------------------

struct Change {
  std::string target;
  std::string json;
};

Result<Change> change_of(const VipCommand& command, FileSystem& files) {
  if (command.action == VipAction::kRelease) {
    return Change{"/vips/release", "[" + json_string(command.name) + "]"};
  }
  if (command.action == VipAction::kPin) {
    return Change{command.force ? "/vips/pin?force" : "/vips/pin",
                  "{" + json_string(command.name) + ":" + json_string(command.address) + "}"};
  }
  auto content = read_file(files, command.file, kMaxImportBytes);
  if (!content) {
    return fail(
        content.error().code == ErrorCode::kNotFound ? ErrorCode::kIo : content.error().code,
        content.error().message);
  }
  return Change{"/vips/import", *std::move(content)};
}

ErrorCode code_of(unsigned status) {
  switch (status) {
    case 400:
    case 413:
      return ErrorCode::kInvalidArgument;
    case 404:
      return ErrorCode::kNotFound;
    case 409:
      return ErrorCode::kAlreadyExists;
    case 507:
      return ErrorCode::kIo;
    default:
      return ErrorCode::kNetwork;
  }
}

Result<std::string> change_running(const Change& change, const Config& config) {
  const auto answer = ask_admin(
      admin_socket(config),
      {.target = change.target, .is_post = true, .body = change.json, .timeout = kChangeTimeout});
  if (!answer) {
    return tl::unexpected(answer.error());
  }
  constexpr unsigned kOk = 200;
  if (answer->status != kOk) {
    return fail(code_of(answer->status), lines_of(answer->body));
  }
  return answer->body;
}

Result<std::string> change_folder(const VipCommand& command, const Change& change,
                                  const Config& config, FileSystem& files) {
  auto options = lease_options(config);
  options.mode = vip::StateMode::kRequired;
  const auto logs = Logs::create({.level = "off"});
  MetricRegistry registry;
  vip::VipMetrics metrics(registry);
  SystemClock clock;
  ControlLoop loop;
  auto leases = vip::LeaseStore::open(
      options, files, clock, [&](auto task) { loop.post(std::move(task)); }, [](const auto&) {},
      (*logs)->logger("vip"), metrics);
  if (!leases && leases.error().code == ErrorCode::kAlreadyExists) {
    return fail(ErrorCode::kNetwork,
                fmt::format("a program uses {}, but takes no changes at {}: wait until it has "
                            "started, or stop it",
                            options.directory, admin_socket(config)));
  }
  if (!leases) {
    return tl::unexpected(leases.error());
  }
  VipEditor editor(**leases, config.mesh, vip_pools(config), [] { return VipEditor::Services{}; });
  std::optional<Result<std::string>> outcome;
  const auto done = [&](const Result<std::string>& result) {
    outcome = result;
    loop.stop();
  };
  if (command.action == VipAction::kRelease) {
    editor.release(change.json, done);
  } else if (command.action == VipAction::kImport) {
    editor.import(change.json, done);
  } else {
    editor.pin(change.json, command.force ? vip::PinMode::kForce : vip::PinMode::kOnlyWithoutLease,
               done);
  }
  if (!outcome) {
    loop.run();
  }
  return outcome.value_or(fail(ErrorCode::kInternal, "the change never ended"));
}

}  // namespace

vip::LeaseStore::Options lease_options(const Config& config) {
  vip::LeaseStore::Options options;
  options.ipv4_pool = config.vip.ipv4_pool;
  if (config.vip.ipv6) {
    options.ipv6_pool = config.vip.ipv6_pool;
  }
  options.directory = config.state.directory;
  options.instance = config.instance;
  options.mode = config.state.policy == StatePolicy::kRequired ? vip::StateMode::kRequired
                                                               : vip::StateMode::kBestEffort;
  options.quarantine = config.vip.quarantine;
  return options;
}

std::string admin_socket(const Config& config) { return config.state.directory + "/admin.sock"; }

Result<std::string> run_vip_command(const VipCommand& command, const Config& config,
                                    FileSystem& files) {
  if (command.action == VipAction::kList || command.action == VipAction::kShow) {
    return list(command, config, files);
  }
  const auto change = change_of(command, files);
  if (!change) {
    return tl::unexpected(change.error());
  }
  auto done = change_running(*change, config);
  return !done && is_nobody(done.error()) ? change_folder(command, *change, config, files) : done;
}

}  // namespace meshdns::dns
