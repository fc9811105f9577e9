// Who may connect to the xDS port, and how: TLS or plaintext, with a token or without.
//
// Control thread, but for what the xDS server asks of it on gRPC's threads, each of which says so.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/file_system.h"
#include "base/log.h"
#include "base/result.h"
#include "base/wall_clock.h"
#include "discovery/control/metrics.h"
#include "discovery/control/token_authenticator.h"
#include "discovery/xds/ads_server.h"
#include "discovery/xds/server_certificates.h"

namespace meshdns::discovery {

// What a client has to show.
enum class ClientAuth : std::uint8_t { kNone, kToken };

class XdsAccess {
 public:
  struct Options {
    ServerTlsFiles tls{};  // no certificate: plaintext
    // On addresses that others reach, too: who listens in reads the mesh, and who is in between
    // changes it.
    bool allow_plaintext = false;
    // Nothing: a token over TLS, since what is served over TLS is served to others; none over
    // plaintext. A certificate of the client's says only whom it belongs to.
    std::optional<ClientAuth> auth{};
    std::string tokens{};  // the folder of keys and revocations
  };

  // Reads the files. `listen` as AdsServer::Options has it. An error is "reason (what to do)".
  // References outlive the object.
  [[nodiscard]] static Result<std::unique_ptr<XdsAccess>> open(
      const std::string& listen, const Options& options, FileSystem& files, const WallClock& wall,
      Logger& logger, ControlMetrics& metrics);

  // What the server, which this outlives, is to be started with.
  void configure(AdsServer::Options& options) const;
  // Another look at the files, once a second.
  void refresh();
  // What is wrong now, in sentences for an operator.
  [[nodiscard]] std::vector<std::string> problems() const;

 private:
  XdsAccess(Logger& logger, ControlMetrics& metrics) : logger_(logger), metrics_(metrics) {}
  void refresh_certificates();
  void refresh_tokens();
  void update_gauges();

  Logger& logger_;
  ControlMetrics& metrics_;
  std::unique_ptr<ServerCertificates> certificates_;   // null: plaintext
  std::unique_ptr<TokenAuthenticator> authenticator_;  // null: no token is asked for
  std::vector<std::string> token_problems_;            // said last
};

}  // namespace meshdns::discovery
