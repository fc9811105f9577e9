// Who may connect to the xDS port, and how: TLS or plaintext.
//
// Control thread, but for what the xDS server asks of it on gRPC's threads, each of which says so.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "base/log.h"
#include "base/result.h"
#include "discovery/control/metrics.h"
#include "discovery/xds/ads_server.h"
#include "discovery/xds/server_certificates.h"

namespace meshdns::discovery {

class XdsAccess {
 public:
  struct Options {
    ServerTlsFiles tls{};  // no certificate: plaintext
    // On addresses that others reach, too: who listens in reads the mesh, and who is in between
    // changes it.
    bool allow_plaintext = false;
  };

  // Reads the files. `listen` as AdsServer::Options has it. An error is "reason (what to do)".
  // References outlive the object.
  [[nodiscard]] static Result<std::unique_ptr<XdsAccess>> open(const std::string& listen,
                                                               const Options& options,
                                                               FileSystem& files, Logger& logger,
                                                               ControlMetrics& metrics);

  // What the server, which this outlives, is to be started with.
  void configure(AdsServer::Options& options) const;
  // Another look at the files, once a second.
  void refresh();
  // What is wrong now, in sentences for an operator.
  [[nodiscard]] std::vector<std::string> problems() const;

 private:
  XdsAccess(Logger& logger, ControlMetrics& metrics) : logger_(logger), metrics_(metrics) {}
  void update_gauges();

  Logger& logger_;
  ControlMetrics& metrics_;
  std::unique_ptr<ServerCertificates> certificates_;  // null: plaintext
};

}  // namespace meshdns::discovery
