#include "base/descriptor_limit.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include <fmt/format.h>
#include <sys/resource.h>

#include "base/result.h"

namespace meshdns {

Result<std::uint64_t> raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
    return kLeastDescriptors;  // nothing known, nothing to refuse
  }
  const rlim_t wanted = std::min<rlim_t>(limit.rlim_max, kMostDescriptors);
  if (limit.rlim_cur < wanted) {
    rlimit raised = limit;
    raised.rlim_cur = wanted;
    if (setrlimit(RLIMIT_NOFILE, &raised) == 0) {
      limit = raised;
    }
  }
  if (auto enough = check_descriptor_limit(kLeastDescriptors); !enough) {
    return tl::unexpected(std::move(enough.error()));
  }
  return limit.rlim_cur;
}

Result<void> check_descriptor_limit(std::uint64_t needed) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < needed) {
    return fail(ErrorCode::kExhausted,
                fmt::format("only {} files may be open (RLIMIT_NOFILE): at least {} are needed",
                            limit.rlim_cur, needed));
  }
  return {};
}

}  // namespace meshdns
