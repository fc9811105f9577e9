// The flags of `meshdns-cp run`.
#pragma once

#include "base/log.h"
#include "discovery/control/control_plane.h"

namespace CLI {
class App;
}

namespace meshdns::discovery {

// Each may come from the environment instead: MESHDNS_CP_LISTEN for --listen. Parsing `verb` fills
// the options, which live until then.
void add_run_flags(CLI::App& verb, ControlPlane::Options& options, LogOptions& log);

}  // namespace meshdns::discovery
