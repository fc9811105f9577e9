// A file with the certificates that a control plane's is checked against.
#pragma once

#include <string>
#include <string_view>

#include "base/file_system.h"
#include "base/result.h"

namespace meshdns::dns {

// The text of the file, which has at least one certificate in PEM form. `where_from`: what is said
// to people when it cannot be read.
[[nodiscard]] Result<std::string> read_certificates(FileSystem& files, const std::string& path,
                                                    std::string_view where_from);

}  // namespace meshdns::dns
