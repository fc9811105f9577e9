// The real programs of this project, started by a test with folders and ports of their own.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/ip_address.h"
#include "tests/support/dns_client.h"
#include "tests/support/http_get.h"
#include "tests/support/process.h"
#include "tests/support/temporary_directory.h"

namespace meshdns::support {

// Where the build put them, or in the environment's MESHDNS_PROGRAM_FOLDER: another build's.
[[nodiscard]] std::string program_path(const std::string& name);
// 127.0.0.1:PORT.
[[nodiscard]] SocketAddress loopback(std::uint16_t port);

// A Dataplane entity in Kuma's universal form with one inbound.
struct DataplaneText {
  std::string name;
  std::string service;
  std::string address = "127.0.0.1";
  std::uint16_t port = 8080;
  std::string protocol = "http";
  std::string mesh = "default";
};
[[nodiscard]] std::string to_yaml(const DataplaneText& dataplane);

// meshdns-cp on a folder of Dataplanes. Ports stay the same over restarts.
class ControlPlaneProgram {
 public:
  ControlPlaneProgram();

  [[nodiscard]] const TemporaryDirectory& dataplanes() const { return dataplanes_; }
  // Writes DIR/<name>.yaml the way an editor does: beside it, then renamed over it.
  void put(const DataplaneText& dataplane) const;
  void put_file(const std::string& file, const std::string& content) const;
  void remove_file(const std::string& file) const;

  // Unless a flag says otherwise.
  [[nodiscard]] std::string state_folder() const { return state_.path(); }

  // Starts it with these flags besides and waits until it is healthy.
  void start(const std::vector<std::string>& flags = {});
  void kill() { process_.reset(); }
  [[nodiscard]] Process& process() { return *process_; }
  [[nodiscard]] std::string address() const { return loopback(port_).to_string(); }
  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] SocketAddress api() const { return loopback(api_port_); }
  [[nodiscard]] std::string log() const;
  // What it says under `path` of its admin address.
  [[nodiscard]] HttpReply get(const std::string& path) const;

 private:
  TemporaryDirectory dataplanes_;
  TemporaryDirectory state_;
  std::uint16_t port_ = free_port();
  std::uint16_t admin_port_ = free_port();
  std::uint16_t api_port_ = free_port();
  std::optional<Process> process_;
};

// meshdns with a state folder of its own. Without a flag for it there is no upstream to forward to.
class ResolverProgram {
 public:
  ResolverProgram();

  // `flags` come after those for ports, folder and an empty resolv.conf.
  void start(const std::vector<std::string>& flags = {});
  // Starts it and waits until every feed has delivered.
  void start_ready(const ControlPlaneProgram& control_plane, std::vector<std::string> flags = {});
  [[nodiscard]] bool wait_ready() const;
  void kill() { process_.reset(); }
  // SIGTERM; the exit code.
  [[nodiscard]] std::optional<int> terminate();

  // The parent, which holds the sockets.
  [[nodiscard]] Process& process() { return *process_; }
  // The process that answers, and writes the journal: the parent's newest child. Nothing while
  // there is none.
  [[nodiscard]] std::optional<pid_t> resolver_pid() const;
  [[nodiscard]] std::string log() const;
  [[nodiscard]] SocketAddress dns() const { return loopback(port_); }
  [[nodiscard]] SocketAddress admin() const { return loopback(admin_port_); }
  [[nodiscard]] const TemporaryDirectory& folder() const { return folder_; }
  [[nodiscard]] std::string state_folder() const { return folder_.file("state"); }
  // How the process is started, to be changed before start(); its argv comes before meshdns.
  [[nodiscard]] ProcessOptions& options() { return options_; }

  // What it says under `path` of its admin address.
  [[nodiscard]] HttpReply get(const std::string& path) const;
  // Empty until there is an answer with a record of that type.
  [[nodiscard]] std::string address_of(const std::string& name,
                                       const std::string& type = "A") const;
  // address_of(), once it is not empty; empty after the hang bound.
  [[nodiscard]] std::string wait_for_address(const std::string& name) const;
  // The same of a name that was answered before: empty also when it is denied meanwhile. It may be
  // not known yet (SERVFAIL) while a resolver starts.
  [[nodiscard]] std::string wait_for_undenied(const std::string& name) const;
  // Whether the table on disk is known to have all that was answered.
  [[nodiscard]] bool is_settled() const;

 private:
  TemporaryDirectory folder_;
  ProcessOptions options_;
  std::uint16_t port_ = free_port();
  std::uint16_t admin_port_ = free_port();
  std::optional<Process> process_;
};

}  // namespace meshdns::support
