// The failing branch of a Result for what somebody gave and has to give otherwise.
#pragma once

#include <string>
#include <utility>

#include "base/result.h"

namespace meshdns {

// kInvalidArgument: `return refuse("the port is too large (write at most 65535)")`.
[[nodiscard]] inline tl::unexpected<Error> refuse(std::string reason) {
  return fail(ErrorCode::kInvalidArgument, std::move(reason));
}

}  // namespace meshdns
