// A token, as a control plane is shown it.
//
// Errors are "reason (what to do)" and never quote a token.
#pragma once

#include <string>
#include <string_view>

#include "base/file_system.h"
#include "base/result.h"

namespace meshdns::dns {

// A token without the blanks around it: printable ASCII without any inside; may be empty.
[[nodiscard]] Result<std::string> parse_token(const std::string& text);

// The one token of the file. `where_from`: what is said to people when there is none.
[[nodiscard]] Result<std::string> read_token(FileSystem& files, const std::string& path,
                                             std::string_view where_from);

}  // namespace meshdns::dns
