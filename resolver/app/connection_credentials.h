// What a connection to a control plane is made with: the files that its settings name, whichever
// control plane it is.
//
// Errors are "reason (what to do)" and never quote a token.
#pragma once

#include <string>
#include <string_view>

#include "base/file_system.h"
#include "base/result.h"
#include "discovery/xds/ads_client.h"

namespace meshdns::dns {

// An empty path: there is none of it.
struct CredentialFiles {
  bool tls = true;
  std::string server_name{};  // in TLS; empty: the host's that is connected to
  std::string ca{};           // empty: the system's
  std::string certificate{};  // shown to the server, with `key`
  std::string key{};
  std::string token{};
  // Where people come by them.
  std::string_view ca_is_from = "write the path of a file in PEM form";
  std::string_view token_is_from = "write the path of a file with one";
};

// The files as they are now: tokens and certificates are renewed.
[[nodiscard]] Result<discovery::AdsCredentials> read_credentials(FileSystem& files,
                                                                 const CredentialFiles& paths);

}  // namespace meshdns::dns
