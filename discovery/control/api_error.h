// What the API answers when it cannot do what was asked, in Kuma's form.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "discovery/control/http_server.h"

namespace meshdns::discovery {

struct InvalidParameter {
  std::string field;
  std::string reason;
};

// {"type","title","status","detail","invalid_parameters":[{"field","reason"}]}; without the last
// where nothing is invalid. `title` is what was tried, `detail` why it failed.
[[nodiscard]] HttpAnswer api_error(unsigned status, std::string_view title, std::string_view detail,
                                   std::span<const InvalidParameter> invalid = {});

}  // namespace meshdns::discovery
