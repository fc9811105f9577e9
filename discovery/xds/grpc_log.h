// GrpcLog: what gRPC itself has to say, among our own lines.
//
// By itself gRPC writes lines of its own form to standard error: an error for each connection that
// a peer spoils, so that a peer could fill a disk.
#pragma once

#include "base/clock.h"
#include "base/log.h"

namespace meshdns::discovery {

// For the whole process, from any thread. One at a time.
class GrpcLog {
 public:
  // gRPC's errors are warnings of `logger`, one a second at most, each with how many were left out
  // before it; more than errors is heard when GRPC_VERBOSITY in the environment asks for it. What
  // gRPC says before it aborts goes to standard error at once. Both references outlive this.
  GrpcLog(Logger& logger, const Clock& clock);
  GrpcLog(const GrpcLog&) = delete;
  GrpcLog& operator=(const GrpcLog&) = delete;
  // gRPC is not heard any more.
  ~GrpcLog();
};

}  // namespace meshdns::discovery
