#include "tests/support/programs.h"

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include <fmt/format.h>

#include "base/ip_address.h"
#include "tests/support/dns_client.h"
#include "tests/support/http_get.h"
#include "tests/support/process.h"
#include "tests/support/wait_until.h"

namespace meshdns::support {
namespace {

bool answers_with(const SocketAddress& admin, const std::string& path, int status) {
  const auto reply = http_get(admin, path);
  return reply.has_value() && reply->status == status;
}

}  // namespace

std::string program_path(const std::string& name) {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): nothing sets the environment of a test.
  const char* folder = std::getenv("MESHDNS_PROGRAM_FOLDER");
  return std::string(folder == nullptr ? MESHDNS_PROGRAM_FOLDER : folder) + "/" + name;
}

SocketAddress loopback(std::uint16_t port) {
  return {.ip = IpAddress::parse("127.0.0.1").value(), .port = port};
}

std::string to_yaml(const DataplaneText& dataplane) {
  return fmt::format(
      "type: Dataplane\n"
      "mesh: {}\n"
      "name: {}\n"
      "networking:\n"
      "  address: {}\n"
      "  inbound:\n"
      "    - port: {}\n"
      "      tags:\n"
      "        kuma.io/service: {}\n"
      "        kuma.io/protocol: {}\n",
      dataplane.mesh, dataplane.name, dataplane.address, dataplane.port, dataplane.service,
      dataplane.protocol);
}

ControlPlaneProgram::ControlPlaneProgram() = default;

void ControlPlaneProgram::put(const DataplaneText& dataplane) const {
  put_file(dataplane.name + ".yaml", to_yaml(dataplane));
}

void ControlPlaneProgram::put_file(const std::string& file, const std::string& content) const {
  const std::string written = dataplanes_.write("." + file + ".tmp", content);
  std::filesystem::rename(written, dataplanes_.file(file));
}

void ControlPlaneProgram::remove_file(const std::string& file) const {
  std::filesystem::remove(dataplanes_.file(file));
}

void ControlPlaneProgram::start(const std::vector<std::string>& flags) {
  ProcessOptions options;
  options.argv = {program_path("meshdns-cp"),
                  "run",
                  "--dataplanes",
                  dataplanes_.path(),
                  "--listen",
                  address(),
                  "--admin",
                  loopback(admin_port_).to_string()};
  options.environment = {"MESHDNS_CP_STATE_DIR=" + state_folder(),
                         "MESHDNS_CP_API=" + api().to_string()};
  options.argv.insert(options.argv.end(), flags.begin(), flags.end());
  process_.emplace(options);
  const bool healthy = wait_until([&] {
    return answers_with(loopback(admin_port_), "/healthz", 200) || !process_->is_running();
  });
  if (!healthy || !process_->is_running()) {
    throw std::runtime_error("meshdns-cp did not start: " + log());
  }
}

std::string ControlPlaneProgram::log() const {
  return process_->standard_output() + process_->standard_error();
}

ResolverProgram::ResolverProgram() { folder_.write("resolv.conf", "# nobody\n"); }

void ResolverProgram::start(const std::vector<std::string>& flags) {
  ProcessOptions options = options_;
  options.argv.insert(options.argv.end(), {program_path("meshdns"), "run", "--admin",
                                           admin().to_string(), "--state-dir", state_folder(),
                                           "--resolv-conf", folder_.file("resolv.conf")});
  if (std::ranges::find(flags, "--listen") == flags.end()) {
    options.argv.insert(options.argv.end(), {"--listen", dns().to_string()});
  }
  options.argv.insert(options.argv.end(), flags.begin(), flags.end());
  process_.emplace(options);
  const bool up =
      wait_until([&] { return answers_with(admin(), "/healthz", 200) || !process_->is_running(); });
  if (!up || !process_->is_running()) {
    throw std::runtime_error("meshdns did not start: " + log());
  }
}

void ResolverProgram::start_ready(const ControlPlaneProgram& control_plane,
                                  std::vector<std::string> flags) {
  flags.insert(flags.end(), {"--control-plane", control_plane.address()});
  start(flags);
  if (!wait_ready()) {
    throw std::runtime_error("meshdns did not become ready: " + get("/readyz").body + log());
  }
}

bool ResolverProgram::wait_ready() const {
  return wait_until([&] { return answers_with(admin(), "/readyz", 200); });
}

std::optional<pid_t> ResolverProgram::resolver_pid() const {
  const std::vector<pid_t> children = process_->children();
  return children.empty() ? std::nullopt : std::optional(children.back());
}

std::optional<int> ResolverProgram::terminate() {
  process_->signal(SIGTERM);
  return process_->wait();
}

std::string ResolverProgram::log() const {
  return process_->standard_output() + process_->standard_error();
}

HttpReply ControlPlaneProgram::get(const std::string& path) const {
  return http_get(loopback(admin_port_), path).value_or(HttpReply{});
}

HttpReply ResolverProgram::get(const std::string& path) const {
  return http_get(admin(), path).value_or(HttpReply{});
}

std::string ResolverProgram::address_of(const std::string& name, const std::string& type) const {
  const auto reply = ask(dns(), {.name = name, .type = type});
  if (!reply.has_value()) {
    return {};
  }
  const std::vector<std::string> data = reply->answer_data(type);
  return data.empty() ? std::string() : data.front();
}

bool ResolverProgram::is_settled() const {
  std::error_code error;
  return std::filesystem::file_size(state_folder() + "/table.settled", error) == 1 && !error;
}

std::string ResolverProgram::wait_for_undenied(const std::string& name) const {
  std::string address;
  bool denied = false;
  (void)wait_until([&] {
    const auto reply = ask(dns(), {.name = name});
    denied = reply && reply->rcode() != "SERVFAIL" && reply->answer_data("A").empty();
    address = reply && !reply->answer_data("A").empty() ? reply->answer_data("A").front() : "";
    return denied || !address.empty();
  });
  return address;
}

std::string ResolverProgram::wait_for_address(const std::string& name) const {
  std::string address;
  (void)wait_until([&] {
    address = address_of(name);
    return !address.empty();
  });
  return address;
}

}  // namespace meshdns::support
