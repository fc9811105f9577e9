#include "discovery/xds/protobuf_log.h"

#include <google/protobuf/stubs/logging.h>

namespace meshdns::discovery {

void silence_protobuf() { google::protobuf::SetLogHandler(nullptr); }

}  // namespace meshdns::discovery
