// What the xDS server shows of itself in TLS, and whose certificates it wants of its clients: files
// that may change at any time.
//
// load() and refresh() belong to the control thread; current() may be called by any, and is at
// every handshake. What cannot be used, a half-written file or a key that is another's, leaves what
// was there before; problem() says so.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/file_system.h"
#include "base/result.h"
#include "discovery/xds/tls_identity.h"

namespace meshdns::discovery {

struct ServerTlsFiles {
  std::string certificate;
  std::string key;
  std::string client_ca;  // empty: clients show no certificate
};

class ServerCertificates {
 public:
  struct Current {
    TlsIdentity identity{};
    std::string client_ca{};  // PEM

    friend bool operator==(const Current&, const Current&) = default;
  };
  // What refresh() came to.
  enum class Refresh : std::uint8_t { kSame, kChanged, kFailed };

  // `file_system` outlives it.
  ServerCertificates(FileSystem& file_system, ServerTlsFiles files);

  // The first look, at start: an error is "reason (what to do)".
  [[nodiscard]] Result<void> load();
  // Another look. kFailed is said once of each reason, at the second look in a row that has it:
  // between two files that are replaced lies a moment.
  Refresh refresh();
  // Why the files are not used as they are; nothing when they are.
  [[nodiscard]] const std::optional<std::string>& problem() const { return problem_; }

  // Whether clients have to show a certificate.
  [[nodiscard]] bool wants_client_certificates() const { return !files_.client_ca.empty(); }
  // Null before load().
  [[nodiscard]] std::shared_ptr<const Current> current() const;

 private:
  [[nodiscard]] Result<Current> read() const;

  FileSystem& file_system_;
  const ServerTlsFiles files_;
  std::string last_failure_;
  std::optional<std::string> problem_;
  mutable std::mutex mutex_;  // guards what follows
  std::shared_ptr<const Current> current_;
};

}  // namespace meshdns::discovery
