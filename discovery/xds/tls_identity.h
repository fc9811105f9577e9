// What a program shows of itself in TLS, a certificate and its key, and the authorities that it
// trusts, as PEM; and whether they are any good.
//
// What passes here, gRPC takes: it says of what it does not take no more than that. Thread-safe.
// Errors are "reason (what to do)" and name the file.
#pragma once

#include <string>
#include <string_view>

#include "base/file_system.h"
#include "base/result.h"
#include "base/wall_clock.h"

namespace meshdns::discovery {

struct TlsIdentity {
  std::string certificate{};  // with the chain behind it
  std::string key{};
  WallTime not_after{};  // when the certificate ends

  friend bool operator==(const TlsIdentity&, const TlsIdentity&) = default;
};

// Both files as they are now. kInvalidArgument when one cannot be read or parsed, the key is
// another certificate's or has a passphrase, or the two are too weak for this machine's OpenSSL.
[[nodiscard]] Result<TlsIdentity> read_tls_identity(FileSystem& files,
                                                    const std::string& certificate_file,
                                                    const std::string& key_file);

// The text of a file of at least one certificate, all of which parse. `where_from`: what is said to
// people when it cannot be read.
[[nodiscard]] Result<std::string> read_authorities(FileSystem& files, const std::string& path,
                                                   std::string_view where_from);

}  // namespace meshdns::discovery
