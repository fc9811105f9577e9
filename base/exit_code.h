// The exit codes of every verb of the programs.
#pragma once

#include <cstdint>

#include "base/result.h"

namespace meshdns {

enum class ExitCode : std::uint8_t {
  kSuccess = 0,
  kConfiguration = 1,  // flags, environment or file
  kNetwork = 2,        // a socket, or no answer
  kFile = 3,           // a file or folder, or its permissions
  kMemory = 4,
  kOther = 5,
};

[[nodiscard]] constexpr ExitCode exit_code_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
      return ExitCode::kConfiguration;
    case ErrorCode::kNetwork:
    case ErrorCode::kUnavailable:
      return ExitCode::kNetwork;
    case ErrorCode::kNotFound:
    case ErrorCode::kAlreadyExists:
    case ErrorCode::kPermissionDenied:
    case ErrorCode::kNoSpace:
    case ErrorCode::kIo:
    case ErrorCode::kCorrupt:
      return ExitCode::kFile;
    case ErrorCode::kExhausted:
    case ErrorCode::kInternal:
      return ExitCode::kOther;
  }
  return ExitCode::kOther;
}

}  // namespace meshdns
