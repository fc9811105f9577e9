#include "discovery/control/api_error.h"

#include <iterator>
#include <span>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "base/json_text.h"
#include "discovery/control/http_server.h"

namespace meshdns::discovery {

HttpAnswer api_error(unsigned status, std::string_view title, std::string_view detail,
                     std::span<const InvalidParameter> invalid) {
  std::string body = fmt::format(R"({{"type":"/std-errors","title":{},"status":{},"detail":{})",
                                 json_string(title), status, json_string(detail));
  std::string_view separator = R"(,"invalid_parameters":[)";
  for (const InvalidParameter& each : invalid) {
    fmt::format_to(std::back_inserter(body), R"({}{{"field":{},"reason":{}}})", separator,
                   json_string(each.field), json_string(each.reason));
    separator = ",";
  }
  return {status, "application/problem+json", body + (invalid.empty() ? "}\n" : "]}\n")};
}

}  // namespace meshdns::discovery
