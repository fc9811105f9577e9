#include "discovery/control/entity_source.h"

#include <string>

#include <fmt/format.h>

namespace meshdns::discovery {

std::string EntitySource::place(int line) const {
  switch (kind) {
    case SourceKind::kDirectory:
      return fmt::format("{}:{}", name, line);
    case SourceKind::kApi:
      return "the API";
    case SourceKind::kStream:
      return "the stream of " + name;
  }
  return name;
}

}  // namespace meshdns::discovery
