// The verb `vip`: lists and changes virtual IPs, those of the resolver that runs on the state
// folder, or, when none does, those of the folder.
#pragma once

#include <cstdint>
#include <string>

#include "base/file_system.h"
#include "base/result.h"
#include "resolver/app/config.h"
#include "vip/lease_store.h"

namespace meshdns::dns {

enum class VipAction : std::uint8_t { kList, kShow, kRelease, kPin, kImport };

struct VipCommand {
  VipAction action = VipAction::kList;
  std::string name;           // show, release, pin
  std::string address;        // pin
  bool force = false;         // pin
  std::string file;           // import
  bool names_admin = false;   // the command line says which admin HTTP to read from
  bool names_folder = false;  // the command line says which state folder is meant
};

// How the leases of a configuration are kept.
[[nodiscard]] vip::LeaseStore::Options lease_options(const Config& config);
// Where the resolver that uses the configuration's state folder takes changes.
[[nodiscard]] std::string admin_socket(const Config& config);

// What to print. kNotFound and kAlreadyExists: what is asked for contradicts what is there.
[[nodiscard]] Result<std::string> run_vip_command(const VipCommand& command, const Config& config,
                                                  FileSystem& files);

}  // namespace meshdns::dns
