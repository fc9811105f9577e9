// SelfRegistration: the Dataplane that this resolver brings to our own control plane, which counts
// there for as long as the stream lasts.
//
// Control thread. The file is read again for each connection. A Dataplane that the control plane
// refuses is left out from then on, until the file holds another: so a mistake in it costs the
// registration, and not the mesh.
#pragma once

#include <string>

#include "base/file_system.h"
#include "base/log.h"
#include "discovery/xds/node.h"

namespace meshdns::dns {

class SelfRegistration {
 public:
  // `text`: what is in the file now. References outlive the object.
  SelfRegistration(std::string path, std::string text, FileSystem& files, Logger& logger);

  // Gives the node of the next connection what is in the file now.
  void complete(discovery::NodeInfo& node);
  // Why a connection was lost, or did not come about.
  void on_loss(const std::string& reason);
  // Whether the file holds another Dataplane than the control plane was told.
  [[nodiscard]] bool has_changed();

  // Why the control plane does not take it; empty: it does, as far as is known.
  [[nodiscard]] const std::string& refusal() const { return refusal_; }

 private:
  // A file that cannot be read counts as unchanged.
  void read();

  std::string path_;
  std::string text_;
  FileSystem& files_;
  Logger& logger_;
  std::string told_;     // to the control plane, last; empty: nothing
  std::string refused_;  // what it refused
  std::string refusal_;
  std::string trouble_;  // with the file
};

}  // namespace meshdns::dns
